"""The comments in the files of stems, by which a later run knows that tfsep wrote them, and how they were made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tfsep.audio.writing import read_comment

STEM_FILE = "STEM file"

_END = ", separated by tfsep"
# The name of a stem is written as Python writes it, in either kind of quotes.
_PATTERN = re.compile(
    rf"(?P<what>Stem (?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")|{STEM_FILE})(?: of (?P<made_by>.*))?{_END}"
)


def stem_mark(stem: str) -> str:
    """Return what the file of a stem is called in its comment."""
    return f"Stem {stem!r}"


def comment(what: str, made_by: str) -> str:
    """Return the comment of a file of stems.

    Args:
        what: str, `STEM_FILE` or what `stem_mark` returns.
        made_by: str, the model and its options; may be empty.
    """
    return f"{what} of {made_by}{_END}" if made_by else f"{what}{_END}"


def read_mark(path: Path) -> tuple[str, str] | None:
    """Return what a file is called in its comment and what made it; None for a file that tfsep did not write."""
    match = _PATTERN.fullmatch(read_comment(path))
    return match and (match["what"], match["made_by"] or "")


def facts(values: Mapping[str, float | None], defaults: Mapping[str, float | None]) -> list[str]:
    """Return options as comments tell them, of those that are not at their defaults."""
    return [f"{name}={value:.12g}" for name, value in values.items() if value != defaults[name]]
