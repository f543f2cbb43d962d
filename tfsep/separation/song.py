"""Separation of a song into stems of the same sample rate, channels and length."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.audio.reading import MOST_CHANNELS, RATES
from tfsep.files import is_file_name
from tfsep.loading import cached_model, model_sources
from tfsep.models.bag import Bag
from tfsep.presets import DEFAULT as DEFAULT_MODEL
from tfsep.separation.bags import separate_by_bag
from tfsep.separation.engine import check_options, separate_blocks
from tfsep.separation.spool import separate_normalized


def separate(
    song: str | Path | np.ndarray,
    model=DEFAULT_MODEL,
    sample_rate: int | None = None,
    *,
    overlap: float | None = None,
    batch_size: int | None = None,
    residual: str | None = None,
    tolerant: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Separate a song into its sources.

    Args:
        song: path of an audio file, or float array `[samples, channels]` or `[samples]` in [-1, 1].
        model: a model, a path or a preset's name; see `tfsep.load_model`. The last three models given by path or name
            stay loaded until their files change. Defaults to `"convsep-4stems-plus"`.
        sample_rate: int, in hertz, required for an array. Defaults to None, that of the file.
        overlap: float in [0, 1), fraction of each segment that overlaps the next. Defaults to the model's, usually
            0.25.
        batch_size: int, segments at a time. Defaults to the model's, usually 4.
        residual: str, name of an additional stem, the mixture minus all estimates. Defaults to None, no such stem.
        tolerant: bool, use what is left of a damaged file, with a warning; see `tfsep.audio.read`. Defaults to False.
        progress: function that is called with the samples done and in total, at the model's rate. Defaults to None.

    Returns:
        dict from source to float32 array with the rate and the shape of the song, in the order of the model's
        `sources`.

    Raises:
        ValueError: for an array of another shape, empty or not finite, or a missing rate.
        FileNotFoundError, tfsep.audio.AudioError: if the file is missing or cannot be read.

    Example:

    >>> stems = tfsep.separate("song.mp3", "model.keras", residual="rest")
    >>> list(stems)
    ['vocals', 'drums', 'rest']
    """
    check_options(overlap, batch_size)
    stem_names(model, residual)
    if isinstance(song, (str, os.PathLike)):
        if sample_rate is not None:
            raise ValueError("sample_rate is for arrays. A file has its own.")
        array, sample_rate = audio.read(song, tolerant=tolerant)
        one_dimensional = False
    else:
        array = _checked(song, sample_rate)
        one_dimensional = np.ndim(song) == 1
    model = cached_model(model)
    names = stem_names(model, residual)
    blocks = separate_stream(
        [array], len(array), array.shape[1], sample_rate, model, residual, overlap, batch_size, progress
    )
    stems = np.concatenate(list(blocks))
    return {
        name: np.ascontiguousarray(stems[:, index, 0] if one_dimensional else stems[:, index])
        for index, name in enumerate(names)
    }


def stem_names(model, residual: str | None) -> tuple[str, ...]:
    """Return the names of the stems of a separation: the model's sources and the residual.

    Args:
        model: a model, a path or a preset's name; see `tfsep.load_model`.
        residual: str, name of the residual, or None for no residual.

    Raises:
        ValueError: if a name cannot be that of a file, or the model has a source with the name of the residual.

    Example:

    >>> tfsep.separation.stem_names("unet-vocals-drums", residual="rest")
    ('vocals', 'drums', 'rest')
    """
    sources = model_sources(model)
    if residual is not None and not is_file_name(residual):
        raise ValueError(f"The residual needs a name that a file can have. Received: {residual!r}.")
    if not all(map(is_file_name, sources)):  # possible in a SavedModel of another program
        raise ValueError(f"The model's sources need names that files can have. Received: {list(sources)}.")
    if residual in sources:
        raise ValueError(f"The model has a source {residual!r} already. Choose another name for the residual.")
    return (*sources, residual) if residual else sources


def _checked(song: np.ndarray, sample_rate: int | None) -> np.ndarray:
    if isinstance(song, (bytes, bytearray, memoryview)) or hasattr(song, "read"):
        raise ValueError(
            f"A song is a path or an array. Received: {type(song).__name__}. Write it to a file, or decode it first."
        )
    array = np.asarray(song)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"Audio must be float in [-1, 1]. Received: dtype {array.dtype}. Divide by full scale.")
    if array.ndim not in (1, 2):
        raise ValueError(f"Audio must be [samples, channels] or [samples]. Received: shape {array.shape}.")
    if not isinstance(sample_rate, numbers.Real) or not RATES[0] <= sample_rate <= RATES[1]:
        raise ValueError(
            f"An array needs its sample_rate, from {RATES[0]} to {RATES[1]} Hz. Received: sample_rate={sample_rate!r}."
        )
    array = array.reshape(len(array), -1) if array.size else array
    if array.size == 0:
        raise ValueError(f"The audio is empty. Received: shape {array.shape}.")
    if array.shape[1] > MOST_CHANNELS:
        raise ValueError(
            f"Audio must be [samples, channels] with at most {MOST_CHANNELS} channels. Received: shape "
            f"{array.shape}. Transpose it if it is [channels, samples]."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("The audio contains NaN or infinite samples.")
    return array


def separate_stream(
    blocks: Iterable[np.ndarray],
    samples: int,
    channels: int,
    sample_rate: int,
    model,
    residual: str | None,
    overlap: float | None,
    batch_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[np.ndarray]:
    """Yield blocks `[n, stems, channels]` at the song's rate, `samples` in total, from blocks of the song."""
    if residual:
        blocks = mixture = _Delay(blocks)
    if hasattr(model, "separate_song"):
        estimates = _whole(blocks, sample_rate, model)
    else:

        def separate_by(model, blocks, progress):
            options = {"overlap": overlap, "batch_size": batch_size, "progress": progress}
            return _in_segments(blocks, samples, channels, sample_rate, model, **options)

        if isinstance(model, Bag):
            estimates = separate_by_bag(blocks, samples, channels, model, separate_by, progress)
        else:
            estimates = separate_by(model, blocks, progress)
    for stems in estimates:
        if residual:
            rest = mixture.take(len(stems)) - stems.sum(axis=1)
            stems = np.concatenate([stems, rest[:, np.newaxis]], axis=1)
        yield stems


def _whole(blocks: Iterable[np.ndarray], sample_rate: int, model) -> Iterator[np.ndarray]:
    """Separate by a separator that needs the whole song."""
    stems = model.separate_song(np.concatenate(list(blocks)), sample_rate)
    yield np.stack([stems[name] for name in model.sources], axis=1)


def _in_segments(
    blocks: Iterable[np.ndarray], samples: int, channels: int, sample_rate: int, model, **options
) -> Iterator[np.ndarray]:
    """Separate by a model, at its own rate."""
    inside = round(samples * model.sample_rate / sample_rate) or 1
    resampled = _resample(blocks, sample_rate, model.sample_rate, samples, inside)

    def separate_all(blocks):
        return separate_blocks(blocks, inside, channels, model, **options)

    if getattr(model, "normalize_song", False):
        estimates = separate_normalized(resampled, channels, separate_all)
    else:
        estimates = separate_all(resampled)
    # Resample all sources together, as channels.
    flat = (block.reshape(len(block), -1) for block in estimates)
    for block in _resample(flat, model.sample_rate, sample_rate, inside, samples):
        yield block.reshape(len(block), len(model.sources), channels)


def _resample(
    blocks: Iterable[np.ndarray], from_rate: int, to_rate: int, samples: int, target: int
) -> Iterator[np.ndarray]:
    """Resample a stream to exactly `target` samples, as rounding to another rate and back may differ by a few."""
    if from_rate != to_rate:
        blocks = audio.resample_blocks(blocks, from_rate, to_rate, samples)
    done, width = 0, 1
    for block in blocks:
        block = block[: target - done]
        done, width = done + len(block), block.shape[1]
        if len(block):
            yield block
    if done < target:
        yield np.zeros((target - done, width), np.float32)


class _Delay:
    """Iterate over blocks and keep a copy of their samples, until `take` returns and drops the first ones."""

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks = iter(blocks)
        self._waiting: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        block = next(self._blocks)
        self._waiting = block if self._waiting is None else np.concatenate([self._waiting, block])
        return block

    def take(self, samples: int) -> np.ndarray:
        taken, self._waiting = self._waiting[:samples], self._waiting[samples:]
        return taken
