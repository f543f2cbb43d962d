"""Decoding with FFmpeg's libraries (PyAV): m4a, aac, mp4, `.stem.mp4` and what libsndfile cannot read."""

import contextlib
import os
from collections.abc import Iterator

import av
import numpy as np

from tfsep.audio.formats import AudioError, AudioInfo

# Samples decoded and dropped before an excerpt. AAC overlaps its frames of 1024 by half.
_PREROLL = 4096


def probe(path: str, stream: int) -> AudioInfo:
    """The facts about one audio stream of `path`."""
    with _open(path, stream) as (container, track):
        streams, rate, channels = len(container.streams.audio), track.rate, track.channels
        return AudioInfo(path, rate, _count_samples(path, container, track), channels, streams)


def decode(path: str, stream: int, start: int) -> Iterator[np.ndarray]:
    """Yields float32 blocks `[samples, channels]` from sample `start` to the end of the stream."""
    with _open(path, stream) as (container, track):
        timed = _has_exact_times(container, track)
        position = 0
        if timed and start > _PREROLL:
            container.seek(track.start_time + start - _PREROLL, stream=track)
            position = None
        for frame in container.decode(track):
            if position is None:
                position = frame.pts - track.start_time
            if timed and frame.pts - track.start_time != position:
                raise AudioError(f"{path}: audio is missing after sample {position}; convert the file to wav first.")
            if (frame.sample_rate, frame.layout.nb_channels) != (track.rate, track.channels):
                raise AudioError(f"{path}: changes its rate or channels at sample {position}; convert it to wav first.")
            if position + frame.samples > start:
                yield _to_float(frame)[max(0, start - position) :]
            position += frame.samples


@contextlib.contextmanager
def _open(path: str, stream: int) -> Iterator[tuple[av.container.InputContainer, av.AudioStream]]:
    try:
        # An absolute path, as FFmpeg would take "a:b.m4a" for an address.
        with av.open(os.path.abspath(path), metadata_errors="ignore") as container:
            tracks = container.streams.audio
            if not tracks:
                raise AudioError(f"{path}: has no audio stream.")
            if not 0 <= stream < len(tracks):
                raise ValueError(f"{path}: has audio streams 0 to {len(tracks) - 1}, received stream {stream}.")
            yield container, tracks[stream]
    except av.FFmpegError as error:
        raise AudioError(f"{path}: is not audio, or is damaged or truncated ({error.strerror}).") from error


def _has_exact_times(container: av.container.InputContainer, track: av.AudioStream) -> bool:
    """Whether one can seek by time stamps. Other containers round them, land elsewhere, or have none."""
    return (
        container.format.name.startswith("mov")
        and track.codec.name in ("aac", "alac")
        and track.time_base * track.rate == 1
        and bool(track.duration)
    )


def _count_samples(path: str, container: av.container.InputContainer, track: av.AudioStream) -> int:
    if container.format.name == "aac":  # raw ADTS: no length anywhere, but every packet is one whole frame
        return sum(
            round(packet.duration * track.time_base * track.rate) for packet in container.demux(track) if packet.size
        )
    if not _has_exact_times(container, track):
        return sum(frame.samples for frame in container.decode(track))
    # Decoding the end, since the last frame is often longer than the durations in the index say.
    container.seek(track.start_time + track.duration, stream=track)
    last = None
    for frame in container.decode(track):
        last = frame
    if last is None:
        raise AudioError(f"{path}: is truncated: its index lists audio that the file does not hold.")
    return last.pts + last.samples - track.start_time


def _to_float(frame: av.AudioFrame) -> np.ndarray:
    audio = frame.to_ndarray()
    audio = audio.T if frame.format.is_planar else audio.reshape(frame.samples, -1)
    if audio.dtype.kind == "f":
        return audio.astype(np.float32, copy=False)
    full_scale = 2.0 ** (8 * audio.itemsize - 1)
    offset = full_scale if audio.dtype.kind == "u" else 0
    return ((audio - offset) / full_scale).astype(np.float32)
