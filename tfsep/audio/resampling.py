"""Sample rate conversion with soxr, whole or block by block with the same result."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    length = round(len(audio) * to_rate / from_rate)
    return np.concatenate([*resample_blocks([audio], from_rate, to_rate, len(audio))]) if length else audio[:0]


def resample_blocks(
    blocks: Iterable[np.ndarray], from_rate: int, to_rate: int, samples: int
) -> Iterator[np.ndarray]:
    if from_rate == to_rate:
        yield from blocks
        return
    left = round(samples * to_rate / from_rate)
    stream = None
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(from_rate, to_rate, block.shape[1], dtype="float32", quality="HQ")
        out = stream.resample_chunk(np.ascontiguousarray(block, np.float32))[:left]
        left -= len(out)
        if len(out):
            yield out
    channels = block.shape[1]
    out = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)[:left]
    yield np.pad(out, ((0, left - len(out)), (0, 0)))
