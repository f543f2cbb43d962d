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


def decode(path: str, stream: int, start: int) -> Iterator[np.ndarray]:
    """Yields float32 blocks `[samples, channels]` from sample `start` to the end of the stream."""
    with _open(path, stream) as (container, track):
        timed = _has_exact_times(container, track)
        position, form = 0, None
        if timed and start > _PREROLL:
            container.seek(track.start_time + start - _PREROLL, stream=track)
            position = None
        for frame in container.decode(track):
            if position is None:
                position = frame.pts - track.start_time
            if timed and frame.pts - track.start_time != position:
                raise AudioError(f"{path}: audio is missing after sample {position}; convert the file to wav.")
            form = form or (frame.sample_rate, frame.layout.nb_channels)
            if form != (frame.sample_rate, frame.layout.nb_channels):
                raise AudioError(f"{path}: changes its rate or channels at sample {position}; convert it to wav.")
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
                raise ValueError(f"{path}: has {len(tracks)} audio streams, received stream={stream}.")
            yield container, tracks[stream]
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
