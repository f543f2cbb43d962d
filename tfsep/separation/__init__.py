"""Separation of songs of any length, sample rate and channels."""

from tfsep.separation.engine import separate_blocks
from tfsep.separation.outputs import Outputs
from tfsep.separation.separation import DEFAULT_MODEL, Separation, separate, separate_file
from tfsep.separation.songs import find_songs
from tfsep.separation.stream import Stream

__all__ = [
    "DEFAULT_MODEL",
    "Outputs",
    "Separation",
    "Stream",
    "find_songs",
    "separate",
    "separate_blocks",
    "separate_file",
]


def __dir__() -> list[str]:
    return __all__
