"""Stems: one source of a song in a file, in an array, or in several files one after another."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from tfsep import audio
from tfsep.checks import check_integer


@runtime_checkable
class Stem(Protocol):
    """The interface of a stem of a `Track`: `FileStem`, `ArrayStem`, or any hashable object with these members.

    Example:

    >>> isinstance(tfsep.datasets.FileStem("song.wav"), tfsep.datasets.Stem)
    True
    """

    @property
    def name(self) -> str:
        """Name in messages."""

    def info(self) -> audio.AudioInfo:
        """Return the rate, length and channels."""

    def read(self, start: int, samples: int) -> np.ndarray:
        """Read an excerpt, float32 `[samples, channels]`."""

    def digest(self) -> str:
        """Return a hash of the content."""


@dataclass(frozen=True)
class FileStem:
    """A source of a song in a file.

    Args:
        path: path of the audio file.
        stream: int, audio stream of the file. Defaults to 0; `.stem.mp4` files have five.
        channel: int, the channel of the file that is the source. Defaults to None, all channels.
        gain: float, linear. Defaults to 1.0.
        level: float, root mean square to which the whole stem is scaled before `gain`; this reads it once. Defaults
            to None, the level in the file.
        precision: str, `"float32"` for the samples as decoded, `"int16"` to round them to 16 bits, as musdb does with
            STEM files. Defaults to `"float32"`.

    Example:

    >>> voice = tfsep.datasets.FileStem("song.wav", channel=1, gain=0.5)
    >>> voice.read(start=1000, samples=10).shape
    (10, 1)
    """

    path: Path
    stream: int = 0
    channel: int | None = None
    gain: float = 1.0
    level: float | None = None
    precision: str = "float32"

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def info(self) -> audio.AudioInfo:
        """Return the rate, length and channels without decoding.

        Raises:
            tfsep.audio.AudioError: if the file cannot be read, or lacks the channel.
        """
        info = audio.info(self.path, self.stream)
        if self.channel is None:
            return info
        if self.channel >= info.channels:
            raise audio.AudioError(
                f"{self.path} has {info.channels} channels. Expected {self.channel + 1} or more, one for each source."
            )
        return audio.AudioInfo(info.path, info.sample_rate, info.samples, 1, info.streams)

    def read(self, start: int, samples: int) -> np.ndarray:
        """Read an excerpt, float32 `[samples, channels]`."""
        return self.part(audio.read_streams(self.path, (self.stream,), start, samples)[0])

    def part(self, excerpt: np.ndarray) -> np.ndarray:
        """Return the stem's part of an excerpt of the stream, at the stem's level."""
        if self.channel is not None:
            excerpt = excerpt[:, self.channel : self.channel + 1]
        if self.precision == "int16":
            excerpt = to_int16(excerpt)
        gain = self.gain * (1.0 if self.level is None else _level_gain(self, *_version(self.path)))
        return excerpt if gain == 1 else excerpt * np.float32(gain)

    def digest(self) -> str:
        """Return a hash of the file's content and of the stem's part in it."""
        content = _file_digest(self.path, *_version(self.path))
        return digest(content, self.stream, self.channel, self.gain, self.level, self.precision)


class ArrayStem:
    """A source of a song in memory.

    Args:
        audio: float array `[samples]` or `[samples, channels]`, which is not copied if it is float32.
        sample_rate: int, in hertz.

    Raises:
        ValueError: if `audio` has another shape or type, or is empty or not finite.

    Example:

    >>> vocals = tfsep.datasets.ArrayStem(np.zeros((44100, 2), np.float32), 44100)
    >>> track = tfsep.datasets.Track("silence", {"vocals": vocals})
    """

    def __init__(self, audio: np.ndarray, sample_rate: int):
        array = np.asarray(audio)
        if array.ndim not in (1, 2) or not array.size or array.dtype.kind != "f":
            raise ValueError(
                "audio must be a float array [samples] or [samples, channels] with at least one sample. Received: "
                f"{array.dtype} {list(array.shape)}."
            )
        if not np.isfinite(array).all():
            raise ValueError("audio must be finite. Received: an array with NaN or infinity.")
        check_integer("sample_rate", sample_rate)
        self.audio = array.astype(np.float32, copy=False).reshape(len(array), -1)
        self.sample_rate = int(sample_rate)

    def __repr__(self) -> str:
        return f"ArrayStem({list(self.audio.shape)}, sample_rate={self.sample_rate})"

    @property
    def name(self) -> str:
        return repr(self)

    def info(self) -> audio.AudioInfo:
        return audio.AudioInfo(self.name, self.sample_rate, *self.audio.shape, 1)

    def read(self, start: int, samples: int) -> np.ndarray:
        return self.audio[start : start + samples].copy()

    def digest(self) -> str:
        content = hashlib.blake2b(np.ascontiguousarray(self.audio), digest_size=16).hexdigest()
        return digest(content, self.audio.shape, self.sample_rate)


@dataclass(frozen=True)
class Concatenation:
    """Stems one after another as one stem.

    Args:
        stems: tuple of stems of the same rate.
        samples: int, length at which the last one is cut off.
        gain: float, linear. Defaults to 1.0.

    Example:

    >>> song = tfsep.datasets.FileStem("song.wav")
    >>> tfsep.datasets.Concatenation((song, song), samples=50000).info().samples
    50000
    """

    stems: tuple[Stem, ...]
    samples: int
    gain: float = 1.0

    @property
    def name(self) -> str:
        return self.stems[0].name

    def info(self) -> audio.AudioInfo:
        infos = [stem.info() for stem in self.stems]
        for stem, info in zip(self.stems, infos, strict=True):
            if info.sample_rate != infos[0].sample_rate:
                raise audio.AudioError(
                    f"{stem.name} has {info.sample_rate} Hz, while {self.name} has {infos[0].sample_rate} Hz. "
                    "Resample one of them."
                )
        channels = max(info.channels for info in infos)
        for stem, info in zip(self.stems, infos, strict=True):
            if info.channels not in (1, channels):
                raise audio.AudioError(
                    f"{stem.name} has {info.channels} channels, while others have {channels}. Expected one, or as many."
                )
        return audio.AudioInfo(self.name, infos[0].sample_rate, self.samples, channels, 1)

    def read(self, start: int, samples: int) -> np.ndarray:
        excerpt = np.zeros((samples, self.info().channels), np.float32)
        begin = 0  # of the current stem
        for stem in self.stems:
            length = stem.info().samples
            first, last = max(start, begin), min(start + samples, begin + length)
            if first < last:
                excerpt[first - start : last - start] = stem.read(first - begin, last - first)
            begin += length
        return excerpt * np.float32(self.gain)

    def digest(self) -> str:
        return digest([stem.digest() for stem in self.stems], self.samples, self.gain)


def read_stems(stems: Sequence[Stem], start: int, samples: int) -> list[np.ndarray]:
    """Read the same excerpt of several stems, and a file that contains several of them once."""
    streams = {}
    for stem in stems:
        if isinstance(stem, FileStem):
            streams.setdefault(stem.path, {})[stem.stream] = None
    for path, numbers in streams.items():
        streams[path] = dict(zip(numbers, audio.read_streams(path, tuple(numbers), start, samples), strict=True))
    return [
        stem.part(streams[stem.path][stem.stream]) if isinstance(stem, FileStem) else stem.read(start, samples)
        for stem in stems
    ]


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Round audio to 16 bits and clip it to full scale as FFmpeg does; returns float32 of the same shape."""
    return np.clip(np.rint(samples * np.float32(2**15)), -(2**15), 2**15 - 1) / np.float32(2**15)


def digest(*parts) -> str:
    """Return a hash of the representation of the arguments."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _version(path: Path) -> tuple[int, int, int]:
    """Return numbers that change if the file is rewritten; cached results are valid while they are the same."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@functools.cache
def _level_gain(stem: FileStem, *version: int) -> float:
    whole = replace(stem, gain=1.0, level=None).read(0, stem.info().samples)
    power = np.mean(np.square(whole, dtype=np.float64))
    return stem.level / np.sqrt(power) if power else 1.0


@functools.lru_cache(maxsize=4096)
def _file_digest(path: Path, *version: int) -> str:
    content = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            content.update(chunk)
    return content.hexdigest()
