"""Checks of what corpora are called with."""

from __future__ import annotations

from pathlib import Path

SPLITS = ("train", "valid", "test")
MIXTURES = ("file", "sum")


def check_choice(name: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    """Raises ValueError for an argument that is none of the allowed values."""
    if value not in allowed:
        names = ", ".join(map(repr, allowed[:-1]))
        raise ValueError(f"{name} must be {names} or {allowed[-1]!r}. Received: {name}={value!r}.")


def visible(folder: Path, folders: bool = False) -> list[Path]:
    """Files and folders, or folders alone, in a folder, sorted; names that begin with a dot are no part of a corpus."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir() or not folders)


def existing_folder(root: str | Path, expected: str) -> Path:
    """The path of a folder; raises FileNotFoundError, saying what was expected, if there is none."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Expected {expected}.")
    return root
