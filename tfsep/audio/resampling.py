"""Sample rate conversion with soxr, with the same result at once and block by block."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from tfsep.checks import check_number

_QUALITY = "HQ"

# Samples at the lower rate by which a stream is late, at most: 1381 of all usual rates.
DELAY = 1500


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample audio to another rate, without delay or change of level.

    Args:
        audio: float array of shape `[samples, channels]`.
        from_rate: int, rate of `audio` in hertz.
        to_rate: int, rate to convert to in hertz.

    Returns:
        A float32 array of shape `[round(samples * to_rate / from_rate), channels]`. Equal rates change nothing.

    Raises:
        ValueError: if the array is not a float array with two axes, or a rate is not positive.

    Example:

    >>> tfsep.audio.resample(np.zeros((44100, 2)), 44100, 16000).shape
    (16000, 2)
    """
    check_number("from_rate", from_rate, above=0)
    check_number("to_rate", to_rate, above=0)
    audio = _as_float32(audio)
    if from_rate == to_rate:
        return audio
    length = round(len(audio) * to_rate / from_rate)
    return _fit(soxr.resample(audio, from_rate, to_rate, quality=_QUALITY), length)


def resample_blocks(
    blocks: Iterable[np.ndarray], from_rate: int, to_rate: int, samples: int | None = None
) -> Iterator[np.ndarray]:
    """Resample a stream of blocks, with the same result to the bit as `resample` of the whole.

    Args:
        blocks: iterable of float arrays of shape `[block samples, channels]`, of any lengths.
        from_rate: int, rate of `blocks` in hertz.
        to_rate: int, rate to convert to in hertz.
        samples: int, length of all blocks together, which is checked. Defaults to None, any length.

    Returns:
        An iterator over float32 arrays of any lengths, `round(samples * to_rate / from_rate)` samples together.

    Raises:
        ValueError: as `resample` does, and if the blocks are not `samples` long together.

    Example:

    >>> blocks = tfsep.audio.blocks("song.mp3", 65536)
    >>> blocks = tfsep.audio.resample_blocks(blocks, 44100, 16000, tfsep.audio.info("song.mp3").samples)
    """
    check_number("from_rate", from_rate, above=0)
    check_number("to_rate", to_rate, above=0)
    return _resample_blocks(blocks, from_rate, to_rate, samples)


def _resample_blocks(
    blocks: Iterable[np.ndarray], from_rate: int, to_rate: int, samples: int | None
) -> Iterator[np.ndarray]:
    resampler, received = None, 0
    for block in blocks:
        block = _as_float32(block)
        received += len(block)
        if from_rate == to_rate:
            yield block
            continue
        if resampler is None:
            resampler = Resampler(from_rate, to_rate, block.shape[1])
        output = resampler.push(block)
        if len(output):
            yield output
    if samples is not None and received != samples:
        raise ValueError(f"blocks must have samples={samples} samples together. Received: {received}.")
    if resampler is not None:
        yield resampler.finish()


class Resampler:
    """Resample blocks as they arrive, with the same result as `resample` of the whole.

    Args:
        from_rate, to_rate: int, different rates in hertz.
        channels: int.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int):
        self._rates = from_rate, to_rate
        self._stream = soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality=_QUALITY)
        self._empty = np.empty((0, channels), np.float32)
        self._received = self._returned = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        """Return the samples that are complete after a float32 block `[samples, channels]`."""
        output = self._stream.resample_chunk(block)
        self._received += len(block)
        self._returned += len(output)
        return output

    def finish(self) -> np.ndarray:
        """Return the last samples."""
        from_rate, to_rate = self._rates
        remaining = round(self._received * to_rate / from_rate) - self._returned
        return _fit(self._stream.resample_chunk(self._empty, last=True), remaining)


def _fit(audio: np.ndarray, length: int) -> np.ndarray:
    """Drop or add the one sample by which soxr rounds a length differently."""
    audio = audio[:length]
    return np.pad(audio, ((0, length - len(audio)), (0, 0)))


def _as_float32(audio: np.ndarray) -> np.ndarray:
    if audio.ndim != 2 or audio.dtype.kind != "f":
        raise ValueError(
            f"audio must be a float array [samples, channels]. Received: {audio.dtype} of shape {audio.shape}."
        )
    return np.ascontiguousarray(audio, np.float32)
