"""Multitracks as one folder per song and one audio file per stem."""

from __future__ import annotations

import logging
from pathlib import Path

from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import SPLITS, audio_files, visible
from tfsep.datasets.splits import divide
from tfsep.datasets.stems import FileStem
from tfsep.datasets.track import Corpus, Track

_log = logging.getLogger("tfsep")

_ORDER = ("vocals", "drums", "bass", "other", "accompaniment")
_MIXTURES = ("mixture", "mix")


class StemsFolder(Corpus):
    """Open songs as folders of stems: `root/<song>/<source>.<suffix>`, in any audio format.

    Files are named after their sources; a file `mixture` or `mix` is the mixture, which otherwise is the sum of the
    stems. Names that begin with a dot are ignored. Shorter stems are padded with silence, and silence replaces a source
    that only other songs have; both are logged once per song.

    Args:
        root: path of the folder of song folders, or of a folder that contains `train`, `valid` or `test` with them.
        split: str, `"train"`, `"valid"`, `"test"` or None. A split is the folder `root/<split>` if it exists; otherwise
            `"valid"` is every seventh song by name and `"train"` the others. None selects all songs. Defaults to
            `"train"`.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if no song folder with a stem is found.

    Example:

    >>> [track.name for track in tfsep.datasets.StemsFolder("songs")]
    ['song1', 'song2']
    >>> [track.name for track in tfsep.datasets.StemsFolder("songs", split="valid")]
    ['song3']
    """

    def __init__(self, root: str | Path, split: str | None = "train"):
        check_choice("split", split, (*SPLITS, None))
        root = existing_folder(root, "a folder with one folder a song")
        songs = divide(root, split, _songs)
        found = {source for stems in songs.values() for source in stems} - set(_MIXTURES)
        sources = [*(s for s in _ORDER if s in found), *sorted(found - set(_ORDER))]
        tracks = [_track(name, stems, sources) for name, stems in sorted(songs.items())]
        super().__init__(root.name, tracks, root=str(root), split=split)


def _songs(folder: Path) -> dict[str, dict[str, FileStem]]:
    songs = {}
    for path in visible(folder, folders=True):
        stems = {name: FileStem(file) for name, file in audio_files(path).items()}
        if stems.keys() - set(_MIXTURES):
            songs[path.name] = stems
        else:
            _log.warning("%s contains no stems and is skipped.", path)
    if not songs:
        raise ValueError(
            f"No stems in the folders of {folder}. Expected <song>/<source>.wav (or another audio format), for "
            "example song1/vocals.wav and song1/drums.wav."
        )
    return songs


def _track(name: str, stems: dict[str, FileStem], sources: list[str]) -> Track:
    mixture = next((stems[mix] for mix in _MIXTURES if mix in stems), None)
    return Track(name, {source: stems.get(source) for source in sources}, mixture)
