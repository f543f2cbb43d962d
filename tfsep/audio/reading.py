"""Audio files to arrays: whole, an excerpt at an exact position, or block by block."""

import functools
import os
import stat
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tfsep.audio import av_decoder, headers, soundfile_decoder
from tfsep.audio.formats import TOLERANT_ADVICE, AudioError, AudioInfo, damaged
from tfsep.checks import check_integer

RATES = (1000, 768000)  # hertz: from below telephone speech to 16 times 48 kHz
MOST_CHANNELS = 32
# A flac of silence has frames of 65535 samples in a dozen bytes, more than any other format.
_MOST_SAMPLES_PER_BYTE = 8192
_FIRST_SAMPLES = 1 << 24  # allocated at once
_BLOCK_BYTES = 1 << 20


def info(path: str | os.PathLike, stream: int = 0, tolerant: bool = False) -> AudioInfo:
    """Return the rate, length and channels of an audio file, in most cases without decoding it.

    The length is that of the full decode for every format. Files that do not state it (raw aac, mp3 whose Xing or
    Info header is missing or does not count its frames, streamed flac, webm) are decoded once; the result is kept
    while the file does not change.

    Args:
        path: path. The content determines the format, not the suffix.
        stream: int, which audio stream of a file with several (`.stem.mp4`). Defaults to 0.
        tolerant: bool, read the decodable part of a damaged or truncated file, with a warning. Defaults to False,
            which raises an error.

    Returns:
        An `AudioInfo`.

    Raises:
        FileNotFoundError: if there is no such file.
        AudioError: if it cannot be read as audio, is damaged or truncated, contains no samples, or claims a rate,
            length or number of channels out of range.
        ValueError: if it has no such stream.
        TypeError: if `path` is neither a str nor a path.

    Example:

    >>> tfsep.audio.info("song.stem.mp4").streams
    5
    """
    return _probe(path, stream, tolerant).facts


def read(
    path: str | os.PathLike, start: int = 0, samples: int | None = None, stream: int = 0, tolerant: bool = False
) -> tuple[np.ndarray, int]:
    """Read an audio file, or an excerpt of it without decoding the rest.

    The position of an excerpt is exact for every format. Its values equal the slice of the full decode to the
    bit for wav, flac, ogg vorbis, raw aac and m4a. Decoders with a state start some samples earlier, and their
    excerpts equal the slice within 2e-7 for mp3 and 1e-6 for opus. Only the noise that decoders generate differs:
    in opus below about 12 kbit/s (5e-3), and in AAC encoded with perceptual noise substitution (0.25 at most, as
    measured on FFmpeg's encoder).

    AAC keeps the padding of its last frame, as in FFmpeg, unless an edit list gives the length in samples, as that of
    `write` does. Opus is decoded at 48 kHz, unless its header states a lower rate of the codec (8, 12, 16 or 24 kHz).
    Channels are in the order of WAVE_FORMAT_EXTENSIBLE for every format; 5.1 is left, right, centre, LFE, left and
    right surround.

    Only the file itself is opened: playlists are refused. `tolerant` inserts silence if time stamps give the length
    of what is missing (flac, m4a), and joins what is left otherwise.

    Args:
        path: path: wav, flac, ogg, opus, mp3, m4a, aac, mp4, `.stem.mp4`. The content determines
            the format, not the suffix.
        start: int, first sample of the excerpt. Defaults to 0.
        samples: int, length of the excerpt. Defaults to the rest of the file.
        stream: int, which audio stream of a file with several. Defaults to 0.
        tolerant: bool, read the decodable part of a damaged or truncated file, with a warning. Defaults to False,
            which raises an error.

    Returns:
        A tuple of the audio, float32 of shape `[samples, channels]`, and its sample rate in hertz.

    Raises:
        AudioError: as `info` does, and for NaN or infinite samples.
        ValueError: if the excerpt reaches beyond the file, or there is no such stream.
        FileNotFoundError, TypeError: as `info` does.

    Example:

    >>> vocals, sample_rate = tfsep.audio.read("song.stem.mp4", start=44100, samples=88200, stream=4)
    >>> vocals.shape, sample_rate
    ((88200, 2), 44100)
    """
    audio = read_streams(path, (stream,), start, samples, tolerant)[0]
    return audio, _probe(path, stream, tolerant).facts.sample_rate


def read_streams(
    path: str | os.PathLike,
    streams: Sequence[int],
    start: int = 0,
    samples: int | None = None,
    tolerant: bool = False,
) -> list[np.ndarray]:
    """Read the same excerpt of several streams of a file in one pass.

    Args:
        path: path, as in `read`.
        streams: sequence of different ints, the audio streams.
        start: int, first sample of the excerpt. Defaults to 0.
        samples: int, length of the excerpt. Defaults to the rest of the first stream.
        tolerant: bool, as in `read`. Defaults to False.

    Returns:
        For each stream a float32 array of shape `[samples, channels]`.

    Raises:
        As `read` does.

    Example:

    >>> drums, vocals = tfsep.audio.read_streams("song.stem.mp4", (1, 4))
    """
    check_integer("start", start, least=None)
    check_integer("samples", samples, least=None, optional=True)
    probed = {stream: _probe(path, stream, tolerant) for stream in streams}
    start = int(start)  # decoders refuse NumPy's integers
    stop = start + int(samples) if samples is not None else probed[streams[0]].facts.samples
    for stream in streams:
        length = probed[stream].facts.samples
        if not 0 <= start <= stop <= length:
            raise ValueError(f"{path}: has {length} samples. Received: an excerpt from {start} to {stop}.")
    _warn_of_losses(probed)
    audio = {stream: _Growing(stop - start, probed[stream].facts.channels) for stream in streams}
    for stream, block in _decode(probed, start, stop):
        audio[stream].append(block)
    return [audio[stream].array for stream in streams]


def blocks(path: str | os.PathLike, block_size: int, stream: int = 0, tolerant: bool = False) -> Iterator[np.ndarray]:
    """Read a whole audio file block by block, in memory that does not grow with its length.

    Args:
        path: path, as in `read`.
        block_size: int, samples per block; the last one may be shorter.
        stream: int, which audio stream of a file with several. Defaults to 0.
        tolerant: bool, as in `read`. Defaults to False.

    Returns:
        An iterator over float32 arrays of shape `[samples, channels]`.

    Raises:
        As `read` does; errors of decoding are raised by the iterator.

    Example:

    >>> peak = max(abs(block).max() for block in tfsep.audio.blocks("song.mp3", 65536))
    """
    check_integer("block_size", block_size)
    probed = {stream: _probe(path, stream, tolerant)}
    _warn_of_losses(probed)
    facts = probed[stream].facts
    pieces = (piece for _, piece in _decode(probed, 0, facts.samples))
    return _regroup(pieces, min(block_size, facts.samples), facts.channels)


class _Probed(NamedTuple):
    facts: AudioInfo
    decode: Callable[[str, Sequence[int], int, int], Iterator[tuple[int, np.ndarray]]]
    loss: str = ""  # what tolerant reading loses, in words


class _Growing:
    """An array that grows as it is filled, since a header may claim any length."""

    def __init__(self, samples: int, channels: int):
        self._samples = samples
        self._filled = 0
        self.array = np.empty((min(samples, _FIRST_SAMPLES), channels), np.float32)

    def append(self, block: np.ndarray) -> None:
        end = self._filled + len(block)
        if end > len(self.array):
            size = min(self._samples, max(end, 2 * len(self.array)))
            self.array.resize((size, self.array.shape[1]), refcheck=False)
        self.array[self._filled : end] = block
        self._filled = end


def checksum(path: str | os.PathLike) -> str:
    """Return a number of the audio that a file stores in its first stream, whatever its tags are.

    Returns:
        CRC-32, eight hexadecimal digits: of the stream before decoding, or of the whole file if FFmpeg cannot read it.
    """
    path = os.fspath(path)
    try:
        value = av_decoder.checksum(path)
    except AudioError:
        value = 0
        with open(path, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                value = zlib.crc32(block, value)
    return f"{value:08x}"


def _probe(path: str | os.PathLike, stream: int, tolerant: bool) -> _Probed:
    """Return the decoder for a file and the facts about it."""
    path, status = check_path(path)
    check_integer("stream", stream, least=None)
    version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _probe_version(path, version, int(stream), bool(tolerant))


def check_path(path: str | os.PathLike) -> tuple[str, os.stat_result]:
    """Return the path of a file as a str, and its status; raise what `info` raises if there is no file to read."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"path must be a str or path. Received: {type(path).__name__}. Write the bytes to a file, or pass a "
            "decoded array if arrays are accepted."
        )
    path = os.fsdecode(path)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such audio file.") from None
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f"{path}: is a folder. Expected an audio file.")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{path}: is a pipe or a device. Write the stream to a file first.")
    if status.st_size == 0:
        raise AudioError(f"{path}: is an empty file.")
    return path, status


@functools.lru_cache(maxsize=4096)
def _probe_version(path: str, version: tuple[int, ...], stream: int, tolerant: bool) -> _Probed:
    if tolerant:
        return _probe_tolerantly(path, version, stream)
    headers.check_complete(path)
    decode = soundfile_decoder.decode
    facts = soundfile_decoder.probe(path)
    if facts is None:
        decode = av_decoder.decode
        facts = av_decoder.probe(path, stream)
    elif stream != 0:
        raise ValueError(f"{path}: has 1 audio stream. Received: stream={stream}.")
    _check_facts(facts, file_size=version[1])
    return _Probed(facts, decode)


def _probe_tolerantly(path: str, version: tuple[int, ...], stream: int) -> _Probed:
    """Probe as without `tolerant` if the stream can be decoded to its end, else probe its decodable part."""
    try:
        probed = _probe_version(path, version, stream, False)
        for _ in _decode({stream: probed}, 0, probed.facts.samples):
            pass
        return probed
    except AudioError as error:
        facts, loss = av_decoder.probe_tolerantly(path, stream)
        _check_facts(facts, file_size=version[1])
        decode = functools.partial(av_decoder.decode, tolerant=True)
        reason = str(error).removesuffix(TOLERANT_ADVICE)
        return _Probed(facts, decode, f"{reason}. The decodable part is used: {loss}.")


def _check_facts(facts: AudioInfo, file_size: int) -> None:
    """Raise `AudioError` for an absurd header, before memory is allocated by it."""
    if facts.samples == 0:
        raise AudioError(f"{facts.path}: contains no samples, or its header says so.")
    for name, value, (lowest, highest) in (
        ("sample rate", facts.sample_rate, RATES),
        ("number of channels", facts.channels, (1, MOST_CHANNELS)),
        ("length in samples", facts.samples, (1, file_size * _MOST_SAMPLES_PER_BYTE)),
    ):
        if not lowest <= value <= highest:
            raise AudioError(
                f"{facts.path}: its {name} is {value}. Expected {lowest} to {highest}: the file is damaged, or "
                "must be converted first."
            )


def _warn_of_losses(probed: dict[int, _Probed]) -> None:
    for one in probed.values():
        if one.loss:
            warnings.warn(one.loss, stacklevel=3)


def _decode(probed: dict[int, _Probed], start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield exactly the samples of each stream from `start` to `stop`, in blocks of any lengths."""
    if start == stop:
        return
    positions = dict.fromkeys(probed, start)
    first = next((one for one in probed.values() if one.loss), next(iter(probed.values())))
    path = first.facts.path
    for stream, piece in first.decode(path, tuple(probed), start, stop):
        position = positions[stream]
        piece = piece[: stop - position]
        if not np.isfinite(piece).all():
            bad = position + int(np.argmin(np.isfinite(piece).all(axis=1)))
            raise damaged(path, f"sample {bad} is NaN or infinite")
        positions[stream] += len(piece)
        if len(piece):
            yield stream, piece
        if min(positions.values()) == stop:
            return
    stream = min(positions, key=positions.get)
    raise damaged(
        path, f"is damaged or truncated: ends after {positions[stream]} of {probed[stream].facts.samples} samples"
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
