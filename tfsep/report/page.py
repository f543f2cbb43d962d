"""The page itself: templates filled with style sheet, scripts and data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from tfsep import __version__
from tfsep.files import write_text


def check_output(path: Path, overwrite: bool) -> None:
    """Raise FileExistsError if the page exists and must not be overwritten, or is a folder."""
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder. Expected the name of a page to write.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another output, or overwrite it.")


def write_page(path: Path, title: str, summary: str, songs: Sequence[dict], **scores) -> None:
    """Write a page atomically.

    Args:
        path: path of the HTML file.
        title: str, the heading, as plain text.
        summary: str, the line below it, as plain text.
        songs: a dict for each song with sound, see `tfsep.report.songs.song_data`.
        **scores: the result of `tfsep.report.score_sections.score_sections`, for a page with scores.

    Raises:
        OSError: if the file cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader

    folder = files("tfsep.report")
    environment = Environment(
        loader=FileSystemLoader(str(folder / "templates")), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["decibels"] = lambda value: "-" if math.isnan(value) else f"{value:.2f}"
    assets = {asset.name: asset.read_text(encoding="utf-8") for asset in (folder / "assets").iterdir()}
    page = environment.get_template("page.html.j2").render(
        title=title, summary=summary, songs=songs, version=__version__, assets=assets, **scores
    )
    try:
        write_text(path, page)
    except OSError as error:
        raise OSError(error.errno, f"cannot write ({error.strerror})", str(path)) from error
