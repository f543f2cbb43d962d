"""Decoding with FFmpeg's libraries (PyAV): m4a, aac, mp4, .stem.mp4."""

import av
import numpy as np

from tfsep.audio.formats import AudioError, AudioInfo


def info(path, stream):
    try:
        with av.open(path) as container:
            track = container.streams.audio[stream]
            samples = sum(f.samples for f in container.decode(track))
            return AudioInfo(path, track.rate, samples, track.channels, len(container.streams.audio))
    except av.error.FFmpegError as error:
        raise AudioError(f"{path}: cannot be read as audio ({error}).") from error


def decode(facts, stream, start, stop):
    with av.open(facts.path) as container:
        track = container.streams.audio[stream]
        position = 0
        if track.time_base.denominator == facts.sample_rate:
            container.seek(max(0, start - 2048), stream=track, backward=True)
            position = None
        for frame in container.decode(track):
            if position is None:
                position = frame.pts
            block = frame.to_ndarray().T.astype(np.float32)
            part = block[max(0, start - position) : max(0, stop - position)]
            position += len(block)
            if len(part):
                yield part
            if position >= stop:
                return
