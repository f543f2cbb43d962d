"""The comments in the files of stems, by which a later run knows that tfsep wrote them, and how they were made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tfsep.audio.writing import read_comment

STEM_FILE = "STEM file"

_END = ", separated by tfsep"
# The name of a stem is written as Python writes it, in either kind of quotes.
_PATTERN = re.compile(
    rf"(?P<what>Stem (?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")|{STEM_FILE})(?: of (?P<made_by>.*?))?"
    rf"(?: from song (?P<song>[0-9a-f]{{8}}))?{_END}"
)


class Mark(NamedTuple):
    """What the comment of a file of stems tells.

    Args:
        what: str, `STEM_FILE` or what `stem_mark` returns.
        made_by: str, the model and its options; may be empty. Defaults to an empty text.
        song: str, the checksum of the song, eight hexadecimal digits; empty in files of earlier versions. Defaults to
            an empty text.
    """

    what: str
    made_by: str = ""
    song: str = ""


def stem_mark(stem: str) -> str:
    """Return what the file of a stem is called in its comment."""
    return f"Stem {stem!r}"


def comment(mark: Mark) -> str:
    """Return the comment of a file of stems."""
    of = f" of {mark.made_by}" if mark.made_by else ""
    song = f" from song {mark.song}" if mark.song else ""
    return f"{mark.what}{of}{song}{_END}"


def read_mark(path: Path) -> Mark | None:
    """Return what the comment of a file tells; None for a file that tfsep did not write."""
    match = _PATTERN.fullmatch(read_comment(path))
    return match and Mark(**match.groupdict(default=""))


def facts(values: Mapping[str, float | None], defaults: Mapping[str, float | None]) -> list[str]:
    """Return options as comments tell them, of those that are not at their defaults."""
    return [f"{name}={value:.12g}" for name, value in values.items() if value != defaults[name]]
