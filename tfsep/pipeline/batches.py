"""Batches of (mixture, sources) from tracks: `tf.data` datasets, or `keras.utils.PyDataset` under another backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from tfsep.checks import check_choice, check_integer
from tfsep.datasets import Track
from tfsep.datasets.store import SCALE
from tfsep.pipeline.augment import Gain, Remix
from tfsep.pipeline.excerpt_reader import ExcerptReader
from tfsep.pipeline.random_numbers import fold_in
from tfsep.pipeline.share import ALL, Share

if keras.backend.backend() == "tensorflow":
    from tfsep.pipeline import tensorflow_batches as backend
else:
    from tfsep.pipeline import python_batches as backend

if TYPE_CHECKING:
    import tensorflow as tf


def excerpts(
    tracks: Sequence[Track],
    model,
    batch_size: int = 16,
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    steps_per_epoch: int | None = None,
    first_epoch: int = 0,
    augment: Sequence[Callable] = (Remix(), Gain()),
    active: str | None = None,
    cache: str | Path | None = None,
    jit_compile: bool = True,
    share: Share = ALL,
) -> tf.data.Dataset | keras.utils.PyDataset:
    """Return random excerpts for training.

    Every track is drawn equally often, or in proportion to its weight, at random positions. An excerpt in which all of
    the model's sources are silent (below -60 dB of full scale throughout) is drawn again, at most three times. Batch
    `b` depends only on `(seed, b)`, and an epoch is `steps_per_epoch` consecutive batches, so that training can be
    resumed, with any number of threads.

    Args:
        tracks: the tracks, a corpus or several added as lists.
        model: a `Separator`, of which `sources`, `sample_rate`, `channels`, `segment` and `context` are used.
        batch_size: int, examples of every batch. Defaults to 16.
        weights: floats above 0, one for each track: how often it is drawn, relative to the others. Defaults to None,
            equally often.
        seed: int. Defaults to 0.
        steps_per_epoch: int, batches of an epoch. Defaults to as many as the tracks have windows for.
        first_epoch: int, the epoch that the first iteration yields. Defaults to 0.
        augment: augmentations (`tfsep.pipeline.augment`), applied in order. Defaults to `(Remix(), Gain())`: sources
            from other songs in 70 % of the examples, and gains from 0.5 to 1.2.
        active: str, a source that should be active: excerpts in which it is silent are drawn again. Defaults to None.
        cache: path of the folder of decoded audio. Defaults to `$TFSEP_CACHE`, else `~/.cache/tfsep`.
        jit_compile: bool, compile the augmentations with XLA, which is several times as fast; False is for your own
            augmentations if XLA cannot compile them. Defaults to True.
        share: `tfsep.pipeline.Share`, the replicas that this process feeds. Each gets an equal part of every batch,
            and the sources of a worker's part are remixed among themselves. Defaults to all of the only replica.

    Returns:
        A `tf.data.Dataset` of `(mixture, {source: audio})`, float32
        `[batch_size, segment + 2 * context, channels]` each; every iteration over it yields the next epoch. Under
        JAX a `keras.utils.PyDataset` of the same excerpts as NumPy arrays, which needs no TensorFlow.

    Raises:
        ValueError: if `tracks` are no tracks, or empty; if a source of the model is in none of them, or all are silent;
            if the batch is larger than the data or no multiple of the replicas, or `active` is no source of the model.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs")
    >>> dataset = tfsep.pipeline.excerpts(tracks, tfsep.load_model("model.keras"), batch_size=2)
    >>> mixture, sources = next(iter(dataset))
    >>> mixture.shape, list(sources)
    (TensorShape([2, 4096, 1]), ['vocals', 'drums'])
    """
    check_integer("steps_per_epoch", steps_per_epoch, optional=True)
    check_choice("active", active, (*model.sources, None))
    reader = ExcerptReader(tracks, model, batch_size, cache, active, weights)
    if batch_size % share.total:
        raise ValueError(
            f"batch_size must be a multiple of {share.total}, the replicas. Received: batch_size={batch_size}."
        )
    reader.check_sound()
    if steps_per_epoch is None:
        steps_per_epoch = reader.windows // batch_size
        if steps_per_epoch == 0:
            raise ValueError(
                f"A batch of {batch_size} is larger than the data: {reader.windows} windows of {model.segment} "
                f"samples at {model.sample_rate} Hz in {len(reader.tracks)} tracks. Lower batch_size, or set "
                "steps_per_epoch."
            )
    part = batch_size // share.total

    def load(number: int) -> np.ndarray:
        first = number * batch_size + share.first * part
        return reader.draw(seed, range(first, first + share.count * part))

    def assemble(batch, number) -> tuple:
        batch = _to_float(batch)
        for index, augmentation in enumerate(augment):
            key = fold_in([seed, index], number)
            # Workers differ.
            batch = augmentation(batch, fold_in(key, share.first) if share.first else key)
        return reader.mixed(batch)

    shape = (share.count * part, *reader.shape)
    return backend.excerpts(load, assemble, shape, part, steps_per_epoch, first_epoch, jit_compile)


def windows(
    tracks: Sequence[Track],
    model,
    batch_size: int = 16,
    *,
    cache: str | Path | None = None,
    share: Share = ALL,
) -> tf.data.Dataset | keras.utils.PyDataset:
    """Return every window of every track once, in order and without augmentation, for validation.

    Args:
        tracks, model, batch_size, cache, share: see `excerpts`; the last batch may be smaller, and several replicas
            get parts that differ by one window at most. Under JAX the last windows are left out, so that all devices
            get as many.

    Returns:
        A dataset of `(mixture, {source: audio})` as that of `excerpts`, float32
        `[batch, segment + 2 * context, channels]`. The last window of a track is padded with zeros.

    Raises:
        ValueError: if `tracks` are no tracks or empty, or have fewer windows than there are replicas.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split="valid")
    >>> dataset = tfsep.pipeline.windows(tracks, tfsep.load_model("model.keras"))
    >>> [len(mixture) for mixture, sources in dataset]
    [3]
    """
    reader = ExcerptReader(tracks, model, batch_size, cache)
    positions = [
        (track, start) for track, samples in enumerate(reader.samples) for start in range(0, samples, model.segment)
    ]
    return backend.windows(
        lambda first, end: reader.load(positions[first:end]),
        lambda batch: reader.mixed(_to_float(batch)),
        (None, *reader.shape),
        backend.bounds(len(positions), batch_size, share),
    )


def _to_float(batch):
    return ops.cast(batch, "float32") / SCALE
