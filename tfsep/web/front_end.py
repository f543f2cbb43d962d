"""The files of the page, which are the same for any engine that separates."""

from __future__ import annotations

from importlib.resources import files

from tfsep import __version__

# Of the report, whose player this page has as well.
_SHARED = (
    "page.css",
    "sounds.js",
    "playback.js",
    "player.js",
    "keys.js",
    "wavesurfer.min.js",
    "wavesurfer.LICENSE.txt",
)


def page_files() -> dict[str, bytes]:
    """Return the files of the page by their names, `index.html` among them, to be served from one folder.

    `engine.js`, which describes itself at its head, asks the server of `tfsep web`. A page with another file of that
    name separates by other means.

    Example:

    >>> files = tfsep.web.page_files()
    >>> b"<title>tfsep</title>" in files["index.html"]
    True
    """
    from jinja2 import Environment, FileSystemLoader

    own, shared = files("tfsep.web"), files("tfsep.report")
    loader = FileSystemLoader([str(own / "templates"), str(shared / "templates")])
    page = Environment(loader=loader, autoescape=True).get_template("index.html.j2").render(version=__version__)
    assets = [*(own / "assets").iterdir(), *(shared / "assets" / name for name in _SHARED)]
    return {"index.html": page.encode()} | {asset.name: asset.read_bytes() for asset in assets}
