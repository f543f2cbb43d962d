"""Rules by which songs are cut into chunks and estimates are cross-faded, as in the projects of the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

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


class Chunk(NamedTuple):
    """A chunk of a song: its window begins at `begin`; `length` samples of the estimate from `offset` on are used."""

    begin: int
    offset: int
    length: int


def plan(samples: int, segment: int, context: int, hop: int, edges: str) -> list[Chunk]:
    """Return chunks at intervals of `hop` that cover all samples."""
    # Other edges begin a chunk at every hop within the song, even if earlier chunks cover its end.
    left = samples - segment + hop if edges == "zeros" else samples
    count = max(1, -(-left // hop))
    chunks = []
    for start in range(0, count * hop, hop):
        length = min(segment, samples - start)
        offset = (segment - length) // 2 if edges == "centred" else 0
        chunks.append(Chunk(start - context - offset, offset, length))
    return chunks


def cut(blocks: Iterable[np.ndarray], chunks: list[Chunk], size: int, channels: int, edges: str) -> Iterator:
    """Yield the windows `[size, channels]` of chunks from a stream of audio `[n, channels]`."""
    blocks = iter(blocks)
    position = chunks[0].begin
    waiting = np.zeros((-position, channels), np.float32)
    for chunk in chunks:
        waiting, position = waiting[chunk.begin - position :], chunk.begin
        while len(waiting) < size and (block := next(blocks, None)) is not None:
            waiting = np.concatenate([waiting, block])
        window = waiting[:size]
        # Mirroring cannot fill more than half a window.
        mode = "reflect" if edges == "reflect" and len(window) > size // 2 else "constant"
        yield np.pad(window, ((0, size - len(window)), (0, 0)), mode)


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


def reflect_ends(blocks: Iterable[np.ndarray], border: int) -> Iterator[np.ndarray]:
    """Mirror `border` samples before and after a stream, which must be longer than that."""
    blocks = iter(blocks)
    head = next(blocks)
    while len(head) <= border:
        head = np.concatenate([head, next(blocks)])
    yield head[border:0:-1]
    yield head
    tail = head[-border - 1 :]
    for block in blocks:
        yield block
        tail = np.concatenate([tail, block])[-border - 1 :]
    yield tail[-2::-1]


def crop(blocks: Iterable[np.ndarray], start: int, samples: int) -> Iterator[np.ndarray]:
    """Yield `samples` samples of a stream from `start` on."""
    position = 0
    for block in blocks:
        part = block[max(0, start - position) : max(0, start + samples - position)]
        position += len(block)
        if len(part):
            yield part
