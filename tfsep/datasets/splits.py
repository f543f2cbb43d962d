"""Training, validation and test songs of corpora without a published division."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tfsep.datasets.folders import SPLITS

_VALID_EVERY = 7


def hold_out(names: Iterable[str], split: str) -> list[str]:
    """Divide training songs: every seventh by name, or the last of fewer, is `"valid"`, the others are `"train"`."""
    names = sorted(names)
    held = names[_VALID_EVERY - 1 :: _VALID_EVERY] or names[-1:]
    return held if split == "valid" else [name for name in names if name not in held]


def divide(root: Path, split: str | None, find: Callable[[Path], dict]) -> dict:
    """Return the songs of a split: those of the folder `root/<split>` if there is one, or a part of those of `root`.

    Args:
        root: path of the user's folder.
        split: str, `"train"`, `"valid"`, `"test"` or None, which selects the songs of all splits.
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
            f"{root} has no folder 'test'. Put the test songs there, or use all songs: split=None (`--split all`)."
        )
    if split is None:
        return _all(root, find)
    songs = find(root)
    if split == "train" and len(songs) == 1:
        raise ValueError(f"{root} contains one song, which is used for validation. Add songs, or a folder 'train'.")
    return {name: songs[name] for name in hold_out(songs, split)}


def _all(root: Path, find: Callable[[Path], dict]) -> dict:
    songs = {}
    for folder in [root / split for split in SPLITS if (root / split).is_dir()] or [root]:
        for name, song in find(folder).items():
            if name in songs:
                raise ValueError(f"{root} has {name!r} in two splits. Rename one of them, or use one split.")
            songs[name] = song
    return songs
