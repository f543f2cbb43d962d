"""Which songs are for training, validation and test, where a corpus does not say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

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
        split: `"train"`, `"valid"`, `"test"` or None, which takes all of `root`.
        find: function from a folder to a dict from name to song.

    Raises:
        ValueError: if the split cannot be made.
    """
    if split and (root / split).is_dir():
        return find(root / split)
    if split == "test" or (split and (root / "train").is_dir()):
        raise ValueError(f"{root} has no folder {split!r}. Put the {split} songs there, or take all (split 'all').")
    songs = find(root)
    if split is None:
        return songs
    if split == "train" and len(songs) == 1:
        raise ValueError(f"{root} holds one song, which is kept for validation. Add songs, or make a folder 'train'.")
    return {name: songs[name] for name in hold_out(songs, split)}
