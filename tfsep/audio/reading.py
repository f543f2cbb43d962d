"""Audio files to arrays: whole, an excerpt at an exact position, or block by block."""

import functools
import numbers
import os
from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np

from tfsep.audio import av_decoder, soundfile_decoder
from tfsep.audio.formats import AudioError, AudioInfo


def info(path: str | os.PathLike, stream: int = 0) -> AudioInfo:
    """The rate, length and channels of an audio file, mostly found without decoding it.

    The length is that of the full decode for every format. Files that do not tell it (raw aac, mp3 without a
    Xing or Info header, streamed flac, webm) are decoded once to count; the result is kept while the file does
    not change.

    Args:
        path: string or path. The content decides about the format, not the suffix.
        stream: integer, which audio stream of a file with several (`.stem.mp4`). Defaults to 0.

    Returns:
        An `AudioInfo`.

    Raises:
        FileNotFoundError: there is no such file.
        AudioError: it cannot be read as audio, is truncated, or holds no samples.
        ValueError: it has no such stream.

    Example:

    >>> tfsep.audio.info("song.stem.mp4").streams
    5
    """
    return _probe(path, stream)[1]


def read(
    path: str | os.PathLike, start: int = 0, samples: int | None = None, stream: int = 0
) -> tuple[np.ndarray, int]:
    """Reads an audio file, or an excerpt of it, without decoding the rest.

    The position of an excerpt is exact for every format. Its values equal the slice of the full decode to the
    bit for wav, flac, ogg vorbis, raw aac and m4a. For formats whose decoder carries a state from the past, it is
    decoded from some samples earlier, and then equals the slice within 2e-7 for mp3 and 1e-6 for opus. Only noise
    that a decoder makes up is drawn anew: in opus below about 12 kbit/s (5e-3), and in AAC encoded with perceptual
    noise substitution (0.25 at most, as measured on FFmpeg's encoder).

    AAC keeps the padding of its last frame, as in FFmpeg. An opus file is decoded at 48 kHz, unless its header
    names a lower rate that the codec has (8, 12, 16 or 24 kHz).

    Args:
        path: string or path: wav, flac, ogg, opus, mp3, m4a, aac, mp4, `.stem.mp4`. The content decides about
            the format, not the suffix.
        start: integer, first sample of the excerpt. Defaults to 0.
        samples: integer, length of the excerpt. Defaults to the rest of the file.
        stream: integer, which audio stream of a file with several. Defaults to 0.

    Returns:
        A tuple of the audio, float32 of shape `[samples, channels]`, and its sample rate in hertz.

    Raises:
        FileNotFoundError: there is no such file.
        AudioError: it cannot be read as audio, is truncated, or holds no, NaN or infinite samples.
        ValueError: the excerpt reaches beyond the file, or there is no such stream.

    Example:

    >>> vocals, sample_rate = tfsep.audio.read("song.stem.mp4", start=44100, samples=88200, stream=4)
    """
    return read_streams(path, (stream,), start, samples)[0], _probe(path, stream)[1].sample_rate


def read_streams(
    path: str | os.PathLike, streams: Sequence[int], start: int = 0, samples: int | None = None
) -> list[np.ndarray]:
    """Reads the same excerpt of several streams of a file, going through it once.

    Args:
        path: string or path, as in `read`.
        streams: different integers, the audio streams.
        start: integer, first sample of the excerpt. Defaults to 0.
        samples: integer, length of the excerpt. Defaults to the rest of the first stream.

    Returns:
        For each stream a float32 array of shape `[samples, channels]`.

    Raises:
        As `read` does.

    Example:

    >>> drums, vocals = tfsep.audio.read_streams("song.stem.mp4", (1, 4))
    """
    _check_integers(start=start, samples=0 if samples is None else samples)
    probed = {stream: _probe(path, stream) for stream in streams}
    facts = {stream: facts for stream, (_, facts) in probed.items()}
    decoder = probed[streams[0]][0]
    start = int(start)  # decoders refuse NumPy's integers
    stop = start + int(samples) if samples is not None else facts[streams[0]].samples
    for stream in streams:
        if not 0 <= start <= stop <= facts[stream].samples:
            raise ValueError(
                f"{path}: has {facts[stream].samples} samples, received an excerpt from {start} to {stop}."
            )
    audio = {stream: np.empty((stop - start, facts[stream].channels), np.float32) for stream in streams}
    filled = dict.fromkeys(streams, 0)
    for stream, block in _decode(decoder, facts, start, stop):
        audio[stream][filled[stream] : filled[stream] + len(block)] = block
        filled[stream] += len(block)
    return [audio[stream] for stream in streams]


def blocks(path: str | os.PathLike, block_size: int, stream: int = 0) -> Iterator[np.ndarray]:
    """Reads a whole audio file block by block, in memory that does not grow with its length.

    Args:
        path: string or path, as in `read`.
        block_size: integer, samples per block; the last one may be shorter.
        stream: integer, which audio stream of a file with several. Defaults to 0.

    Returns:
        An iterator over float32 arrays of shape `[samples, channels]`.

    Raises:
        As `read` does; what shows only in decoding is raised by the iterator.
    """
    _check_integers(block_size=block_size)
    if block_size < 1:
        raise ValueError(f"block_size must be 1 or more, received {block_size}.")
    decoder, facts = _probe(path, stream)
    pieces = (piece for _, piece in _decode(decoder, {stream: facts}, 0, facts.samples))
    return _regroup(pieces, min(block_size, facts.samples), facts.channels)


def _probe(path: str | os.PathLike, stream: int) -> tuple[ModuleType, AudioInfo]:
    """The decoder for a file and the facts about it."""
    path = os.fsdecode(path)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such audio file.") from None
    if os.path.isdir(path):
        raise AudioError(f"{path}: is a folder; expected an audio file.")
    if status.st_size == 0:
        raise AudioError(f"{path}: is an empty file.")
    _check_integers(stream=stream)
    version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _probe_version(path, version, stream)


@functools.lru_cache(maxsize=4096)
def _probe_version(path: str, version: tuple[int, ...], stream: int) -> tuple[ModuleType, AudioInfo]:
    decoder = soundfile_decoder
    facts = soundfile_decoder.probe(path, stream)
    if facts is None:
        decoder = av_decoder
        facts = av_decoder.probe(path, stream)
    if facts.samples == 0:
        raise AudioError(f"{path}: holds no samples.")
    return decoder, facts


def _decode(
    decoder: ModuleType, facts: dict[int, AudioInfo], start: int, stop: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields of each stream exactly the samples from `start` to `stop`, in pieces of any length."""
    positions = dict.fromkeys(facts, start)
    path = next(iter(facts.values())).path
    if start == stop:
        return
    for stream, piece in decoder.decode(path, tuple(facts), start, stop):
        position = positions[stream]
        piece = piece[: stop - position]
        if not np.isfinite(piece).all():
            bad = position + int(np.argmin(np.isfinite(piece).all(axis=1)))
            raise AudioError(f"{path}: sample {bad} is NaN or infinite; export the file again.")
        positions[stream] += len(piece)
        if len(piece):
            yield stream, piece
        if min(positions.values()) == stop:
            return
    stream = min(positions, key=positions.get)
    raise AudioError(
        f"{path}: is damaged or truncated: ends after {positions[stream]} of {facts[stream].samples} samples."
    )


def _regroup(pieces: Iterator[np.ndarray], block_size: int, channels: int) -> Iterator[np.ndarray]:
    block, filled = np.empty((block_size, channels), np.float32), 0
    for piece in pieces:
        while len(piece):
            part = piece[: block_size - filled]
            block[filled : filled + len(part)] = part
            filled += len(part)
            piece = piece[len(part) :]
            if filled == block_size:
                yield block
                block, filled = np.empty_like(block), 0
    if filled:
        yield block[:filled]


def _check_integers(**values: int) -> None:
    for name, value in values.items():
        if not isinstance(value, numbers.Integral):
            raise ValueError(f"{name} must be an integer, received {value!r}.")
