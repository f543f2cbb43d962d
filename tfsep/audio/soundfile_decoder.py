"""Decoding with libsndfile: wav, flac, ogg, opus, mp3 and other plain formats."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from tfsep.audio import headers
from tfsep.audio.formats import AudioError, AudioInfo

_BLOCK = 65536  # samples
# Samples decoded and dropped before an excerpt: opus and mp3 converge to their state, vorbis overlaps blocks.
_PREROLL = 16384
# libsndfile lands up to a block beside the target where that lies in an ogg file's last page. A page
# has at most 255 packets, and a vorbis packet at most 4096 samples.
_LAST_OGG_PAGE = 255 * 4096
_UNKNOWN_LENGTH = 2**63 - 1


def probe(path: str, stream: int) -> AudioInfo | None:
    """The facts about `path`, or None if libsndfile does not know its format."""
    try:
        with _SoundFile(os.path.abspath(path)) as file:
            if file.format == "RAW" or (file.frames == 0 and file.format == "WAV" and headers.is_streamed_wav(path)):
                return None  # a guess from the suffix; a wav whose length libsndfile takes for zero
            headers.check_complete(path)
            samples = file.frames if _knows_length(file, path) else sum(map(len, _blocks(file)))
            facts = AudioInfo(path, file.samplerate, samples, file.channels, 1)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: the suffix .raw
        return None
    if stream != 0:
        raise ValueError(f"{path}: has 1 audio stream, received stream={stream}.")
    return facts


def decode(path: str, streams: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (stream, float32 block `[samples, channels]`) from sample `start` of the one stream to `stop` or later."""
    try:
        with _SoundFile(os.path.abspath(path)) as file:
            position = _entry(file, path, start)
            if position and file.seek(position) != position:
                raise AudioError(f"{path}: cannot seek to sample {position}; the file is damaged.")
            for block in _blocks(file):
                if position + len(block) > start:
                    yield streams[0], block[max(0, start - position) :]
                position += len(block)
                if position >= stop:
                    return
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: is damaged or truncated ({error.error_string.strip()}).") from error


class _SoundFile(soundfile.SoundFile):
    """Reads straight on; the parent seeks after every read, which damages the next frame of many mp3 files."""

    def __init__(self, path: str):
        super().__init__(os.fsencode(path))  # the parent refuses names that are no UTF-8

    def seekable(self) -> bool:
        return False


def _blocks(file: _SoundFile) -> Iterator[np.ndarray]:
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block


def _knows_length(file: _SoundFile, path: str) -> bool:
    return file.frames != _UNKNOWN_LENGTH and (file.format != "MP3" or headers.counts_mp3_frames(path))


def _entry(file: _SoundFile, path: str, start: int) -> int:
    """The sample at which to begin decoding, so that everything from `start` on is right."""
    if not (soundfile.SoundFile.seekable(file) and _knows_length(file, path)):
        return 0
    if file.format == "MP3":
        # At 24 kHz and below libmpg123 prints false alarms about the frames that follow a seek.
        return max(0, start - _PREROLL) if file.samplerate > 24000 else 0
    if file.format == "OGG":
        return max(0, min(start, file.frames - _LAST_OGG_PAGE) - _PREROLL)
    return start
