"""A stream of audio in a temporary file, which can be read more than once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np

# Samples read at a time.
_BLOCK = 1 << 18

# Added to the deviation by which a song is divided, which may be 0.
_EPSILON = 1e-8


class Spool:
    """Write a stream of blocks to disk, over which each iteration starts again.

    Args:
        blocks: float32 arrays `[n, channels]`.
        channels: int, channels of the audio.

    Attributes:
        samples: int, length of the stream.
        mean, deviation: float, mean and standard deviation of the mean over channels.
    """

    def __init__(self, blocks: Iterable[np.ndarray], channels: int):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by __exit__
        self._channels = channels
        count, total, squares = 0, 0.0, 0.0
        for block in blocks:
            self._file.write(np.ascontiguousarray(block, np.float32))
            mono = block.mean(axis=1, dtype=np.float64)
            count, total, squares = count + len(mono), total + mono.sum(), squares + np.square(mono).sum()
        self.samples = count
        self.mean = total / max(1, count)
        self.deviation = (max(0.0, squares - count * self.mean**2) / max(1, count - 1)) ** 0.5

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        while data := self._file.read(4 * self._channels * _BLOCK):
            yield np.frombuffer(data, np.float32).reshape(-1, self._channels)


def separate_normalized(
    blocks: Iterable[np.ndarray], channels: int, separate: Callable[[Iterable], Iterable]
) -> Iterator[np.ndarray]:
    """Separate a song after normalization to mean 0 and deviation 1, which is undone in the estimates.

    Args:
        blocks: float32 arrays `[n, channels]`.
        channels: int, channels of the audio.
        separate: function from blocks to blocks of estimates.

    Yields:
        Blocks of estimates.
    """
    with Spool(blocks, channels) as song:
        mean, scale = np.float32(song.mean), np.float32(song.deviation + _EPSILON)
        for estimates in separate((block - mean) / scale for block in song):
            yield estimates * scale + mean
