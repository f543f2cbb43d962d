"""Tracks -> batches of (mixture, sources), as `tf.data`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfsep.datasets import Track, components
from tfsep.pipeline import cache as decoded
from tfsep.pipeline.augment import Gain, Remix


def excerpts(
    tracks: Sequence[Track],
    model,
    batch_size: int = 16,
    *,
    seed: int = 0,
    steps_per_epoch: int | None = None,
    first_epoch: int = 0,
    augment: Sequence[Callable] = (Remix(), Gain()),
    cache: str | Path | None = None,
) -> tf.data.Dataset:
    """Random excerpts for training.

    Every song is drawn equally often, at any position. Batch `b` depends on `(seed, b)` alone, and an epoch is
    `steps_per_epoch` consecutive batches, so that a run may stop and go on, with any number of threads.

    Args:
        tracks: sequence of tracks: a corpus, or several added as lists.
        model: a `Separator`, which says `sources`, `sample_rate`, `channels`, `segment` and `context`.
        batch_size: int. Every batch is full. Defaults to 16.
        seed: int. Defaults to 0.
        steps_per_epoch: int. Defaults to as many batches as the audio holds windows for.
        first_epoch: int, the epoch that the first iteration yields. Defaults to 0.
        augment: augmentations (`tfsep.pipeline.augment`), applied in order. Defaults to sources from other songs
            in 70 % of the examples and gains from 0.5 to 1.2.
        cache: path of the folder of decoded audio. Defaults to `$TFSEP_CACHE`, else `~/.cache/tfsep`.

    Returns:
        A `tf.data.Dataset` of `(mixture, {source: audio})`, float32
        `[batch_size, segment + 2 * context, channels]` each; every iteration over it yields the next epoch.

    Raises:
        ValueError: if there are no tracks, a source of the model is in none of them, or the batch is larger than
            the data.
    """
    if steps_per_epoch is not None and steps_per_epoch < 1:
        raise ValueError(f"steps_per_epoch must be at least 1. Received: steps_per_epoch={steps_per_epoch}.")
    stems = _Stems(tracks, model, batch_size, cache)
    if steps_per_epoch is None:
        steps_per_epoch = stems.windows // batch_size
        if steps_per_epoch == 0:
            raise ValueError(
                f"A batch of {batch_size} is larger than the data: {stems.windows} windows of {model.segment} "
                f"samples at {model.sample_rate} Hz in {len(tracks)} tracks. Lower batch_size, or set "
                "steps_per_epoch."
            )
    epochs = itertools.count(first_epoch)

    def batch_numbers() -> Iterator[int]:
        epoch = next(epochs)
        yield from range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)

    def load(number: np.int64) -> np.ndarray:
        examples = range(number * batch_size, (number + 1) * batch_size)
        return np.stack([stems.excerpt(*stems.draw(seed, example)) for example in examples])

    def assemble(number: tf.Tensor) -> tuple:
        batch = tf.numpy_function(load, [number], tf.int16, stateful=False)
        batch = tf.ensure_shape(batch, [batch_size, *stems.shape])
        batch = tf.cast(batch, tf.float32) / decoded.SCALE
        for index, augmentation in enumerate(augment):
            key = tf.random.fold_in(tf.constant([seed, index], tf.int32), tf.cast(number, tf.int32))
            batch = augmentation(batch, key)
        return stems.split(batch)

    numbers = tf.data.Dataset.from_generator(batch_numbers, output_signature=tf.TensorSpec((), tf.int64))
    dataset = numbers.map(assemble, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps_per_epoch))
    return dataset.prefetch(tf.data.AUTOTUNE)


def windows(
    tracks: Sequence[Track], model, batch_size: int = 16, *, cache: str | Path | None = None
) -> tf.data.Dataset:
    """Every window of every track once, in order and unaltered, for validation.

    Args:
        tracks, model, batch_size, cache: see `excerpts`; the last batch may be smaller.

    Returns:
        A `tf.data.Dataset` of `(mixture, {source: audio})`, float32 `[batch, segment + 2 * context, channels]`.
        A track's last window is completed with zeros.
    """
    stems = _Stems(tracks, model, batch_size, cache)
    positions = np.array(
        [(track, start) for track, audio in enumerate(stems.audio) for start in range(0, audio.shape[1], model.segment)]
    )

    def assemble(position: tf.Tensor) -> tf.Tensor:
        window = tf.numpy_function(lambda position: stems.excerpt(*position), [position], tf.int16, stateful=False)
        return tf.cast(tf.ensure_shape(window, stems.shape), tf.float32) / decoded.SCALE

    dataset = tf.data.Dataset.from_tensor_slices(positions).map(assemble, tf.data.AUTOTUNE)
    return dataset.batch(batch_size).map(stems.split).prefetch(tf.data.AUTOTUNE)


class _Stems:
    """The decoded stems of a model's training material, as excerpts of int16 rows, one a source."""

    def __init__(self, tracks: Sequence[Track], model, batch_size: int, cache: str | Path | None):
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1. Received: batch_size={batch_size}.")
        if not len(tracks):
            raise ValueError("There are no tracks. Expected a sequence of at least one Track.")
        self.tracks = tracks
        self.sources = tuple(dict.fromkeys(source for track in tracks for source in track.sources))
        self.parts = self._parts(model.sources)
        self.segment, self.context = model.segment, model.context
        self.shape = (len(self.sources) + 1, model.segment + 2 * model.context, model.channels)
        self.audio = decoded.decode(tracks, model.sample_rate, model.channels, cache)
        self.windows = sum(-(-audio.shape[1] // self.segment) for audio in self.audio)
        self._order = functools.lru_cache(maxsize=8)(self._shuffled)

    def _parts(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The rows that add up to each name; accompaniment is a stem in some tracks and what is left in others."""
        parts = components(names, self.sources)
        if "accompaniment" in parts:
            whole = [track for track in self.tracks if "accompaniment" in track.sources]
            rest = {source for track in self.tracks if track not in whole for source in track.sources}
            rest = rest - set(names) | {"accompaniment"}
            parts["accompaniment"] = tuple(source for source in self.sources if source in rest)
        return parts

    def _shuffled(self, seed: int, turn: int) -> np.ndarray:
        return np.random.default_rng((seed, 0, turn)).permutation(len(self.audio))

    def draw(self, seed: int, example: int) -> tuple[int, int]:
        """Track and start of a training example: songs by turns in a new order each turn, any position."""
        turn, place = divmod(int(example), len(self.audio))
        track = self._order(seed, turn)[place]
        last = max(0, self.audio[track].shape[1] - self.segment)
        return track, np.random.default_rng((seed, 1, int(example))).integers(last + 1)

    def excerpt(self, track: int, start: int) -> np.ndarray:
        """One window with its context, zeros beyond the song's ends and for sources that the song lacks."""
        audio = self.audio[track]
        begin, end = start - self.context, start + self.segment + self.context
        inside = slice(max(begin, 0), min(end, audio.shape[1]))
        rows = [self.sources.index(source) for source in self.tracks[track].sources]
        window = np.zeros(self.shape, np.int16)
        window[[*rows, -1], inside.start - begin : inside.stop - begin] = audio[:, inside]
        return window

    def split(self, batch: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Rows `[batch, sources + residual, samples, channels]` -> mixture and the model's sources."""
        rows = dict(zip(self.sources, tf.unstack(batch, axis=1), strict=False))
        references = {name: tf.add_n([rows[part] for part in parts]) for name, parts in self.parts.items()}
        return tf.reduce_sum(batch, axis=1), references
