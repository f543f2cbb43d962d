"""The stems of a song in files of one rate and about one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.evaluation.estimates import check_timeline


@dataclass(frozen=True)
class StemFiles:
    """Stems of one song.

    Args:
        name: str, name of the song.
        paths: dict from stem to file.
        sample_rate: int, samples per second of each stem.
        samples: int, length of the longest stem.
    """

    name: str
    paths: Mapping[str, Path]
    sample_rate: int
    samples: int

    def read(self, start: int, samples: int) -> dict[str, np.ndarray]:
        """Read the same excerpt of all stems, float32 `[samples, channels]` each."""
        return {name: read_excerpt(path, start, samples) for name, path in self.paths.items()}


def open_stems(name: str, paths: Mapping[str, Path]) -> StemFiles:
    """Check that a song's stems have one rate and one length.

    Args:
        name: str, name of the song.
        paths: dict from stem to file, at least one.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if the stems differ in rate, or by more than 2304 samples in length.
        tfsep.audio.AudioError: if a file cannot be read.
    """
    infos = {path: audio.info(path) for path in paths.values()}
    first, *others = infos
    for path in others:
        check_timeline(path, infos[path], first, infos[first])
    samples = max(info.samples for info in infos.values())
    return StemFiles(name, paths, infos[first].sample_rate, samples)


def read_excerpt(path: str | Path, start: int, samples: int, tolerant: bool = False) -> np.ndarray:
    """Read an excerpt of a file as float32 `[samples, channels]`, completed with zeros beyond its end."""
    length = audio.info(path, tolerant=tolerant).samples
    start = min(start, length)
    sound = audio.read(path, start, min(samples, length - start), tolerant=tolerant)[0]
    return np.pad(sound, ((0, samples - len(sound)), (0, 0)))
