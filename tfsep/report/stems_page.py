"""A page to listen to the stems that `tfsep separate` wrote."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tfsep import audio
from tfsep.report.page import check_output, write_page
from tfsep.report.songs import MIXTURE, Song, Sound, Version, check_excerpt
from tfsep.report.stem_files import StemFiles, check_timeline, find_stems, open_stems


def write_stems_page(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    songs: Mapping[str, Sequence[str]] | None = None,
    mixtures: Mapping[str, str | Path] | None = None,
    model: str = "",
    seconds: float | None = None,
    start: float | None = None,
    embed: bool = False,
    tolerant: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write an HTML file with a player of the stems of songs, to solo, mute, weigh, loop, slow down and mix.

    It opens from disk, without server or network. The sound is Opus, which Chrome, Edge, Firefox, and Safari from
    version 18.4 on decode: some 3 MB a minute of four stems and their mixture, in the folder `<page>-sound` beside the
    page, or within the page.

    Args:
        folder: path of a song's folder, `FOLDER/<stem>.wav`, or of a folder of such folders. A stem named `mixture`
            is the mixture.
        output: path of the page. Defaults to `FOLDER/index.html`.
        songs: dict from song (the name of its folder in `folder`) to the names of the stems to include. Defaults to
            all songs and stems.
        mixtures: dict from song (the name of its folder) to the path of the separated file, to play beside the stems.
            Defaults to None.
        model: str, name of the model that separated the songs, to be shown. Defaults to none.
        seconds: float, maximum length of the excerpt of each song. Defaults to None, whole songs.
        start: float, start of the excerpt in seconds. Defaults to None, an excerpt from the middle of each song.
        embed: bool, include the sound in the page, to send it as one file. Defaults to False.
        tolerant: bool, play the readable rest of damaged mixtures. Defaults to False.
        overwrite: bool, replace an existing page. Defaults to False.

    Returns:
        Path of the page.

    Raises:
        FileNotFoundError: if the folder, or a mixture, does not exist.
        FileExistsError: if the page exists and `overwrite` is False.
        ValueError: if there are no stems, the files of a song differ in length or rate, or a song is unknown.
        tfsep.audio.AudioError: if a file cannot be read.

    Example:

    >>> page = tfsep.report.write_stems_page("songs", "page.html", seconds=1.0)
    >>> page.name
    'page.html'
    """
    folder = Path(folder)
    output = folder / "index.html" if output is None else Path(output)
    check_excerpt(seconds, start)
    check_output(output, overwrite)
    chosen = dict.fromkeys(_song_folders(folder)) if songs is None else {folder / name: songs[name] for name in songs}
    mixtures = dict(mixtures or {})
    if unknown := mixtures.keys() - {path.name for path in chosen}:
        raise ValueError(f"{folder} has no song {sorted(unknown)[0]!r}. Received: mixtures={mixtures}.")
    songs = [_song(path, names, mixtures.get(path.name), tolerant, output) for path, names in chosen.items()]
    sounds = [Sound(song, seconds, start) for song in songs]
    title = f"Stems of {songs[0].name}" if len(songs) == 1 else f"Stems of {len(songs)} songs"
    separated = f"{model}, {_date(chosen)}" if model else _date(chosen)
    summary = f"{songs[0].caption} · {separated}" if len(songs) == 1 and songs[0].caption else separated
    heading = songs[0].name if len(songs) == 1 else title
    write_page(output, title, summary, sounds, heading=heading, embed=embed)
    return output


def _song_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder. Expected one that `tfsep separate --output` wrote.")
    if find_stems(folder):
        return [folder.resolve()]
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and find_stems(path))
    if not folders:
        raise ValueError(f"{folder} contains no stems. Expected <stem>.wav, or <song>/<stem>.wav, in any audio format.")
    return folders


def _song(folder: Path, names: Sequence[str] | None, mixture: str | Path | None, tolerant: bool, page: Path) -> Song:
    stems = open_stems(folder, names)
    mixture = stems.paths.pop(MIXTURE, None) if mixture is None else mixture
    if not stems.paths:
        raise ValueError(f"{folder} contains only a mixture. Expected stems beside it.")
    if mixture is not None:
        check_timeline(mixture, audio.info(mixture, tolerant=tolerant), folder, stems)
    return Song(
        folder.name,
        stems.sample_rate,
        stems.samples,
        (Version("stems", stems.read),),
        None if mixture is None else lambda first, samples: audio.read(mixture, first, samples, tolerant=tolerant)[0],
        _caption(next(iter(stems.paths.values())) if mixture is None else mixture, stems),
        {name: _address(path, page) for name, path in stems.paths.items()},
    )


def _caption(path: str | Path, stems: StemFiles) -> str:
    """Return what the tags tell beside the title, and the rate."""
    try:
        tags = audio.read_tags(path)
    except audio.AudioError:  # of a damaged mixture, whose rest can be played
        tags = audio.Tags()
    title = "" if tags.title == stems.folder.name else tags.title
    parts = (tags.artist, title, tags.album, tags.date[:4], f"{stems.sample_rate / 1000:g} kHz")
    return " · ".join(part for part in parts if part)


def _address(path: Path, page: Path) -> str:
    """Return the address of a file relative to the page; a path on another drive has none."""
    try:
        return quote(os.fsencode(Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix()))
    except ValueError:
        return path.resolve().as_uri()


def _date(folders: Iterable[Path]) -> str:
    """Return the day on which the newest stem was written, such as `"1 May 2026"`."""
    newest = max(path.stat().st_mtime for folder in folders for path in find_stems(folder).values())
    day = datetime.date.fromtimestamp(newest)
    return f"{day.day} {day:%B %Y}"
