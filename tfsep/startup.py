"""A quiet start of TensorFlow, without the notes that it writes to standard error at its first import."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Notes of level I (information), and the line that announces them.
_NOTE = re.compile(rb"I\d{4} |WARNING: All log messages before absl::|To enable the following instructions:")


def quiet_tensorflow() -> None:
    """Silence TensorFlow, unless it is loaded already or the user has set another level of logging."""
    # Level 3 hides errors as well: TensorFlow raises those that matter, and logs one on a machine without a GPU.
    if "tensorflow" not in sys.modules and os.environ.setdefault(_LEVEL, "3") == "3":
        sys.meta_path.insert(0, _QuietFinder())


class _QuietFinder:
    """A finder for the first import of TensorFlow, at which it logs regardless of the level."""

    def find_spec(self, name: str, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module) -> None:
                with _notes_dropped():
                    execute(module)

            spec.loader.exec_module = exec_module
        return spec


@contextmanager
def _notes_dropped() -> Iterator[None]:
    """Collect what C++ writes to standard error, and pass on all but notes."""
    try:
        stderr = os.dup(2)
    except OSError:  # closed
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written:
                if not _NOTE.match(line):
                    os.write(2, line)
