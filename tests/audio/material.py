"""Music made up for the tests, and FFmpeg's libraries as a second encoder and decoder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 44100
SAMPLES = 70000


def make_music(samples: int, channels: int, rate: int = RATE) -> np.ndarray:
    """Decaying chords, a beat and a little noise; nothing in it repeats, so that a wrong position shows."""
    generator = np.random.default_rng(0)
    time = np.arange(samples) / rate
    music = 0.03 * generator.standard_normal((samples, channels))
    for onset in np.arange(0, samples / rate, 0.21):
        after = np.maximum(time - onset, 0)
        pitch, pan = generator.uniform(80, 900), generator.uniform(0.2, 1, channels)
        tone = sum(np.sin(2 * np.pi * pitch * partial * after) / partial for partial in (1, 2, 3))
        music += 0.15 * (tone * np.exp(-4 * after) * (time >= onset))[:, np.newaxis] * pan
    return (0.9 * music / np.abs(music).max()).astype(np.float32)


def encode(
    path: Path,
    audio: np.ndarray,
    codec: str = "aac",
    *,
    rate: int = RATE,
    bit_rate: int = 128000,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    gap: int = 0,
    container: str | None = None,
) -> Path:
    """Encodes with FFmpeg's libraries; `gap` samples of time are left out in the middle.

    The suffix gives the container where none is named.
    """
    # Without noise substitution FFmpeg's AAC decodes the same from any starting point.
    options = {"aac_pns": "0"} if codec == "aac" and options is None else options or {}
    layout = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}[audio.shape[1]]
    with av.open(str(path), "w", format=container, options=container_options or {}) as output:
        stream = output.add_stream(codec, rate=rate, options=options, layout=layout)
        stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for start in range(0, len(audio), 1024):
            block = np.ascontiguousarray(audio[start : start + 1024].T)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = rate
            frame.time_base = Fraction(1, rate)
            frame.pts = start + (gap if start >= len(audio) // 2 else 0)
            for converted in resampler.resample(frame):
                output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    return path


def decode_with_ffmpeg(path: Path, stream: int = 0) -> np.ndarray:
    """The whole stream as FFmpeg decodes it, as float `[samples, channels]`: a second opinion."""
    with av.open(str(path)) as container:
        return np.concatenate([_to_float(frame) for frame in container.decode(audio=stream)])


def _to_float(frame: av.AudioFrame) -> np.ndarray:
    audio = frame.to_ndarray()
    audio = audio.T if frame.format.is_planar else audio.reshape(frame.samples, -1)
    if audio.dtype.kind == "f":
        return audio.astype(np.float32)
    full_scale = 2.0 ** (8 * audio.itemsize - 1)
    return ((audio - full_scale * (audio.dtype.kind == "u")) / full_scale).astype(np.float32)
