"""Decoding with FFmpeg's libraries (PyAV): m4a, aac, mp4, `.stem.mp4` and what libsndfile cannot read."""

import contextlib
import os
from collections.abc import Iterator, Sequence

import av
import numpy as np

from tfsep.audio.formats import AudioError, AudioInfo

_BLOCK = 65536  # samples
# Samples decoded and dropped before an excerpt. AAC overlaps its frames of 1024 by half.
_PREROLL = 4096


def probe(path: str, stream: int) -> AudioInfo:
    """The facts about one audio stream of `path`."""
    with _open(path, stream) as (container, (track,)):
        timed = _has_exact_times(container, track)
        if timed:
            container.seek(track.start_time + track.duration, stream=track)
        samples = 0
        last = None
        for last in container.decode(track):
            samples += last.samples
        if last is None:
            raise AudioError(f"{path}: holds no samples, or is truncated.")
        if timed:
            # The end of the last frame, which is often longer than the index says.
            samples = last.pts + last.samples - track.start_time
        return AudioInfo(path, last.sample_rate, samples, last.layout.nb_channels, len(container.streams.audio))


def decode(path: str, streams: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (stream, float32 block `[samples, channels]`) from sample `start` of each stream to `stop` or a bit more.

    The file is gone through once for all streams.
    """
    with _open(path, *streams) as (container, tracks):
        timed = all(_has_exact_times(container, track) for track in tracks)
        seeking = timed and start > _PREROLL
        if seeking:
            container.seek(tracks[0].start_time + start - _PREROLL, stream=tracks[0])
        frames = {
            track.index: _Frames(path, stream, track.start_time if timed else None, None if seeking else 0, start)
            for track, stream in zip(tracks, streams, strict=True)
        }
        for packet in container.demux(tracks):
            collected = frames[packet.stream.index]
            for frame in packet.decode():
                collected.add(frame)
            if collected.waiting >= _BLOCK or (collected.waiting and collected.position >= stop):
                yield collected.stream, collected.take()
            if all(collected.position is not None and collected.position >= stop for collected in frames.values()):
                return
        for collected in frames.values():
            if collected.waiting:
                yield collected.stream, collected.take()


class _Frames:
    """Decoded frames of a stream, taken together: converting them one by one costs as much as decoding them.

    Args:
        path: string, the file.
        stream: integer, the stream.
        origin: integer, time stamp of sample 0; None if time stamps are not exact, and not checked.
        position: integer, the sample of the next frame; None if its time stamp says it.
        start: integer, samples before it are dropped.
    """

    def __init__(self, path: str, stream: int, origin: int | None, position: int | None, start: int):
        self.stream = stream
        self.position = position
        self.waiting = 0
        self._path = path
        self._origin = origin
        self._start = start
        self._form = None
        self._fifo = av.AudioFifo()

    def add(self, frame: av.AudioFrame) -> None:
        if self._origin is not None:
            begin = frame.pts - self._origin
            if self.position not in (None, begin):
                raise AudioError(
                    f"{self._path}: audio is missing after sample {self.position}; convert the file to wav."
                )
            self.position = begin
        form = (frame.sample_rate, frame.layout.nb_channels)
        if self._form not in (None, form):
            raise AudioError(
                f"{self._path}: changes its rate or channels at sample {self.position}; convert it to wav."
            )
        self._form = form
        self.position += frame.samples
        if self.position > self._start:
            frame.pts = None  # which the queue would compare with its own count
            self._fifo.write(frame)
            self.waiting += frame.samples

    def take(self) -> np.ndarray:
        """What was added since, from the start wanted on."""
        block = _to_float(self._fifo.read(partial=True))
        dropped = max(0, self._start - (self.position - self.waiting))
        self.waiting = 0
        return block[dropped:]


@contextlib.contextmanager
def _open(path: str, *streams: int) -> Iterator[tuple[av.container.InputContainer, list[av.AudioStream]]]:
    try:
        # An absolute path, as FFmpeg would take "a:b.m4a" for an address.
        with av.open(os.path.abspath(path), metadata_errors="ignore") as container:
            tracks = container.streams.audio
            if not tracks:
                raise AudioError(f"{path}: has no audio stream.")
            for stream in streams:
                if not 0 <= stream < len(tracks):
                    raise ValueError(f"{path}: has {len(tracks)} audio streams, received stream={stream}.")
            yield container, [tracks[stream] for stream in streams]
    except av.FFmpegError as error:
        raise AudioError(
            f"{path}: cannot be read as audio: its format is unknown, or it is damaged or truncated ({error.strerror})."
        ) from error


def _has_exact_times(container: av.container.InputContainer, track: av.AudioStream) -> bool:
    """Whether a seek by time stamp gives exact samples; else the stream is decoded from its beginning.

    Other containers round their times or land elsewhere; other profiles of AAC and other codecs need more of the
    past than one can know.
    """
    return (
        (track.codec.name == "alac" or (track.codec.name, track.profile) == ("aac", "LC"))
        and track.time_base * track.rate == 1
        and track.start_time is not None
        and bool(track.duration)
    )


def _to_float(frame: av.AudioFrame) -> np.ndarray:
    audio = frame.to_ndarray()
    audio = audio.T if frame.format.is_planar else audio.reshape(frame.samples, -1)
    if audio.dtype.kind == "f":
        return audio.astype(np.float32, copy=False)
    full_scale = 2.0 ** (8 * audio.itemsize - 1)
    offset = full_scale if audio.dtype.kind == "u" else 0
    return ((audio - offset) / full_scale).astype(np.float32)
