"""Audio files to arrays and back: read, write, stream and resample.

Audio is float32 in [-1, 1], shape `[samples, channels]`. Levels are never changed.
"""

from tfsep.audio.formats import AudioError, AudioInfo
from tfsep.audio.reading import blocks, info, read, read_streams
from tfsep.audio.resampling import resample, resample_blocks
from tfsep.audio.stem_files import StemFileWriter, write_stems
from tfsep.audio.tags import Tags, read_tags
from tfsep.audio.writing import Writer, check_format, write

__all__ = [
    "AudioError",
    "AudioInfo",
    "StemFileWriter",
    "Tags",
    "Writer",
    "blocks",
    "check_format",
    "info",
    "read",
    "read_streams",
    "read_tags",
    "resample",
    "resample_blocks",
    "write",
    "write_stems",
]


def __dir__() -> list[str]:
    return __all__
