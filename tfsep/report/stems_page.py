"""A page to listen to the stems that `tfsep separate` wrote."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tfsep import audio
from tfsep.checks import existing_folder
from tfsep.datasets.folders import audio_files
from tfsep.datasets.found_stems import find_songs
from tfsep.evaluation.estimates import check_timeline
from tfsep.report.page import check_output, write_page
from tfsep.report.songs import MIXTURE, Song, Sound, Version, check_excerpt
from tfsep.report.stem_files import StemFiles, open_stems, read_excerpt

_log = logging.getLogger("tfsep")


def write_stems_page(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    songs: Mapping[str, Sequence[str]] | None = None,
    mixtures: Mapping[str, str | Path] | None = None,
    names: Mapping[str, str] | None = None,
    model: str = "",
    seconds: float | None = None,
    start: float | None = None,
    embed: bool = False,
    tolerant: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write an HTML file with a player of the stems of songs, to solo, mute, weigh, loop, slow down and mix.

    It opens from disk, without server or network. The sound is Opus, which Chrome, Edge, Firefox, and Safari from
    version 18.4 on decode: some 5 MB a minute of four stereo stems and their mixture, in the folder `<page>-sound`
    beside the page, or within the page.

    Args:
        folder: path of a folder with the stems of one or more songs in any layout, see `tfsep.datasets.FoundStems`.
            Where no file is named after a source, the files of each folder are the stems of one song.
        output: path of the page. Defaults to `FOLDER/index.html`.
        songs: dict from song to the names of its stems to include, `FOLDER/<song>/<stem>.wav`. Defaults to all songs
            and stems that are found.
        mixtures: dict from song to the path of the separated file, to play beside the stems. Defaults to the mixtures
            that are found.
        names: dict from source to its name in the files, such as `{"accompaniment": "Instrumental"}`. Defaults to none.
        model: str, name of the model that separated the songs, to be shown. Defaults to none.
        seconds: float, maximum length of the excerpt of each song. Defaults to None, whole songs.
        start: float, start of the excerpt in seconds. Defaults to None, an excerpt from the middle of each song.
        embed: bool, include the sound in the page, to send it as one file. Defaults to False.
        tolerant: bool, play the decodable part of damaged mixtures. Defaults to False.
        overwrite: bool, replace an existing page. Defaults to False.

    Returns:
        Path of the page.

    Raises:
        FileNotFoundError: if the folder, or a mixture, does not exist.
        FileExistsError: if the page exists and `overwrite` is False.
        ValueError: if there are no stems, or two files for one; if the files of a song differ in rate, or by more than
            2304 samples in length; or if a song is unknown.
        tfsep.audio.AudioError: if a file cannot be read.

    Example:

    >>> page = tfsep.report.write_stems_page("songs", "page.html", seconds=1.0)
    >>> page.name
    'page.html'
    """
    folder = existing_folder(folder, "a folder of stems")
    output = folder / "index.html" if output is None else Path(output)
    check_excerpt(seconds, start)
    check_output(output, overwrite)
    found = find_songs(folder, names, by_folder=True) if songs is None else _chosen(folder, songs)
    mixtures = dict(mixtures or {})
    if unknown := mixtures.keys() - found:
        raise ValueError(f"{folder} has no song {sorted(unknown)[0]!r}. Received: mixtures={mixtures}.")
    day = _date(path for paths in found.values() for path in paths.values())
    songs = [_song(name, paths, mixtures.get(name), tolerant, output) for name, paths in found.items()]
    sounds = [Sound(song, seconds, start) for song in songs]
    title = f"Stems of {songs[0].name}" if len(songs) == 1 else f"Stems of {len(songs)} songs"
    separated = f"{model}, {day}" if model else day
    summary = f"{songs[0].caption} · {separated}" if len(songs) == 1 and songs[0].caption else separated
    heading = songs[0].name if len(songs) == 1 else title
    write_page(output, title, summary, sounds, heading=heading, embed=embed)
    return output


def _chosen(folder: Path, songs: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Path]]:
    found = {}
    for song, names in songs.items():
        paths = audio_files(folder / song, names)
        if not paths:
            raise ValueError(f"{folder / song} contains none of the stems {', '.join(names)}.")
        found[song] = {name: paths[name] for name in names if name in paths}
    return found


def _song(name: str, paths: dict[str, Path], mixture: str | Path | None, tolerant: bool, page: Path) -> Song:
    stems = open_stems(name, {stem: path for stem, path in paths.items() if stem != MIXTURE})
    if mixture is not None:
        check_timeline(mixture, audio.info(mixture, tolerant=tolerant), name, stems)
    elif MIXTURE in paths:
        mixture = _fitting(paths[MIXTURE], stems)
    return Song(
        name,
        stems.sample_rate,
        stems.samples,
        (Version("stems", stems.read),),
        None if mixture is None else lambda first, samples: read_excerpt(mixture, first, samples, tolerant),
        _caption(next(iter(stems.paths.values())) if mixture is None else mixture, stems),
        {name: _address(path, page) for name, path in stems.paths.items()},
    )


def _fitting(mixture: Path, stems: StemFiles) -> Path | None:
    """Return a mixture that lies beside the stems, or None if it cannot be played with them."""
    try:
        check_timeline(mixture, audio.info(mixture), stems.name, stems)
    except (audio.AudioError, ValueError) as error:
        _log.warning("%s The mixture is left out.", error)
        return None
    return mixture


def _caption(path: str | Path, stems: StemFiles) -> str:
    """Return what the tags tell beside the title, and the rate."""
    try:
        tags = audio.read_tags(path)
    except audio.AudioError:  # of a damaged mixture, whose decodable part can be played
        tags = audio.Tags()
    title = "" if tags.title == stems.name else tags.title
    parts = (tags.artist, title, tags.album, tags.date[:4], f"{stems.sample_rate / 1000:g} kHz")
    return " · ".join(part for part in parts if part)


def _address(path: Path, page: Path) -> str:
    """Return the address of a file relative to the page; a path on another drive has none."""
    try:
        return quote(os.fsencode(Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix()))
    except ValueError:
        return path.resolve().as_uri()


def _date(paths: Iterable[Path]) -> str:
    """Return the day on which the newest stem was written, such as `"1 May 2026"`."""
    day = datetime.date.fromtimestamp(max(path.stat().st_mtime for path in paths))
    return f"{day.day} {day:%B %Y}"
