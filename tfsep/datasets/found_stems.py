"""Stems found in folders of any layout, by the words of their paths."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import SPLITS, SUFFIXES
from tfsep.datasets.stems import FileStem
from tfsep.datasets.track import LEFT_OVER, Corpus, Track

_log = logging.getLogger("tfsep")

_SOURCES = ("vocals", "drums", "bass", "other", "accompaniment", "piano", "guitar", "rest")
_MIXTURES = ("mixture", "mix", "mixtures")
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
_NAMED = 5  # names that a message lists


class FoundStems(Corpus):
    """Open the songs of a folder of any layout: `song/vocals.wav`, `vocals/song.flac`, `song_(Vocals)_model.mp3`.

    Sources are found by their usual names (vocals, drums, bass, other, accompaniment, piano, guitar) in any case; all
    other files beside one that is named after a source are sources, too. `mixture` or `mix` is the mixture.

    Args:
        root: path of the folder.
        split: str or None; a folder `root/<split>` is taken if it exists, else the whole. Defaults to None.
        names: dict from source to its name in the files, such as `{"accompaniment": "Instrumental"}`. Defaults to none.

    Raises:
        FileNotFoundError: if `root` does not exist.
        ValueError: if no source is found, or a source of a song more than once.

    Example:

    >>> [track.name for track in tfsep.datasets.FoundStems("songs")]
    ['song1', 'song2', 'song3']
    """

    def __init__(self, root: str | Path, split: str | None = None, names: Mapping[str, str] | None = None):
        check_choice("split", split, (*SPLITS, None))
        folder = existing_folder(root, "a folder of stems")
        if split and (folder / split).is_dir():
            folder = folder / split
        songs = _songs(folder, known_names(_SOURCES, names))
        found = {source for stems in songs.values() for source in stems} - {"mixture"}
        sources = [*(source for source in _SOURCES if source in found), *sorted(found - set(_SOURCES))]
        tracks = [
            Track(name, {source: stems.get(source) for source in sources}, stems.get("mixture"))
            for name, stems in sorted(songs.items())
            if stems.keys() - {"mixture"}
        ]
        super().__init__(folder.resolve().name, tracks, root=str(root), split=split)


def find_stems(
    folder: Path, tracks: Iterable[str], names: Mapping[str, str]
) -> tuple[dict[str, dict[str, Path]], list[str], list[str]]:
    """Find the files of tracks whose names are known.

    Args:
        folder: the folder, in which all audio files are considered.
        tracks: names of the tracks.
        names: dict from the words of a name to the source, see `known_names`.

    Returns:
        dict from track to source to path; the names of files of no track, and of files of no source.

    Raises:
        ValueError: if there are several files for one source of a track.
    """
    known = {words(track): track for track in tracks}
    found: dict[str, dict[str, Path]] = {}
    trackless, sourceless = [], []
    for path in _files(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        place, track = max(
            ((index, song) for index, part in enumerate(parts) for song in known if _begins(words(part), song)),
            key=lambda match: (len(match[1]), words(parts[match[0]]) == match[1]),
            default=(0, None),
        )
        if track is None:
            trackless.append(parts[0])
            continue
        source = _source(parts, place, track, names)
        if source is None:
            sourceless.append(path.stem)
        else:
            _add(found.setdefault(known[track], {}), source, path, known[track])
    return found, sorted(set(trackless)), sorted(set(sourceless))


def known_names(sources: Iterable[str], mapped: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a dict from the words of names in files to sources, with the mixture and the usual sums."""
    names = {words(name): name for name in (*sources, *LEFT_OVER)}
    names |= dict.fromkeys(_MIXTURES, "mixture")
    return names | {words(name): source for source, name in (mapped or {}).items()}


def words(name: str) -> str:
    """Return the words of a name in lower case with one space between them."""
    name = unicodedata.normalize("NFC", name).casefold()
    return " ".join(re.findall(r"[^\W_]+", name)) or name


def listed(names: list[str]) -> str:
    """Return names as text, the first of them if they are many."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _files(folder):
    """All audio files in a folder, sorted, without names that begin with a dot."""
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in paths if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _begins(text, song):
    """Return whether words begin with those of a song, after a number that some programs add."""
    return re.match(rf"(\d+ )?{re.escape(song)}( |$)", text) is not None


def _source(parts, place, track, names):
    """Return the source of a file whose track is named at one place of its path."""
    stem = words(parts[-1])
    if place < len(parts) - 1 and stem in names:
        return names[stem]
    brackets = _BRACKETS.findall(parts[-1])
    for text in brackets:
        if words(text) in names:
            return names[words(text)]
    if place < len(parts) - 1:
        return None
    rest = stem.split(track, 1)[1].strip()
    for name in sorted(names, key=len, reverse=True):
        if rest == name or rest.startswith(f"{name} "):
            return names[name]
    folders = [names[words(part)] for part in reversed(parts[:-1]) if words(part) in names]
    return folders[0] if folders and not brackets else None


def _songs(folder, names):
    """Return a dict from song to source to `FileStem`, by the names of sources alone."""
    songs: dict[str, dict[str, FileStem]] = {}
    left, stem_folders = [], {}
    for path in _files(folder):
        song, source = _song_and_source(folder, path, names)
        if source is None:
            left.append(path)
            continue
        if words(path.stem) in names:
            stem_folders[path.parent] = song
        _add(songs.setdefault(song, {}), source, path, song)
    for path in left:
        if path.parent in stem_folders:
            _add(songs[stem_folders[path.parent]], path.stem, path, stem_folders[path.parent])
    unknown = [path.name for path in left if path.parent not in stem_folders]
    if not songs:
        raise ValueError(
            f"{folder} contains no stems. Received: {listed(unknown) or 'no audio'}. Expected such as song/vocals.wav, "
            "vocals/song.wav or song_(Vocals).wav, with names of sources or --map."
        )
    if unknown:
        _log.warning("%s: no names of sources, left out: %s.", folder, listed(unknown))
    return {song: {source: FileStem(path) for source, path in stems.items()} for song, stems in songs.items()}


def _song_and_source(folder, path, names):
    if words(path.stem) in names:
        return path.parent.resolve().name, names[words(path.stem)]
    for match in _BRACKETS.finditer(path.stem):
        if words(match[1]) in names:
            return path.stem[: match.start()].rstrip(" _-"), names[words(match[1])]
    for part in reversed(path.relative_to(folder).parent.parts):
        if words(part) in names:
            return path.stem, names[words(part)]
    song, _, last = re.sub(r"[ _-]+", " ", path.stem).rpartition(" ")
    if song and words(last) in names:
        return path.stem[: -len(last)].rstrip(" _-"), names[words(last)]
    return None, None


def _add(stems, source, path, song):
    if source in stems:
        raise ValueError(
            f"There are two files for {source!r} of {song}: {stems[source]} and {path}. Keep one of them, or name the "
            "folder of one model."
        )
    stems[source] = path
