"""Where one source of a song is stored, and how to read it."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfsep import audio


@dataclass(frozen=True)
class Stem:
    """One source of a song in a file.

    A `Track` takes any object with these methods as a stem.

    Args:
        path: path of the audio file.
        stream: int, audio stream of the file; 0 but for `.stem.mp4`.
        channel: int or None. The one channel of the file that holds the source; None takes all channels.
        gain: float, linear. Defaults to 1.0.
        level: float or None. Root mean square to which the whole stem is brought before `gain`, found by reading it
            once; None leaves its level.
    """

    path: Path
    stream: int = 0
    channel: int | None = None
    gain: float = 1.0
    level: float | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def info(self) -> audio.AudioInfo:
        """Rate, length and channels, without decoding.

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
        """Excerpt, float32 `[samples, channels]`."""
        return self.part(audio.read_streams(self.path, (self.stream,), start, samples)[0])

    def part(self, excerpt: np.ndarray) -> np.ndarray:
        """What belongs to the stem, at its level, of an excerpt of the file's stream."""
        if self.channel is not None:
            excerpt = excerpt[:, self.channel : self.channel + 1]
        gain = self.gain * (1.0 if self.level is None else _level_gain(self, *_version(self.path)))
        return excerpt if gain == 1 else excerpt * np.float32(gain)

    def digest(self) -> str:
        """Hash of what the stem holds: the file's content and the part of it."""
        return digest(_file_digest(self.path, *_version(self.path)), self.stream, self.channel, self.gain, self.level)


def read_stems(stems: Sequence[Stem], start: int, samples: int) -> list[np.ndarray]:
    """Reads the same excerpt of several stems, and a file that holds several of them once."""
    streams = {}
    for stem in stems:
        if isinstance(stem, Stem):
            streams.setdefault(stem.path, {})[stem.stream] = None
    for path, wanted in streams.items():
        streams[path] = dict(zip(wanted, audio.read_streams(path, tuple(wanted), start, samples), strict=True))
    return [
        stem.part(streams[stem.path][stem.stream]) if isinstance(stem, Stem) else stem.read(start, samples)
        for stem in stems
    ]


def digest(*parts) -> str:
    """Hash of the representation of its arguments."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _version(path: Path) -> tuple[int, int, int]:
    """What is another number as soon as the file is written anew: results are kept as long as it is the same."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@functools.cache
def _level_gain(stem: Stem, *version: int) -> float:
    whole = replace(stem, gain=1.0, level=None).read(0, stem.info().samples)
    power = np.mean(np.square(whole, dtype=np.float64))
    return stem.level / np.sqrt(power) if power else 1.0


@functools.lru_cache(maxsize=4096)
def _file_digest(path: Path, *version: int) -> str:
    """Hash of a file's content."""
    content = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            content.update(chunk)
    return content.hexdigest()
