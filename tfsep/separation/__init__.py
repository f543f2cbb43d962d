"""Separation of songs of any length, sample rate and channels."""

from tfsep.separation.engine import separate_blocks
from tfsep.separation.song import DEFAULT_MODEL, separate, stem_names
from tfsep.separation.song_files import separate_file

__all__ = ["DEFAULT_MODEL", "separate", "separate_blocks", "separate_file", "stem_names"]


def __dir__() -> list[str]:
    return __all__
