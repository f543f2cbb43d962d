"""Encoding with FFmpeg's libraries (PyAV): AAC in m4a, and in mp4 with several streams."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tfsep.audio.formats import check_bitrate
from tfsep.checks import check_choice

STEM_SUFFIXES = (".stem.m4a", ".stem.mp4")
STEM_CHANNELS = 2
SUBTYPES = {suffix: ("AAC",) for suffix in (".m4a", *STEM_SUFFIXES)}
_CONTAINERS = {".m4a": "ipod", ".mp4": "mp4"}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 5: "5.0", 6: "5.1"}
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
# Bits per second of each channel.
_DEFAULT = 128000
_LEAST = 16000
_MOST_PER_HERTZ = 6  # 6144 bits in a frame of 1024 samples


def check_format(suffix: str, sample_rate: int, channels: int, bitrate: int | None) -> None:
    """Raise ValueError if AAC does not support a rate or number of channels, or its encoder does not take a bitrate."""
    if sample_rate not in _RATES:
        raise ValueError(
            f"AAC has the sample rates {', '.join(map(str, _RATES))}. Received: sample_rate={sample_rate}. "
            "Resample, or write wav."
        )
    if suffix in STEM_SUFFIXES:
        check_choice("channels", channels, (1, STEM_CHANNELS))
        channels = STEM_CHANNELS
    check_choice("channels", channels, _LAYOUTS)
    if bitrate is not None:
        check_bitrate(bitrate, range(_LEAST * channels, _MOST_PER_HERTZ * sample_rate * channels + 1))


class AacEncoder:
    """Encode blocks into the streams of a file.

    Its edit list gives the delay of the encoder and the length, both in samples.

    Args:
        path: path, whose suffix gives the container.
        sample_rate: int, in hertz.
        channels: int, of each stream.
        bitrate: int, of each stream in bits per second. Defaults to None, 128 kbit/s for each channel.
        names: sequence of str, names of the streams; players choose the first one. Defaults to one stream.

    Attributes:
        sample_rate: int.
        samples: int, length of the file so far.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, bitrate: int | None, names: Sequence[str] = ("",)):
        self.sample_rate = sample_rate
        self.samples = 0
        self._channels = channels
        if bitrate is None:
            bitrate = min(_DEFAULT, _MOST_PER_HERTZ * sample_rate) * channels
        # With a time scale of the sample rate an edit list is exact.
        options = {"movie_timescale": str(sample_rate)}
        self._container = av.open(os.path.abspath(path), "w", _CONTAINERS[path.suffix.lower()], options=options)
        self._streams = [self._add_stream(name, bitrate) for name in names]
        self._streams[0].disposition = av.stream.Disposition.default.value
        self._queues = [av.AudioFifo() for _ in names]

    def write(self, block: np.ndarray) -> None:
        """Encode floats of shape `[samples, streams * channels]`."""
        for index, (stream, queue) in enumerate(zip(self._streams, self._queues, strict=True)):
            channels = slice(index * self._channels, (index + 1) * self._channels)
            planes = np.ascontiguousarray(block[:, channels].T, np.float32)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=_LAYOUTS[self._channels])
            frame.sample_rate = self.sample_rate
            frame.time_base = Fraction(1, self.sample_rate)
            frame.pts = self.samples
            queue.write(frame)
            for frame in queue.read_many(stream.codec_context.frame_size):
                self._container.mux(stream.encode(frame))
        self.samples += len(block)

    def finish(self) -> None:
        """Encode the remaining samples, and close the file."""
        for stream, queue in zip(self._streams, self._queues, strict=True):
            if queue.samples:
                self._container.mux(stream.encode(queue.read(partial=True)))
            if self.samples:
                self._container.mux(stream.encode(None))
        self.close()

    def close(self) -> None:
        self._container.close()

    def _add_stream(self, name: str, bitrate: int) -> av.AudioStream:
        # Without noise substitution an excerpt decodes to the same samples from wherever decoding starts.
        options = {"aac_pns": "0"}
        stream = self._container.add_stream(
            "aac", rate=self.sample_rate, layout=_LAYOUTS[self._channels], options=options
        )
        stream.bit_rate = bitrate
        stream.disposition = 0
        stream.codec_context.open()  # which sets the size of its frames
        if name:
            stream.metadata["handler_name"] = name
        return stream
