"""A folder of stems, one audio file each, of one length and one rate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.datasets.folders import audio_files

_FIRST = ("vocals", "drums", "bass", "other")  # then the others by name


@dataclass(frozen=True)
class StemFiles:
    """Stems of one song.

    Args:
        folder: path of the folder that holds them.
        paths: dict from the stem's name to its file.
        sample_rate: int, in hertz, the same for all.
        samples: int, length, the same for all.
    """

    folder: Path
    paths: dict[str, Path]
    sample_rate: int
    samples: int

    def read(self, start: int, samples: int) -> dict[str, np.ndarray]:
        """The same excerpt of all stems, float32 `[samples, channels]` each."""
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
    """Finds a song's stems and checks that they lie on one timeline.

    Args:
        folder: path of the song's folder.
        names: names to take; None takes all that are there. A name without a file is left out.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it holds none of the stems, or stems of unequal rate or length.
        tfsep.audio.AudioError: if a file cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder. Expected a folder with one audio file a stem.")
    paths = find_stems(folder, names)
    if not paths:
        raise ValueError(f"{folder} holds no stem. Expected audio files such as {(names or _FIRST)[0]}.wav.")
    infos = {path: audio.info(path) for path in paths.values()}
    first, *others = infos
    for path in others:
        check_timeline(path, infos[path], first, infos[first])
    return StemFiles(folder, paths, infos[first].sample_rate, infos[first].samples)


def check_timeline(name, info, other_name, other) -> None:
    """Raises ValueError unless two things have one rate and one length; both have `sample_rate` and `samples`."""
    for unit, value, expected in (
        ("Hz", info.sample_rate, other.sample_rate),
        ("samples", info.samples, other.samples),
    ):
        if value != expected:
            raise ValueError(
                f"{name} has {value} {unit}, while {other_name} has {expected}. Expected one rate and one length."
            )
