"""A folder of stems, one audio file each, of one length and one rate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.datasets.folders import audio_files

_FIRST = ("vocals", "drums", "bass", "other")  # then all others by name


@dataclass(frozen=True)
class StemFiles:
    """Stems of one song.

    Args:
        folder: path of their folder.
        paths: dict from stem to file.
        sample_rate: int, samples per second of each stem.
        samples: int, length of each stem.
    """

    folder: Path
    paths: dict[str, Path]
    sample_rate: int
    samples: int

    def read(self, start: int, samples: int) -> dict[str, np.ndarray]:
        """Read the same excerpt of all stems, float32 `[samples, channels]` each."""
        return {name: audio.read(path, start, samples)[0] for name, path in self.paths.items()}


def find_stems(folder: Path, names: Collection[str] | None = None) -> dict[str, Path]:
    """Return the audio files of a folder by name, the usual sources first; all, or those of `names`.

    Raises:
        ValueError: if two files have one name.
    """
    stems = audio_files(folder, names)
    places = {name: place for place, name in enumerate(_FIRST)}
    return dict(sorted(stems.items(), key=lambda item: (places.get(item[0], len(places)), item[0])))


def open_stems(folder: Path, names: Sequence[str] | None = None) -> StemFiles:
    """Find a song's stems and check that they have one rate and one length.

    Args:
        folder: path of the song's folder.
        names: names of stems; those without a file are skipped. Defaults to None, all stems.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it contains none of the stems, or stems of different rate or length.
        tfsep.audio.AudioError: if a file cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder. Expected a folder with one audio file a stem.")
    paths = find_stems(folder, names)
    if not paths:
        raise ValueError(f"{folder} contains no stem. Expected audio files such as {(names or _FIRST)[0]}.wav.")
    infos = {path: audio.info(path) for path in paths.values()}
    first, *others = infos
    for path in others:
        check_timeline(path, infos[path], first, infos[first])
    return StemFiles(folder, paths, infos[first].sample_rate, infos[first].samples)


def check_timeline(name, info, other_name, other) -> None:
    """Raise ValueError unless two things with `sample_rate` and `samples` agree in both."""
    for unit, value, expected in (
        ("Hz", info.sample_rate, other.sample_rate),
        ("samples", info.samples, other.samples),
    ):
        if value != expected:
            raise ValueError(
                f"{name} has {value} {unit}, while {other_name} has {expected}. Expected one rate and one length."
            )
