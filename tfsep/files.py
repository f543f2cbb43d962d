"""Files and folders that appear complete or not at all, and names that are safe on every system."""

from __future__ import annotations

import errno
import functools
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_log = logging.getLogger("tfsep")

# Characters that Windows, macOS or Linux do not allow in a name, and the surrogates of names that are no UTF-8.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|COM[0-9¹²³]|LPT[0-9¹²³]) *(\.|$)", re.IGNORECASE)
_LONGEST = 230  # bytes; systems allow 255, and suffixes need some

_SCRATCH = ".tfsep-"
_LOCKED = ".tmp"


def cache_folder() -> Path:
    """Return the folder of what can be made again: `$TFSEP_CACHE`, else the user's, `~/.cache/tfsep` on Linux."""
    return Path(os.environ.get("TFSEP_CACHE") or platformdirs.user_cache_dir("tfsep", False)).expanduser()


def file_name(name: str) -> str:
    """Turn any name into one that a file or folder can have on every system, inside the folder it is written to.

    A name that is safe is returned unchanged. In others, characters are replaced by `_` and a hash of the name is
    appended, so that different names stay different.

    Args:
        name: str, such as the name of a song.

    Returns:
        str of at most 230 bytes, without path separators, leading dots, or trailing dots and spaces.

    Example:

    >>> file_name("Back in Black"), file_name("..")
    ('Back in Black', '__-5ec1f7e7')
    """
    safe = _safe_characters(name)
    if safe == name and len(name.encode()) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{_safe_characters(safe.encode()[: _LONGEST - 10].decode(errors='ignore'))}-{digest}"


def _safe_characters(name: str) -> str:
    safe = _FORBIDDEN.sub("_", name)
    safe = re.sub(r"^\.+|[. ]+$", lambda dots: "_" * len(dots[0]), safe) or "_"
    return f"_{safe}" if _DEVICES.match(safe) else safe


def is_file_name(name: str) -> bool:
    """Whether a file can have this name on every system."""
    return isinstance(name, str) and file_name(name) == name


def check_new(path: str | Path) -> None:
    """Raise FileExistsError if a path exists."""
    if Path(path).exists():
        raise FileExistsError(f"{path} exists. Remove it, or choose another name.")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends without an error.

    What was at `path` stays until then; after an error (or Ctrl-C) it is untouched and nothing else is left. The
    block may make a file or a folder of the temporary path, which keeps the name of `path`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with scratch(path.parent) as folder:
            temporary = folder / "new" / path.name
            temporary.parent.mkdir()
            yield temporary
            if path.is_dir():
                _replace_folder(temporary, path, folder / "old" / path.name)
            else:
                os.replace(temporary, path)
    except OSError as error:
        # A write that failed names no file, or the temporary one, which means nothing to the caller.
        if error.errno and (not error.filename or _SCRATCH in str(error.filename)):
            error.filename = str(path)
        raise


def _replace_folder(new: Path, path: Path, old: Path) -> None:
    # A folder cannot be replaced by a rename: move the old one aside first, and back if the new one fails.
    old.parent.mkdir()
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield a new hidden folder in `folder`, which is removed when the block ends.

    If the process is killed, the next one that writes into `folder` removes it: a living process holds a lock.
    """
    _remove_leftovers_once(str(folder.absolute()))
    made = Path(tempfile.mkdtemp(dir=folder, prefix=_SCRATCH))
    lock = None
    try:
        lock = _lock(made)
        if lock is not None:  # renamed after locking, so that no other process finds it unlocked
            made = made.rename(made.with_name(made.name + _LOCKED))
        yield made
    finally:
        try:
            shutil.rmtree(made, ignore_errors=True)
        except BaseException:  # Ctrl-C in the middle of it
            shutil.rmtree(made, ignore_errors=True)
            raise
        finally:
            if lock is not None:
                os.close(lock)


def is_scratch(path: Path) -> bool:
    """Whether a path is a temporary folder that `scratch` made."""
    return path.name.startswith(_SCRATCH)


def remove_leftovers(folder: str | Path) -> None:
    """Remove temporary folders of processes that were killed; those of living processes are locked and stay."""
    for leftover in Path(folder).glob(f"{_SCRATCH}*{_LOCKED}"):
        with suppress(OSError):
            lock = _lock(leftover)
            if lock is None:
                continue
            try:
                for old in (leftover / "old").glob("*"):  # killed in the middle of replacing a folder
                    if not (leftover.parent / old.name).exists():
                        os.replace(old, leftover.parent / old.name)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(lock)


@functools.lru_cache(maxsize=4096)
def _remove_leftovers_once(folder: str) -> None:
    remove_leftovers(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time into the block; a second one waits. Has no effect on file systems without locks."""
    try:
        lock = _lock(folder)
    except BlockingIOError:
        _log.warning("%s: another process writes into this folder; waiting for it.", folder)
        lock = _lock(folder, wait=True)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Path, wait: bool = False) -> int | None:
    """Return a descriptor that locks a folder until it is closed; None if the file system has no locks.

    Raises:
        BlockingIOError: if another process holds the lock, and `wait` is False.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError) and not isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def check_space(path: str | Path, size: int) -> None:
    """Raise OSError if the disk of `path` has less than `size` bytes left.

    For libraries that write by themselves and crash on a full disk, or do not report it.
    """
    place = next(parent for parent in (Path(path), *Path(path).absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < size:
        reason = f"No space left on device: {size / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        raise OSError(errno.ENOSPC, reason, str(path))


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one step; `?` replaces what UTF-8 cannot encode."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
