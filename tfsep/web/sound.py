"""What the page plays and saves: spans of stems, mixes and archives, made while they are sent."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.report.songs import Outline

# Seconds of a span, and by which it begins earlier and ends later, for the browser's resampling and a cross-fade.
SPAN, LEAD, TAIL = 10, 0.1, 0.05

_BLOCK = 1 << 18  # samples read at a time
_FADE = 0.005  # seconds, at the ends of muted ranges
_QUIETEST = 1e-3  # peak that fills the height of a waveform at most
_MOST_BYTES = 2**32 - 64  # of the sound of a wav file


def peaks(path: Path) -> list[list[int]]:
    """Return the outline of a file's waveform, in hundredths of its height."""
    outline, first = Outline(audio.info(path).samples), 0
    for block in audio.blocks(path, _BLOCK):
        outline.add(first, block)
        first += len(block)
    return outline.hundredths(max(outline.peak, _QUIETEST))


def span(path: Path, number: int) -> bytes:
    """Return a span of a file as wav.

    Raises:
        ValueError: if it begins after the end.
    """
    info = audio.info(path)
    rate = info.sample_rate
    first = max(0, round((number * SPAN - LEAD) * rate))
    if number * SPAN * rate >= info.samples:
        raise ValueError(f"{info.samples / rate:.2f} s are no more than {number} spans.")
    samples = min(info.samples, round(((number + 1) * SPAN + TAIL) * rate)) - first
    sound = audio.read(path, first, samples)[0]
    return _header(rate, info.channels, samples) + _bytes(sound)


def mix(
    paths: Mapping[str, Path],
    start: float,
    stop: float,
    gains: Mapping[str, float],
    muted: Mapping[str, Sequence[tuple[float, float]]],
) -> Iterator[bytes]:
    """Yield a wav file of stems at their gains.

    Args:
        paths: dict from stem to its file; all have one rate and length.
        start, stop: float, what is mixed, in seconds.
        gains: dict from stem to a factor.
        muted: dict from stem to ranges in seconds in which it is silent.

    Raises:
        ValueError: if there is nothing to mix, or the mix is longer than a wav file can be.
    """
    info = audio.info(next(iter(paths.values())))
    rate = info.sample_rate
    first, last = max(0, round(start * rate)), min(info.samples, round(stop * rate))
    if last <= first or not gains:
        raise ValueError("There is nothing to mix.")
    if 4 * info.channels * (last - first) > _MOST_BYTES:
        raise ValueError("The mix would have more than 4 GB, the limit of a wav file. Choose a part by a loop.")
    return _mixed(paths, rate, info.channels, first, last, gains, muted)


def _mixed(paths, rate: int, channels: int, first: int, last: int, gains, muted) -> Iterator[bytes]:
    yield _header(rate, channels, last - first)
    for position in range(first, last, _BLOCK):
        samples = min(_BLOCK, last - position)
        mixed = np.zeros((samples, channels), np.float32)
        for name, gain in gains.items():
            sound = audio.read(paths[name], position, samples)[0]
            mixed += gain * sound * _envelope(position, samples, rate, muted.get(name, ()))
        yield _bytes(mixed)


def _envelope(position: int, samples: int, rate: int, ranges: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return 0 within ranges of seconds and 1 outside of them, with short fades, `[samples, 1]`."""
    seconds = (position + np.arange(samples)) / rate
    gain = np.ones(samples)
    for start, stop in ranges:
        gain *= np.interp(seconds, [start, start + _FADE, stop, stop + _FADE], [1, 0, 0, 1])
    return gain[:, np.newaxis].astype(np.float32)


def archive(paths: Mapping[str, Path]) -> Iterator[bytes]:
    """Yield a zip file with files by their names in it, uncompressed."""
    output = _Outbox()
    with zipfile.ZipFile(output, "w") as file:
        for name, path in paths.items():
            with (
                path.open("rb") as source,
                file.open(zipfile.ZipInfo.from_file(path, name), "w", force_zip64=True) as target,
            ):
                while block := source.read(1 << 20):
                    target.write(block)
                    yield output.take()
    yield output.take()


class _Outbox(io.RawIOBase):
    """A file that cannot be sought in, of which the written bytes are taken out."""

    def __init__(self):
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content) -> int:
        self._written += content
        return len(content)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def _header(rate: int, channels: int, samples: int) -> bytes:
    """Return the header of a wav file of 32-bit floats."""
    size = 4 * channels * samples
    form = struct.pack("<HHIIHH", 3, channels, rate, 4 * channels * rate, 4 * channels, 32)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
    )


def _bytes(sound: np.ndarray) -> bytes:
    return np.ascontiguousarray(sound, "<f4").tobytes()
