"""Which songs are for training, validation and test, where a corpus does not say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tfsep.datasets.folders import SPLITS

_VALID_EVERY = 7


def hold_out(names: Iterable[str], split: str) -> list[str]:
    """Divides training songs: every seventh by name, or the last of fewer, is `"valid"` and the others `"train"`."""
    names = sorted(names)
    held = names[_VALID_EVERY - 1 :: _VALID_EVERY] or names[-1:]
    return held if split == "valid" else [name for name in names if name not in held]


def divide(root: Path, split: str | None, find: Callable[[Path], dict]) -> dict:
    """Songs of a split: those of the folder `root/<split>` where there is one, else a part of those of `root`.

    Args:
        root: the user's folder.
        split: `"train"`, `"valid"`, `"test"` or None, which takes the songs of all splits.
        find: function from a folder to a dict from name to song.

    Raises:
        ValueError: if the split cannot be made.
    """
    if split and (root / split).is_dir():
        return find(root / split)
    if split == "valid" and (root / "train").is_dir():
        raise ValueError(
            f"{root} has no folder 'valid'. Put validation songs there, or give other validation data (`--valid` of "
            "`tfsep train`)."
        )
    if split == "test":
        raise ValueError(
            f"{root} has no folder 'test'. Put the test songs there, or take all songs: split=None (`--split all`)."
        )
    if split is None:
        return _all(root, find)
    songs = find(root)
    if split == "train" and len(songs) == 1:
        raise ValueError(f"{root} holds one song, which is kept for validation. Add songs, or make a folder 'train'.")
    return {name: songs[name] for name in hold_out(songs, split)}


def _all(root: Path, find: Callable[[Path], dict]) -> dict:
    songs = {}
    for folder in [root / split for split in SPLITS if (root / split).is_dir()] or [root]:
        for name, song in find(folder).items():
            if name in songs:
                raise ValueError(f"{root} has {name!r} in two splits. Rename one of them, or take one split.")
            songs[name] = song
    return songs
