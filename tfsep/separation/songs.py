"""Many songs: found in files, folders, patterns and lists, and the folders for their stems."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from tfsep.datasets.folders import SUFFIXES
from tfsep.separation.file_options import stem_paths
from tfsep.separation.marks import read_mark

# Video files, whose sound is read, beside the formats of audio.
SONG_SUFFIXES = (*SUFFIXES, ".caf", ".mka", ".mkv", ".mov", ".webm", ".w64", ".wma")


def find_songs(inputs: Iterable[str | Path]) -> dict[Path, Path]:
    """Find the songs that paths name.

    Args:
        inputs: paths of files, of folders, which are searched at any depth, or patterns such as `music/*.mp3`. Stems
            that tfsep wrote, perhaps beside their songs, are separated only if their own path is given.

    Returns:
        dict from the path of each song to the path of its folder relative to the input that it was found in.

    Raises:
        ValueError: for a folder or a pattern without any song.

    Example:

    >>> songs = tfsep.separation.find_songs(["song.wav", "songs/song1"])
    >>> [path.name for path in songs]
    ['song.wav', 'bass.wav', 'drums.wav', 'other.wav', 'vocals.wav']
    """
    songs: dict[Path, Path] = {}
    files: set[Path] = set()
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            found = {song: song.parent.relative_to(path) for song in _search(path)}
        elif path.exists() or not glob.has_magic(str(given)):
            found = {path: Path()}  # a missing one is the error of that song alone
        else:
            paths = sorted(glob.glob(str(given), recursive=True))
            if not paths:
                raise ValueError(f"{given}: matches no file.")
            found = {song: Path() for song in map(Path, paths) if _is_song(song)}
        if not found:
            known = ", ".join(SONG_SUFFIXES)
            raise ValueError(
                f"{given}: contains no audio files, or only stems that tfsep wrote. Known suffixes: {known}."
            )
        for song, place in found.items():
            # The same file, where `..` and links to folders name it in other ways.
            file = song.parent.resolve() / song.name
            if file not in files:
                files.add(file)
                songs[song] = place
    return songs


def read_list(path: str | Path) -> list[str]:
    """Read the inputs that a text file lists, one a line; empty lines and those that begin with `#` are skipped.

    Relative paths are those from the file's folder, `~` is the user's.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no text in UTF-8.
    """
    path = Path(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: a list of songs must be text in UTF-8, one path a line.") from None
    return [str(path.parent / Path(line).expanduser()) for line in lines if line and not line.startswith("#")]


def output_folders(
    songs: dict[Path, Path], output: str | Path | None, suffix: str, name: str | None
) -> dict[Path, Path]:
    """Return the folder that the stems of each song lie in at some depth: `OUTPUT/<place>`, or that of the song.

    Args:
        songs: dict as `find_songs` returns it.
        output: path of the folder of all songs, or None.
        suffix, name: str, format of the stems and pattern of their paths in that folder; see `tfsep.separate_file`.

    Raises:
        ValueError: if the stems of two songs would have the same paths.
    """
    folders: dict[Path, Path] = {}
    owners: dict[Path, Path] = {}
    for path, place in songs.items():
        folders[path] = path.parent if output is None else Path(output, place)
        (stem,) = stem_paths(path, folders[path], ["stem"], suffix, name).values()
        if stem in owners:
            where = stem.parent if stem.stem == "stem" else stem
            raise ValueError(
                f"{owners[stem]} and {path} would both write to {where}. Separate them to different outputs, "
                f"{_advice(path.suffix != owners[stem].suffix, output)}."
            )
        owners[stem] = path
    return folders


def _advice(other_formats: bool, output: str | Path | None) -> str:
    """Return how to separate songs of one name together."""
    if other_formats:
        return 'or tell them apart by --name "{track} {suffix}/{stem}{ext}"'
    return "or the folder that contains both, whose folders the output keeps" if output else "one after the other"


def _search(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and _is_song(path)
    )


def _is_song(path: Path) -> bool:
    return path.suffix.lower() in SONG_SUFFIXES and path.is_file() and read_mark(path) is None
