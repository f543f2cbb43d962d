"""The page itself: templates filled with style sheet, scripts and data."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from tfsep import __version__
from tfsep.files import write_text
from tfsep.report.songs import Sound


def check_output(path: Path, overwrite: bool) -> None:
    """Raise FileExistsError if the page exists and must not be overwritten, or is a folder."""
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder. Expected the name of a page to write.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another output, or overwrite it.")


def write_page(
    path: Path, title: str, summary: str, songs: Sequence[Sound], *, heading: str = "", embed: bool = True, **scores
) -> None:
    """Write a page atomically.

    Args:
        path: path of the HTML file.
        title: str, the title of the window, as plain text.
        summary: str, the line below the heading, as plain text.
        songs: the songs with sound.
        heading: str, as plain text. Defaults to the title.
        embed: bool, whether the page contains its sound; else it lies in a folder beside it. Defaults to True.
        **scores: the result of `tfsep.report.score_sections.score_sections`, for a page with scores.

    Raises:
        OSError: if a file cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader

    folder = files("tfsep.report")
    environment = Environment(
        loader=FileSystemLoader(str(folder / "templates")), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["without_modules"] = _without_modules
    environment.filters["decibels"] = lambda value: "-" if math.isnan(value) else f"{value:.2f}"
    assets = {asset.name: asset.read_text(encoding="utf-8") for asset in (folder / "assets").iterdir()}
    sounds = path.with_name(f"{path.stem}-sound")
    try:
        spans = [
            {f"{number}-{place}": text for place, text in enumerate(song.spans())}
            if embed
            else _write_beside(sounds, number, song)
            for number, song in enumerate(songs)
        ]
        page = environment.get_template("page.html.j2").render(
            title=title,
            heading=heading or title,
            summary=summary,
            songs=[song.data() | {"beside": "" if embed else sounds.name} for song in songs],
            spans=spans,
            embed=embed,
            version=__version__,
            assets=assets,
            **scores,
        )
        write_text(path, page)
    except OSError as error:
        raise OSError(error.errno, f"cannot write ({error.strerror})", str(path)) from error


def _without_modules(script: str) -> str:
    """Return a module without its imports and exports: a page from disk has all of them in one."""
    return re.sub(r"^(?:import .*;\n|export )", "", script, flags=re.MULTILINE)


def _write_beside(folder: Path, number: int, song: Sound) -> dict[str, str]:
    """Write each span as a script, the one kind of file that a page from disk may read; return none to embed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for place, text in enumerate(song.spans()):
        name = f"{number}-{place}"
        write_text(folder / f"{name}.js", f'tfsepSounds["{name}"]="{text}"')
        written.add(f"{name}.js")
    for path in folder.glob(f"{number}-*.js"):
        if path.name not in written:  # of a longer song in an earlier page
            path.unlink()
    return {}
