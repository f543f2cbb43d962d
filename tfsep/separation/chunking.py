"""Rules by which songs are cut into chunks and estimates are cross-faded, as in the projects of the models."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

# Cross-fades by name: samples of the ramp, and the position on it of a segment's first sample.
_FADES = {
    "overlap": lambda segment, hop: (segment - hop, 0.5),
    "triangle": lambda segment, hop: ((segment + 1) // 2, 1.0),
    "tenth": lambda segment, hop: (segment // 10 - 1, 0.0),
}
FADES = (*_FADES, "frames")
EDGES = ("zeros", "centred", "reflect")

# Smallest weight, so that samples in a single segment are not divided by zero.
_LEAST_WEIGHT = 1e-9


def cut(
    blocks: Iterable[np.ndarray], channels: int, segment: int, context: int, hop: int, edges: str
) -> Iterator[tuple[np.ndarray, slice]]:
    """Cut a stream of audio `[n, channels]` into chunks at intervals of `hop`, which cover all samples.

    No more is read than a chunk needs, and its length need not be known.

    Yields:
        The window of each chunk, `[segment + 2 * context, channels]`, and which samples of its estimate are used.
    """
    blocks, size = iter(blocks), segment + 2 * context
    most_before = context + (segment // 2 if edges == "centred" else 0)
    waiting, position = np.zeros((most_before, channels), np.float32), -most_before

    def read(end: int) -> int:
        """Read the stream up to `end`, and return how far that was possible."""
        nonlocal waiting
        parts, reached = [waiting], position + len(waiting)
        while reached < end and (block := next(blocks, None)) is not None:
            parts.append(block)
            reached += len(block)
        if len(parts) > 1:  # a song in one block must not be copied for every chunk
            waiting = np.concatenate(parts)
        return reached

    for start in itertools.count(0, hop):
        # Other edges begin a chunk at every hop within the song, even if earlier chunks cover its end.
        covered = start - hop + segment if start and edges == "zeros" else start
        if read(covered + 1) <= covered:
            return
        length = min(segment, read(start + segment + context) - start)
        offset = (segment - length) // 2 if edges == "centred" else 0
        waiting, position = waiting[start - most_before - position :], start - most_before
        window = waiting[most_before - context - offset :][:size]
        # Mirroring cannot fill more than half a window.
        mode = "reflect" if edges == "reflect" and len(window) > size // 2 else "constant"
        yield np.pad(window, ((0, size - len(window)), (0, 0)), mode), slice(offset, offset + length)


def weights(fade: str, segment: int, hop: int) -> np.ndarray:
    """Return the weights of a segment's samples in the cross-fade, before they are divided by their sum."""
    length, first = _FADES[fade](segment, hop)
    ramp = np.arange(segment, dtype=np.float64) + first
    return np.clip(np.minimum(ramp, ramp[::-1]) / max(1, length), _LEAST_WEIGHT, 1)


def frame_weights(segment: int, n_fft: int) -> np.ndarray:
    """Return the sum of the squared Hann windows of a segment's frames, at hops of a quarter of a frame."""
    hop = n_fft // 4
    squared = np.sin(np.pi * np.arange(n_fft) / n_fft) ** 4 / 1.5
    total = np.zeros(segment)
    for start in range(0, segment - n_fft + 1, hop):
        total[start : start + n_fft] += squared
    return np.maximum(total, _LEAST_WEIGHT)


def reflect_ends(blocks: Iterable[np.ndarray], border: int) -> tuple[Iterable[np.ndarray], int]:
    """Mirror `border` samples before and after a stream, unless it is too short for that.

    Returns:
        The stream, and the samples that it has before and after the song.
    """
    blocks, parts, read = iter(blocks), [], 0
    while read <= 2 * border and (block := next(blocks, None)) is not None:
        parts.append(block)
        read += len(block)
    return (parts, 0) if read <= 2 * border else (_reflected(np.concatenate(parts), blocks, border), border)


def _reflected(head: np.ndarray, blocks: Iterator[np.ndarray], border: int) -> Iterator[np.ndarray]:
    yield head[border:0:-1]
    yield head
    tail = head[-border - 1 :]
    for block in blocks:
        yield block
        tail = np.concatenate([tail, block])[-border - 1 :]
    yield tail[-2::-1]


def crop(blocks: Iterable[np.ndarray], start: int, samples: int | None = None) -> Iterator[np.ndarray]:
    """Yield `samples` samples of a stream from `start` on, or all the rest."""
    position, end = 0, None if samples is None else start + samples
    for block in blocks:
        part = block[max(0, start - position) : None if end is None else max(0, end - position)]
        position += len(block)
        if len(part):
            yield part
        if end is not None and position >= end:
            break


class Counted:
    """A stream whose samples are counted as they are read.

    Attributes:
        samples: int, read so far.
    """

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks = blocks
        self.samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.samples += len(block)
            yield block

    def trim(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Trim a stream derived from this one to this one's length."""
        done = 0
        for block in blocks:
            block = block[: self.samples - done]
            done += len(block)
            if len(block):
                yield block
