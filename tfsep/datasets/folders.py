"""Names of splits and mixtures, and the files of a folder that belong to a corpus."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

SPLITS = ("train", "valid", "test")
MIXTURES = ("file", "sum")
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".aif", ".aiff")


def visible(folder: Path, folders: bool = False) -> list[Path]:
    """Return the files and folders, or folders alone, of a folder, sorted, without names that begin with a dot."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir() or not folders)


def audio_files(folder: Path, names: Collection[str] | None = None) -> dict[str, Path]:
    """Return the audio files of a folder by their names without suffix, sorted; all, or those of `names`.

    Raises:
        ValueError: if two files have one name.
    """
    files = {}
    for path in visible(folder):
        if path.suffix.lower() not in SUFFIXES or (names is not None and path.stem not in names):
            continue
        add_file(files, path.stem, path, folder)
    return files


def add_file(files: dict[str, Path], name: str, path: Path, owner: str | Path, advice: str = "") -> None:
    """Add a file to a dict by its name.

    Raises:
        ValueError: if the dict has a file of that name; the message names the `owner`, and ends with `advice`.
    """
    if name in files:
        raise ValueError(
            f"There are two files for {name!r} of {owner}: {files[name]} and {path}. Keep one of them{advice}."
        )
    files[name] = path
