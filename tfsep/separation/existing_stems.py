"""Stems that exist already: whether they are in the way, or make it needless to separate their song again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tfsep import audio
from tfsep.audio.reading import checksum
from tfsep.datasets.folders import SUFFIXES
from tfsep.separation import marks
from tfsep.separation.file_options import FileOptions, excerpt, stem_paths, stem_pattern

# Seconds by which stems may differ from their song: opus and mp3 have sample rates and frames of their own.
_TOLERANCE = 0.1


def check_in_the_way(
    path: str | Path, folder: str | Path, paths: dict[str, Path], figures: Sequence[Path], options: FileOptions
) -> None:
    """Raise an error if a file is where a stem or a figure shall be, or has the name of a stem in another format.

    Args:
        path, folder: paths of the song and of the folder of its stems.
        paths: dict from stem to the path of its file.
        figures: paths of the figures.
        options: `FileOptions`, which tell what may be replaced.

    Raises:
        ValueError: if it is the song itself.
        FileExistsError: if it is another file that may not be replaced.
    """
    in_the_way = [
        other
        for stem in dict.fromkeys(paths.values())
        for other in _audio_files(stem.parent)
        if other.stem == stem.stem
    ]
    if Path(path).resolve() in map(Path.resolve, in_the_way):
        raise ValueError(f"{path}: is the song itself, and a stem would have its name. Choose another folder or name.")
    in_the_way += [figure for figure in figures if figure.exists()]
    pattern = stem_pattern(path, folder, options)
    for existing in in_the_way:
        is_replaced = options.overwrite and (existing in (*paths.values(), *figures) or not options.keep_others)
        if not is_replaced:
            format = "" if existing in (*paths.values(), *figures) else ", in another format"
            raise FileExistsError(
                f"{existing}: exists already{format}; choose another folder, or replace it with overwrite=True "
                "(--overwrite)."
            )
        if existing.suffix.lower() in SUFFIXES and existing not in paths.values() and not _is_ours(existing, pattern):
            raise FileExistsError(f"{existing}: is another {existing.stem!r}, not written by tfsep; remove it.")


def are_done(path: str | Path, folder: str | Path, names: Sequence[str], options: FileOptions) -> bool:
    """Whether a song need not be separated again, because all of its stems exist.

    Args:
        path, folder: paths of the song and of the folder of its stems.
        names: sequence of str, the stems.
        options: `FileOptions`.

    Raises:
        FileExistsError: if a stem exists that something else made: another model or other options, another program,
            or tfsep of another song, or of this one before it changed. Files that are empty, or that cannot be read
            but tell that these options made them, count as missing.
    """
    paths = stem_paths(path, folder, names, options.suffix, options.name)
    info = audio.info(path, tolerant=options.tolerant)
    seconds = excerpt(info, options)[1] / info.sample_rate
    files = {place: stem for stem, place in paths.items()}  # a STEM file once
    song = checksum(path) if any(place.is_file() for place in files) else ""
    # All are looked at, as separating the song replaces all.
    return all([_is_done(place, options.mark(stem, paths, song), seconds) for place, stem in files.items()])


def _is_done(path: Path, expected: marks.Mark, seconds: float) -> bool:
    """Whether a stem is there; see `are_done`."""
    if not path.is_file() or not path.stat().st_size:
        return False
    mark = marks.read_mark(path)
    wrong = None
    if mark is None or mark.what != expected.what:
        wrong = "is damaged, or was not written by tfsep as this stem"
    elif mark.made_by not in ("", expected.made_by):
        wrong = f"was made by {mark.made_by}, not by {expected.made_by or 'this model'}"
    elif mark.song not in ("", expected.song):
        wrong = "is of another song of this name, or of this one before it changed"
    elif (found := _seconds(path)) is not None and abs(found - seconds) > _TOLERANCE:
        wrong = f"is cut, or of another song: it has {found:.2f} s, not {seconds:.2f} s"
    if wrong:
        raise FileExistsError(f"{path}: {wrong}; overwrite=True (--overwrite) replaces it.")
    return found is not None


def _seconds(path: Path) -> float | None:
    """Return the length of an audio file; None if it cannot be read."""
    try:
        info = audio.info(path)
    except (audio.AudioError, OSError):
        return None
    return info.samples / info.sample_rate


def remove_others(path: str | Path, folder: str | Path, paths: dict[str, Path], options: FileOptions) -> None:
    """Remove the stems of a song that earlier runs wrote under other names or in other formats."""
    pattern = stem_pattern(path, folder, options)
    for other in (other for place in {stem.parent for stem in paths.values()} for other in _audio_files(place)):
        if other not in paths.values() and other.resolve() != Path(path).resolve() and _is_ours(other, pattern):
            other.unlink()


def _audio_files(folder: Path) -> list[Path]:
    """Return the audio files of a folder."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def _is_ours(path: Path, pattern: re.Pattern) -> bool:
    """Whether an earlier run wrote a file as a stem, or the STEM file, of this song."""
    match = pattern.fullmatch(str(path))
    if match is None:
        return False
    mark = marks.read_mark(path)
    what = marks.stem_mark(match["stem"]) if "stem" in pattern.groupindex else marks.STEM_FILE
    return mark is not None and mark.what == what
