"""Limits of the facts in stored models, which decide how much memory a song takes."""

from __future__ import annotations

from collections.abc import Mapping

from tfsep.checks import check_choice, check_integer, check_number
from tfsep.files import is_file_name

# File of a SavedModel with facts about it.
FACTS = "assets.extra/tfsep.json"

# Attributes of a model that say how songs are cut into segments and joined.
SONG_RULES = ("overlap", "batch_size", "fade", "edges", "normalize_song", "lead", "longest_segment")

_LONGEST = 2**26  # samples: 25 minutes at 44.1 kHz
_RANGES = {
    "sample_rate": (1, 768_000),
    "channels": (1, 32),
    "segment": (1, _LONGEST),
    "context": (0, _LONGEST),
    "batch_size": (1, 1024),
    "lead": (0, _LONGEST),
    "longest_segment": (0, _LONGEST),
}
_CHOICES = {
    "fade": ("overlap", "triangle", "tenth", "frames"),
    "edges": ("zeros", "centred", "reflect"),
    "normalize_song": (False, True),
}


def check_facts(facts: Mapping) -> None:
    """Raise ValueError if sources, lengths or rules of a model are of another type or out of range."""
    sources = facts["sources"]
    if (
        not isinstance(sources, (list, tuple))
        or not 1 <= len(set(map(repr, sources))) == len(sources) <= 64
        or not all(map(is_file_name, sources))
    ):
        raise ValueError(f"sources must be 1 to 64 different names that files can have. Received: {sources!r:.200}")
    for name, (least, most) in _RANGES.items():
        check_integer(name, facts[name], least, most)
    check_number("overlap", facts["overlap"], least=0, below=1)
    for name, choices in _CHOICES.items():
        check_choice(name, facts[name], choices)
