"""Decoding with libsndfile: wav, flac, ogg, opus, mp3 and other plain formats."""

import contextlib
import os
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from tfsep.audio import av_decoder, headers, mp3, ogg
from tfsep.audio.channels import core_audio_to_wave, vorbis_to_wave
from tfsep.audio.formats import AudioError, AudioInfo, damaged

_BLOCK = 65536  # samples
# Samples decoded and dropped before an excerpt: opus and mp3 converge to their state, vorbis overlaps blocks.
_PREROLL = 16384
# libsndfile lands up to a block beside the target where that lies in an ogg file's last page. A page
# has at most 255 packets, and a vorbis packet at most 4096 samples.
_LAST_OGG_PAGE = 255 * 4096
_UNKNOWN_LENGTH = 2**63 - 1


def probe(path: str) -> AudioInfo | None:
    """Return the facts about `path`; None if libsndfile does not know its format, or does not read it to its end."""
    try:
        with _open(path) as file:
            if _misreads(file, path):
                return None
            samples = file.frames
            if samples == _UNKNOWN_LENGTH:
                samples = sum(map(len, _blocks(file)))
            elif file.format == "FLAC" and not (_ends_at(file, samples) and _is_whole(path, samples)):
                return None
            return AudioInfo(path, file.samplerate, samples, file.channels, 1)
    except AudioError:
        raise
    except Exception:  # the other decoder may read the file, or say what is wrong with it
        return None


def decode(path: str, streams: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (stream, float32 block `[samples, channels]`) of the one stream from sample `start` to `stop` or later."""
    try:
        with _open(path) as file:
            order = _order(file, path)
            position = _entry(file, start)
            if position and file.seek(position) != position:
                raise damaged(path, f"is damaged: cannot seek to sample {position}")
            for block in _blocks(file):
                if position + len(block) > start:
                    block = block if order is None else block[:, order]
                    yield streams[0], block[max(0, start - position) :]
                position += len(block)
                if position >= stop:
                    return
    except soundfile.LibsndfileError as error:
        raise damaged(path, f"is damaged or truncated ({error.error_string.strip()})") from error


class _SoundFile(soundfile.SoundFile):
    """Reads without seeking: the parent seeks after every read, which damages the next frame of many mp3 files."""

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def _open(path: str) -> Iterator[_SoundFile]:
    # As bytes, since soundfile refuses names that are no UTF-8.
    with headers.repaired(path) as repaired, _SoundFile(repaired or os.fsencode(os.path.abspath(path))) as file:
        yield file


def _blocks(file: _SoundFile) -> Iterator[np.ndarray]:
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block


def _order(file: _SoundFile, path: str) -> list[int] | None:
    """Return the indices that bring the channels to WAVE's order; None if they are in it."""
    if file.subtype == "VORBIS" or (file.subtype == "OPUS" and ogg.has_ordered_channels(path)):
        return vorbis_to_wave(file.channels)
    if file.format in ("AIFF", "CAF"):
        orders = [core_audio_to_wave(*layout) for layout in headers.channel_layouts(path)]
        return next((order for order in orders if order and len(order) == file.channels), None)
    return None


def _misreads(file: _SoundFile, path: str) -> bool:
    """Whether libsndfile reads the file wrongly, without an error."""
    if file.format == "RAW":
        return True  # a guess from the suffix
    if file.subtype.startswith("MPEG"):
        # libmpg123 believes the Xing header, and without one guesses the length from the first frames.
        frames = mp3.check(path)
        return file.format != "MP3" or frames is None or frames.runs > 1 or frames.count != frames.announced + 1
    if file.format == "OGG":
        return file.frames == 0 or not ogg.is_plain(path)
    if file.format in ("W64", "VOC"):
        return True  # float in a WAVE_FORMAT_EXTENSIBLE is read as integers; headers of later blocks as audio
    return file.format in ("AIFF", "CAF") and file.frames == 0


def _ends_at(file: _SoundFile, samples: int) -> bool:
    """Whether a flac stream ends where its header says, and libsndfile ignores what follows it."""
    # libFLAC looks beyond the last frame, of 65535 samples at most, if a read asks for more than is left.
    position = file.seek(max(0, samples - _BLOCK + 1))
    return position + sum(map(len, _blocks(file))) == samples


def _is_whole(path: str, samples: int) -> bool:
    """Whether no frame of a flac file lies beyond `samples`."""
    try:
        return av_decoder.last_time(path) == samples
    except AudioError:
        # FFmpeg fails where the last frames contain bytes that look like the header of another.
        return True


def _entry(file: _SoundFile, start: int) -> int:
    """Return the sample at which to begin decoding, so that all samples from `start` on are exact."""
    if not soundfile.SoundFile.seekable(file) or file.frames == _UNKNOWN_LENGTH:
        return 0
    if file.format == "MP3":
        # At 24 kHz and below libmpg123 prints false alarms about the frames that follow a seek.
        return max(0, start - _PREROLL) if file.samplerate > 24000 else 0
    if file.format == "OGG":
        return max(0, min(start, file.frames - _LAST_OGG_PAGE) - _PREROLL)
    return max(0, start)
