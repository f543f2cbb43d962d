"""The page itself: a template with style sheet, scripts and data inside, and nothing that is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from tfsep import __version__
from tfsep.files import write_text

_PLAYER = ("engine.js", "player.js", "songs.js")
_CREDIT = "Waveforms by wavesurfer.js 8.0.1 (BSD-3-Clause, licence in this file)."


def check_output(path: Path, overwrite: bool) -> None:
    """Raises FileExistsError where a page would replace something, before the work of making it."""
    if path.is_dir():
        raise FileExistsError(f"{path} is a folder. Expected the name of a page to write.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another output, or overwrite it.")


def write_page(path: Path, title: str, summary: str, body: str, songs: Sequence[str]) -> None:
    """Writes a page in one step.

    Args:
        path: path of the HTML file.
        title, summary: plain text of the heading and of the line below it.
        body: HTML of the sections before the players.
        songs: HTML of each song with sound, see `tfsep.report.songs.song_html`.

    Raises:
        OSError: if the file cannot be written.
    """
    assets = files("tfsep.report") / "assets"
    texts = {asset.name: asset.read_text(encoding="utf-8") for asset in assets.iterdir() if asset.is_file()}
    page = Template(texts["page.html"]).substitute(
        title=escape(title),
        summary=escape(summary),
        body=body,
        songs="\n".join(songs),
        version=__version__,
        credit=_CREDIT if songs else "",
        style=texts["page.css"],
        library=f"/*\n{texts['wavesurfer.LICENSE.txt']}*/\n{texts['wavesurfer.min.js']}" if songs else "",
        script="\n".join(texts[name] for name in ((*_PLAYER, "tables.js") if songs else ("tables.js",))),
    )
    try:
        write_text(path, page)
    except OSError as error:
        raise OSError(error.errno, f"cannot write ({error.strerror})", str(path)) from error
