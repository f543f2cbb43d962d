"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_file_name(name: str) -> bool:
    """Whether a file of that name lies in the folder that it is written to."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place when the block ends without an error.

    What was at `path` stays until then; after an error (or Ctrl-C) it is untouched and nothing else is left. The
    block may make a file or a folder of the temporary path, which keeps the suffix of `path`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        error.filename = str(path)  # rather than the temporary name, which means nothing to the caller
        raise
    try:
        temporary = scratch / path.name
        yield temporary
        if path.is_dir():
            _replace_folder(temporary, path, scratch / "old")
        else:
            os.replace(temporary, path)
    except OSError as error:
        if error.errno and not error.filename:  # a write that failed names no file
            error.filename = str(path)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace_folder(new: Path, path: Path, old: Path) -> None:
    # A folder cannot be replaced by a rename: the old one steps aside first, and back if the new one fails.
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise


def check_space(path: str | Path, size: int) -> None:
    """Raises OSError if the disk of `path` has less than `size` bytes left.

    For libraries that write by themselves and do not survive a full disk, or do not say what happened.
    """
    place = next(parent for parent in (Path(path), *Path(path).absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < size:
        reason = f"No space left on device: {size / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        raise OSError(errno.ENOSPC, reason, str(path))


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
