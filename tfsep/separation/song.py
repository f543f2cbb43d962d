"""Separation of a song: any rate, channels and length in, the same out."""

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
    """Separates a song into its sources.

    Args:
        song: path of an audio file, or float `[samples, channels]` or `[samples]` in [-1, 1], which is not
            altered.
        model: a model, a path or a preset's name; see `tfsep.load_model`. The last three that were given by path or
            name stay loaded until their files change.
        sample_rate: int, samples per second of an array; not for a path.
        overlap: float in [0, 1), share of a segment that overlaps the next. Defaults to the model's, mostly 0.25.
        batch_size: int, segments at a time. Defaults to the model's, mostly 4.
        residual: str or None. Name for one more stem: the mixture less all estimates.
        tolerant: bool. Take what is left of a damaged file, and warn of what is lost; see `tfsep.audio.read`.
            Defaults to False.
        progress: called with samples done and in all (at the model's rate).

    Returns:
        dict from source to float32 of the song's own rate, length, channels and shape, in the order of the
        model's `sources`.

    Raises:
        ValueError: for audio of another layout, empty or not finite, or a missing rate.
        FileNotFoundError, tfsep.audio.AudioError: if the file is missing or cannot be read.

    Example:

    >>> stems = tfsep.separate("song.mp3")
    >>> stems["vocals"].shape
    (7938000, 2)
    """
    check_options(overlap, batch_size)
    stem_names(model, residual)
    if isinstance(song, (str, os.PathLike)):
        if sample_rate is not None:
            raise ValueError("sample_rate belongs to an array. A file says its own.")
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
    """Names of the stems that a separation gives: the model's sources and the residual."""
    sources = model_sources(model)
    if residual is not None and not is_file_name(residual):
        raise ValueError(f"The residual needs a name that a file can have. Received: {residual!r}.")
    if not all(map(is_file_name, sources)):  # those of a foreign SavedModel, for one
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
        raise ValueError("The audio holds NaN or infinite samples.")
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
    """Blocks of a song at its own rate -> blocks `[n, stems, channels]` at that rate, `samples` in all."""
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
    """For separators that must hear the whole song."""
    stems = model.separate_song(np.concatenate(list(blocks)), sample_rate)
    yield np.stack([stems[name] for name in model.sources], axis=1)


def _in_segments(
    blocks: Iterable[np.ndarray], samples: int, channels: int, sample_rate: int, model, **options
) -> Iterator[np.ndarray]:
    """For models, which work at a rate of their own."""
    inside = round(samples * model.sample_rate / sample_rate) or 1
    resampled = _resample(blocks, sample_rate, model.sample_rate, samples, inside)

    def separate_all(blocks):
        return separate_blocks(blocks, inside, channels, model, **options)

    if getattr(model, "normalize_song", False):
        estimates = separate_normalized(resampled, channels, separate_all)
    else:
        estimates = separate_all(resampled)
    # Sources travel as further channels, so that one resampler serves them all.
    flat = (block.reshape(len(block), -1) for block in estimates)
    for block in _resample(flat, model.sample_rate, sample_rate, inside, samples):
        yield block.reshape(len(block), len(model.sources), channels)


def _resample(
    blocks: Iterable[np.ndarray], from_rate: int, to_rate: int, samples: int, wanted: int
) -> Iterator[np.ndarray]:
    """Resamples a stream to exactly `wanted` samples: rounding there and back may miss by a few."""
    if from_rate != to_rate:
        blocks = audio.resample_blocks(blocks, from_rate, to_rate, samples)
    done, width = 0, 1
    for block in blocks:
        block = block[: wanted - done]
        done, width = done + len(block), block.shape[1]
        if len(block):
            yield block
    if done < wanted:
        yield np.zeros((wanted - done, width), np.float32)


class _Delay:
    """Hands a stream of blocks on, and keeps of it what is still to be taken, in lengths of the taker's choice."""

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
