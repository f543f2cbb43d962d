"""A page to listen to the stems that `tfsep separate` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfsep import audio
from tfsep.report.page import check_output, write_page
from tfsep.report.songs import MIXTURE, Song, Version, check_excerpt, excerpt_words, song_data
from tfsep.report.stem_files import check_timeline, find_stems, open_stems


def write_stems_page(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    songs: Mapping[str, Sequence[str]] | None = None,
    mixtures: Mapping[str, str | Path] | None = None,
    seconds: float | None = 60.0,
    start: float | None = None,
    tolerant: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write an HTML file with a synchronous player of the stems of songs, to solo, mute and loop.

    The file includes the sound as mp3 and opens from disk, without server or network.

    Args:
        folder: path of a song's folder, `FOLDER/<stem>.wav`, or of a folder of such folders. A stem named `mixture`
            is the mixture.
        output: path of the page. Defaults to `FOLDER/index.html`.
        songs: dict from song (the name of its folder in `folder`) to the names of the stems to include. Defaults to
            all songs and stems.
        mixtures: dict from song (the name of its folder) to the path of the separated file, to play beside the stems.
            Defaults to None.
        seconds: float, maximum length of the excerpt of each song; None for whole songs. Defaults to 60.0.
        start: float, start of the excerpt in seconds. Defaults to None, an excerpt from the middle of each song.
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
    songs = [_song(path, names, mixtures.get(path.name), tolerant) for path, names in chosen.items()]
    title = f"Stems of {songs[0].name}" if len(songs) == 1 else f"Stems of {len(songs)} songs"
    pages = [song_data(song, number, seconds, start) for number, song in enumerate(songs)]
    write_page(output, title, f"To listen to: {excerpt_words(seconds, start)}, as mp3.", pages)
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


def _song(folder: Path, names: Sequence[str] | None, mixture: str | Path | None, tolerant: bool) -> Song:
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
    )
