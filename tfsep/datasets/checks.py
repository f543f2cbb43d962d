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


def existing_folder(root: str | Path, expected: str) -> Path:
    """The path of a folder; raises FileNotFoundError, saying what was expected, if there is none."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Expected {expected}.")
    return root
