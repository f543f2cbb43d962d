"""Stems found in folders of any layout, by the words of their paths."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import SPLITS, SUFFIXES, add_file
from tfsep.datasets.stems import FileStem
from tfsep.datasets.track import LEFT_OVER, Corpus, Track

_log = logging.getLogger("tfsep")

_ADVICE = ", or name the folder of one model"  # if two files are for one stem

_SOURCES = (
    "vocals",
    "drums",
    "bass",
    "other",
    "accompaniment",
    "piano",
    "guitar",
    "rest",
    "instrumental",
    "no_vocals",
)
_MIXTURES = ("mixture", "mix", "mixtures")
_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
_NAMED = 5  # names that a message lists


class FoundStems(Corpus):
    """Open the songs of a folder of any layout: `song/vocals.wav`, `vocals/song.flac`, `song_(Vocals)_model.mp3`.

    Sources are found by their usual names (vocals, drums, bass, other, accompaniment, piano, guitar, instrumental) in
    any case; all other files beside one that is named after a source are sources, too. `mixture`, `mix`, or a file of
    the song's name beside its stems or their folder is the mixture.

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
        songs = find_songs(folder, names)
        found = {source for paths in songs.values() for source in paths} - {"mixture"}
        sources = [*(source for source in _SOURCES if source in found), *sorted(found - set(_SOURCES))]
        tracks = [_track(name, paths, sources) for name, paths in songs.items()]
        super().__init__(folder.resolve().name, tracks, root=str(root), split=split)


def find_songs(
    folder: Path, names: Mapping[str, str] | None = None, by_folder: bool = False
) -> dict[str, dict[str, Path]]:
    """Find the songs of a folder by the names of sources alone.

    Args:
        folder: the folder, in which all audio files are considered.
        names: dict from source to its name in the files. Defaults to none.
        by_folder: bool, where no file is named after a source, take all files of a folder for the stems of one song.
            Defaults to False.

    Returns:
        dict from song, sorted, to source to path, the usual sources first; `mixture` is the mixture.

    Raises:
        ValueError: if no source is found, or a source of a song more than once.
    """
    known = known_names(_SOURCES, names)
    paths = _files(folder)
    # Beside `vocals`, `backing_vocals` is a stem, not the vocals of a song `backing`.
    whole = {path.parent for path in paths if known.get(words(path.stem), "mixture") != "mixture"}
    stems = [(path, *_place_and_source(folder, path, known, whole)) for path in paths]
    places = {place for _, place, _ in stems if place is not None}
    songs: dict[str, dict[str, Path]] = {}
    unknown = []
    for path, place, source in stems:
        if place is None:
            place, source = _beside(path, places)
        if place is None and by_folder and not places:
            place, source = path.parent, path.stem
        if place is None:
            unknown.append(path.name)
            continue
        song = place.resolve().name if place == folder else place.name
        add_file(songs.setdefault(song, {}), source, path, song, _ADVICE)
    received = unknown or [path.name for paths in songs.values() for path in paths.values()]
    songs = {song: _sorted(songs[song]) for song in sorted(songs) if songs[song].keys() - {"mixture"}}
    if not songs:
        raise ValueError(
            f"{folder} contains no stems. Received: {listed(received) or 'no audio'}. Expected such as "
            "song/vocals.wav, vocals/song.wav or song_(Vocals).wav. For others give names={...} (--map of evaluate)."
        )
    if unknown:
        _log.warning("%s: no names of sources, left out: %s.", folder, listed(unknown))
    return songs


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
            add_file(found.setdefault(known[track], {}), source, path, known[track], _ADVICE)
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


def _track(name, paths, sources):
    stems = {source: FileStem(path) for source, path in paths.items()}
    return Track(name, {source: stems.get(source) for source in sources}, stems.get("mixture"))


def _place_and_source(folder, path, names, whole):
    """Return the song's place, the folder of its stems or how their paths begin, and the source; None without one."""
    if words(path.stem) in names:
        return path.parent, names[words(path.stem)]
    for text, place in _bracketed(path):
        if words(text) in names:
            return place, names[words(text)]
    if path.parent in whole:
        return None, None
    for part in reversed(path.relative_to(folder).parent.parts):
        if words(part) in names:
            return folder / path.stem, names[words(part)]
    for match in re.finditer(r"[ _-]+", path.stem):
        song, text = path.stem[: match.start()], path.stem[match.end() :]
        if song and words(text) in names:
            return path.with_name(song), names[words(text)]
    return None, None


def _beside(path, places):
    """Return the place of the song whose mixture or further stem a file is, and its source; None if there is none."""
    for text, place in _bracketed(path):
        if place in places:
            return place, text
    if path.with_name(path.stem) in places:
        return path.with_name(path.stem), "mixture"
    return (path.parent, path.stem) if path.parent in places else (None, None)


def _bracketed(path):
    """Yield the texts in brackets of a name that begins with a song's, and the path up to there."""
    for match in _BRACKETS.finditer(path.stem):
        if song := path.stem[: match.start()].rstrip(" _-"):
            yield match[1], path.with_name(song)


def _sorted(paths):
    """Return the stems of a song, the usual ones first."""
    order = {source: place for place, source in enumerate(_SOURCES)}
    return dict(sorted(paths.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))
