"""Disk space checks and their messages."""

from __future__ import annotations

import errno
import math
import shutil
from pathlib import Path

from tfsep.audio import AudioInfo

_ADVICE = "Remove songs, or start `tfsep web` again with TMPDIR set to a folder of another disk."
FULL = f"The disk is full. {_ADVICE}"

# Bytes of a sample while stems are written: of floats, from which most formats are encoded, and of the file.
_BYTES = {".wav": 4, ".flac": 4 + 3}
_LOSSY = 4 + 1


def check_room(folder: Path, size: float, what: str) -> None:
    """Raise RuntimeError if the disk of a folder has less than `size` bytes left for `what`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        needed = f"{math.ceil(size / 1e6)} MB are needed, and {free // 10**6} MB are free"
        raise RuntimeError(f"There is no room for {what}: {needed}. {_ADVICE}")


def stems_size(info: AudioInfo, stems: int, suffix: str) -> int:
    """Return the bytes that the stems of a song may need while they are written."""
    return stems * info.samples * info.channels * _BYTES.get(suffix, _LOSSY)


def is_full(error: Exception) -> bool:
    """Whether an error is that of a full disk, also as `tfsep.audio.Writer` raises it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
