"""The names of splits and mixtures, and which files of a folder belong to a corpus."""

from __future__ import annotations

from pathlib import Path

SPLITS = ("train", "valid", "test")
MIXTURES = ("file", "sum")


def visible(folder: Path, folders: bool = False) -> list[Path]:
    """Return the files and folders, or folders alone, of a folder, sorted, without names that begin with a dot."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir() or not folders)
