"""Decoding with FFmpeg's libraries (PyAV): m4a, aac, mp4, `.stem.mp4` and what libsndfile cannot read."""

import contextlib
import functools
import os
import zlib
from collections.abc import Callable, Iterator, Sequence

import av
import numpy as np

from tfsep.audio import headers, mp3, mp4
from tfsep.audio.channels import needs_core_audio
from tfsep.audio.formats import AudioError, AudioInfo, damaged

_BLOCK = 65536  # samples
# Samples decoded and dropped before an excerpt. AAC overlaps its frames of 1024 by half.
_PREROLL = 4096
_FRAME = 1024  # samples of AAC
_PICTURE = av.stream.Disposition.attached_pic
_NOTHING = 1 << 62  # a start beyond every stream, to count frames without keeping them
_LONGEST_SILENCE = 60  # seconds; a longer jump of the time stamps is no gap but a damaged stamp
# Formats that contain their audio. Playlists, session descriptions and the like (hls, dash, concat, sdp) would open
# the files and addresses that they name.
_FORMATS = (
    "aac,ac3,adx,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,iff,ircam,latm,loas,matroska,mlp,mov,mp3,"
    "mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,rm,shn,sox,tak,truehd,tta,voc,w64,wav,wv,xwma"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_UNREADABLE = "cannot be read as audio: its format is unknown, or it is damaged or truncated"
# Formats whose header gives the length in samples.
_COUNTED = {"flac", "tta", "wv"}


def probe(path: str, stream: int) -> AudioInfo:
    """Return the facts about one audio stream of `path`."""
    with _open(path, stream) as (container, (track,)):
        if container.format.name == "mp3":
            mp3.check(path)
        timed = _has_exact_times(track)
        if timed:
            container.seek(track.start_time + track.duration, stream=track)
        frames = _Frames(path, stream, _origin(container, track), None if timed else 0, _NOTHING)
        for _ in _collect(container, {track.index: frames}):
            pass
        if not frames.position:
            raise damaged(path, "contains no samples, or is truncated")
        rate, channels = frames.form
        announced = (track.duration or 0) * track.time_base * rate if container.format.name in _COUNTED else 0
        if frames.position < announced - 1:
            raise damaged(path, f"is truncated: ends after {frames.position} of {int(announced)} samples")
        samples = frames.position
        if timed and 0 < samples - track.duration < _FRAME and mp4.has_exact_end(path, rate):
            samples = track.duration
        return AudioInfo(path, rate, samples, channels, len(container.streams.audio))


def last_time(path: str) -> int:
    """Return the end of the last frame by its own time stamp, whatever length the header gives."""
    with _open(path, 0) as (container, (track,)):
        if track.duration and track.duration > _BLOCK:
            container.seek(track.duration - _BLOCK, stream=track)
        *_, last = container.decode(track)
        return last.pts + last.samples


def probe_tolerantly(path: str, stream: int) -> tuple[AudioInfo, str]:
    """Return the facts about what can be decoded of a damaged stream, and what is lost, in words."""
    samples = 0
    with _open(path, stream) as (container, (track,)):
        frames = _Frames(path, stream, _origin(container, track), 0, 0, tolerant=True)
        for _ in _collect(container, {track.index: frames}):
            samples += len(frames.take()) if frames.waiting else 0
        if not samples:
            raise AudioError(f"{path}: nothing of it can be decoded.")
        loss = f"{samples} samples were read, {frames.silenced} of them silence for missing or invalid ones"
        facts = AudioInfo(path, *frames.form[:1], samples, frames.form[1], len(container.streams.audio))
        return facts, f"{loss}; {frames.dropped} packets could not be decoded and were left out"


def decode(
    path: str, streams: Sequence[int], start: int, stop: int, tolerant: bool = False
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (stream, float32 block `[samples, channels]`) of each stream from sample `start` to `stop` or later.

    The file is decoded in one pass for all streams. If `tolerant`, what cannot be decoded is skipped.
    """
    with _open(path, *streams) as (container, tracks):
        seeking = not tolerant and start > _PREROLL and all(_has_exact_times(track) for track in tracks)
        if seeking:
            container.seek(tracks[0].start_time + start - _PREROLL, stream=tracks[0])
        frames = {
            track.index: _Frames(path, stream, _origin(container, track), None if seeking else 0, start, tolerant)
            for track, stream in zip(tracks, streams, strict=True)
        }
        for collected in _collect(container, frames):
            if collected.waiting >= _BLOCK or (collected.waiting and collected.position >= stop):
                yield collected.stream, collected.take()
            if all(collected.position is not None and collected.position >= stop for collected in frames.values()):
                return
        for collected in frames.values():
            if collected.waiting:
                yield collected.stream, collected.take()


def checksum(path: str) -> int:
    """Return the CRC-32 of the first audio stream as it is stored, without tags and pictures."""
    value = 0
    with _open(path, 0) as (container, (track,)):
        for packet in container.demux(track):
            if packet.size:  # zlib takes the empty one at the end for a new start
                value = zlib.crc32(packet, value)
    return value


def read_tags(path: str) -> tuple[dict[str, str], bytes | None]:
    """Return the tags of a file by FFmpeg's names in lower case, and the picture of its cover."""
    with _open(path) as (container, _):
        # Ogg has them in its stream, mp4 more about the song in the container.
        tags = {**container.streams.audio[0].metadata, **container.metadata}
        pictures = [stream for stream in container.streams.video if stream.disposition & _PICTURE]
        pictures.sort(key=lambda stream: stream.metadata.get("comment") != "Cover (front)")
        cover = next((bytes(packet) for packet in container.demux(pictures[:1])), None) if pictures else None
        tags = {name.lower(): text for name, text in tags.items()}
        if "mp4" in container.format.name and "bpm" not in tags:
            tags["bpm"] = mp4.read_bpm(path)
        return tags, cover or None


class _Frames:
    """Decoded frames of a stream, converted many at a time: one by one this costs as much as decoding.

    Args:
        path: str, the file.
        stream: int, the stream.
        origin: int, time stamp of sample 0; None if time stamps are not exact and are not checked.
        position: int, the sample of the next frame; None to take it from the time stamp.
        start: int, the first sample to keep.
        tolerant: bool, replace missing and invalid samples by silence. Defaults to False.
    """

    def __init__(
        self, path: str, stream: int, origin: int | None, position: int | None, start: int, tolerant: bool = False
    ):
        self.stream = stream
        self.position = position
        self.waiting = 0
        self.form = None
        self.dropped = 0  # packets
        self.silenced = 0  # samples
        self._path = path
        self._origin = origin
        self._start = start
        self.tolerant = tolerant
        self._blocks = []
        self._fifo = av.AudioFifo()

    def add(self, frame: av.AudioFrame) -> None:
        form = (frame.sample_rate, frame.layout.nb_channels)
        if self.form not in (None, form):
            raise AudioError(
                f"{self._path}: changes its rate or channels at sample {self.position}; convert it to wav."
            )
        self.form = form
        if self._origin is not None and frame.pts is not None:
            self._check_time(frame.pts - self._origin)
        self.position += frame.samples
        if self.position > self._start:
            frame.pts = None  # or the queue would check it
            self._fifo.write(frame)
            self.waiting += frame.samples

    def take(self) -> np.ndarray:
        """Return the samples added since the last call, from `start` on."""
        self._convert()
        block = np.concatenate(self._blocks) if self._blocks else np.empty((0, self.form[1]), np.float32)
        self._blocks = []
        dropped = max(0, self._start - (self.position - self.waiting))
        self.waiting = 0
        block = block[dropped:]
        if self.tolerant:
            invalid = ~np.isfinite(block)
            self.silenced += int(invalid.any(axis=1).sum())
            block[invalid] = 0
        return block

    def _check_time(self, begin: int) -> None:
        """Raise, or add silence, if samples are missing before the one at `begin`."""
        if self.position is None:
            self.position = begin
        missing = begin - self.position
        if missing > 0 and not self.tolerant:
            raise damaged(self._path, f"is damaged: audio is missing after sample {self.position}")
        if 0 < missing <= _LONGEST_SILENCE * self.form[0]:
            self._convert()
            self._blocks.append(np.zeros((missing, self.form[1]), np.float32))
            self.silenced += missing
            self.waiting += missing
            self.position += missing
        else:
            self._origin += missing  # joined files begin anew

    def _convert(self) -> None:
        if self._fifo.samples:
            self._blocks.append(_to_float(self._fifo.read(partial=True)))


def _collect(container: av.container.InputContainer, frames: dict[int, _Frames]) -> Iterator[_Frames]:
    """Decode the tracks with these indices packet by packet; yield the frames that were added to."""
    tolerant = next(iter(frames.values())).tolerant
    try:
        for packet in container.demux([container.streams[index] for index in frames]):
            collected = frames[packet.stream.index]
            try:
                for frame in packet.decode():
                    collected.add(frame)
            except av.FFmpegError:
                # Tags and other bytes around the frames of an mp3, which `mp3.check` has looked at, are no damage.
                if container.format.name == "mp3" and not mp3.begins_frame(bytes(packet)):
                    continue
                if not tolerant:
                    raise
                collected.dropped += 1
            yield collected
    except av.FFmpegError:
        if not tolerant:
            raise


@contextlib.contextmanager
def _open(path: str, *streams: int) -> Iterator[tuple[av.container.InputContainer, list[av.AudioStream]]]:
    with contextlib.ExitStack() as stack:
        with _errors_as(lambda cause: AudioError(f"{path}: {_UNREADABLE} ({cause}).")):
            # An absolute path, as FFmpeg would take "a:b.m4a" for an address.
            source = stack.enter_context(headers.repaired(path)) or os.path.abspath(path)
            container = stack.enter_context(av.open(source, metadata_errors="ignore", options=_OPTIONS))
            tracks = container.streams.audio
            if not tracks:
                raise AudioError(f"{path}: has no audio stream.")
        for stream in streams:
            if not 0 <= stream < len(tracks):
                raise ValueError(f"{path}: has {len(tracks)} audio streams. Received: stream={stream}.")
        with _errors_as(functools.partial(_undecodable, path)):
            chosen = [tracks[stream] for stream in streams]
            for track in chosen:
                if track.codec_context is None:
                    raise AudioError(f"{path}: its codec is unknown; convert the file to wav.")
                if track.codec.name.startswith("pcm_") and any(
                    needs_core_audio(*layout) for layout in headers.channel_layouts(path)
                ):
                    # Even to look at such a layout corrupts PyAV's memory.
                    raise AudioError(f"{path}: stores its channels in an order of its own; convert the file to wav.")
            yield container, chosen


@contextlib.contextmanager
def _errors_as(make_error: Callable[[str], AudioError]) -> Iterator[None]:
    """Turn errors of FFmpeg and PyAV into one that names the file."""
    try:
        yield
    except AudioError:
        raise
    except Exception as error:
        raise make_error(getattr(error, "strerror", None) or f"{type(error).__name__}: {error}") from error


def _undecodable(path: str, cause: str) -> AudioError:
    if cause.startswith("Not yet implemented"):
        return AudioError(f"{path}: changes its channels, as ogg files joined of others may; convert it to wav.")
    return damaged(path, f"cannot be decoded to its end: it is damaged or truncated ({cause})")


def _has_exact_times(track: av.AudioStream) -> bool:
    """Whether a seek by time stamp gives exact samples; else the stream is decoded from its beginning.

    Other containers round their times or seek inexactly; other profiles of AAC and other codecs depend on an
    unknown number of earlier samples.
    """
    return (
        (track.codec.name == "alac" or (track.codec.name, track.profile) == ("aac", "LC"))
        and track.time_base * track.rate == 1
        and track.start_time is not None
        and bool(track.duration)
    )


def _origin(container: av.container.InputContainer, track: av.AudioStream) -> int | None:
    """Return the time stamp of the first sample; None if time stamps do not give the position of every sample."""
    if container.format.name == "flac" or _has_exact_times(track):
        return track.start_time or 0
    return None


def _to_float(frame: av.AudioFrame) -> np.ndarray:
    if frame.format.name.startswith("s64") or (frame.format.is_planar and frame.layout.nb_channels >= 8):
        # PyAV cannot convert s64, and reads past the end of the list of 8 or more planes.
        (frame,) = av.AudioResampler(format="dbl").resample(frame)
    audio = frame.to_ndarray()
    audio = audio.T if frame.format.is_planar else audio.reshape(frame.samples, -1)
    if audio.dtype.kind == "f":
        return audio.astype(np.float32, copy=False)
    full_scale = 2.0 ** (8 * audio.itemsize - 1)
    offset = full_scale if audio.dtype.kind == "u" else 0
    return ((audio - offset) / full_scale).astype(np.float32)
