"""Models that are downloaded while the page waits."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable

from tfsep import presets

# Seconds between two looks at a download, and those that it has to remove its files.
_INTERVAL, _PATIENCE = 0.2, 3
_COMMAND = (sys.executable, "-m", "tfsep", "fetch")


def is_here(name: str) -> bool:
    """Whether a model needs no download."""
    return name not in presets.catalogue() or presets.is_model(presets.fetched_folder(name))


def megabytes(name: str) -> int:
    """Return the size of a published model."""
    return max(1, round(presets.catalogue()[name]["bytes"] / 1e6))


def download(name: str, poll: Callable[[], None]) -> None:
    """Download a published model in a process of its own, which can be ended at any moment.

    Args:
        name: str, a name of the catalogue.
        poll: function that is called every moment; an exception that it raises ends the download.

    Raises:
        RuntimeError: if the download fails.
    """
    poll()
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen([*_COMMAND, name], text=True, errors="replace", **pipes) as process:
        try:
            while process.returncode is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, said = process.communicate(timeout=_INTERVAL)
                poll()
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        lines = said.splitlines() or [f"{name} could not be downloaded."]
        raise RuntimeError(lines[-1].removeprefix("tfsep: "))


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
