"""Audio files to arrays and back: read, write, stream and resample.

Audio is float32 in [-1, 1], shape `[samples, channels]`. Levels are never changed.
"""

from tfsep.audio.formats import AudioError, AudioInfo
from tfsep.audio.reading import blocks, info, read, read_streams
from tfsep.audio.resampling import resample, resample_blocks
from tfsep.audio.writing import Writer, check_format, write

__all__ = [
    "AudioError",
    "AudioInfo",
    "Writer",
    "blocks",
    "check_format",
    "info",
    "read",
    "read_streams",
    "resample",
    "resample_blocks",
    "write",
]


def __dir__() -> list[str]:
    return __all__
