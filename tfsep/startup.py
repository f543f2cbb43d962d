"""A quiet and quick start of TensorFlow: without the notes that it writes to standard error at its first import, and
without packages that it imports and no command needs."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tfsep.checks import check_choice, check_integer

DEVICES = ("auto", "cpu", "gpu")
# What `use_device` was given.
_device, _threads = "auto", None
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Notes of level I (information) of TensorFlow and LiteRT, and the line that announces them.
_NOTE = re.compile(
    rb"I\d{4} |INFO: Created TensorFlow Lite|WARNING: All log messages before absl::"
    rb"|To enable the following instructions:"
)


# What Keras imports where it is installed, for scikit-learn's interface, data frames and pictures.
_NEEDLESS = {"IPython", "matplotlib", "pandas", "sklearn"}


def quiet_tensorflow() -> None:
    """Silence TensorFlow, unless it is loaded already or the user has set another level of logging."""
    # Level 3 hides errors as well: TensorFlow raises those that matter, and logs one on a machine without a GPU.
    if "tensorflow" not in sys.modules and os.environ.setdefault(_LEVEL, "3") == "3":
        sys.meta_path.insert(0, _FirstImport("tensorflow", notes_dropped))


def quick_tensorflow() -> None:
    """Let TensorFlow and Keras be imported without packages that take a third of the time.

    These can be imported afterwards, but Keras does not know them: this is for a process of our own.
    """
    for name in {"keras", "tensorflow"} - set(sys.modules):
        sys.meta_path.insert(0, _FirstImport(name, _needless_refused))


def use_device(device: str = "auto", threads: int | None = None, tensorflow: bool = True) -> None:
    """Choose where models compute, before they have computed anything.

    Args:
        device: str, `"cpu"`, `"gpu"`, or `"auto"` for a GPU if there is one. Defaults to `"auto"`.
        threads: int, threads of one operation. Defaults to None, the number of cores.
        tensorflow: bool, whether TensorFlow is used. Defaults to True.

    Raises:
        ValueError: for another device, no GPU where one is asked for, or less than one thread; for `"gpu"` without
            TensorFlow.
    """
    check_choice("device", device, DEVICES)
    check_integer("threads", threads, optional=True)
    global _device, _threads
    _device, _threads = device, threads
    if not tensorflow and device == "gpu":
        raise ValueError("For ONNX and LiteRT files, the runtime itself decides on a GPU: give device=auto.")
    if not tensorflow or (device == "auto" and threads is None):
        return
    import tensorflow as tf

    if device == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise ValueError("TensorFlow finds no GPU here (see `tfsep doctor`). Give device=auto or cpu.")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def chosen() -> tuple[str, int | None]:
    """Return device and threads as `use_device` was given them."""
    return _device, _threads


def chosen_device() -> str:
    """Return the device that `use_device` was given."""
    return _device


def chosen_threads() -> int:
    """Return the threads of one operation: those of `use_device`, of `$OMP_NUM_THREADS`, or the number of cores."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return _threads or (int(given) if given.isdigit() else 0) or os.cpu_count() or 1


class _FirstImport:
    """A finder of one module, which lets it be imported in a context."""

    def __init__(self, name: str, context: Callable[[], AbstractContextManager]):
        self.name = name
        self.context = context

    def find_spec(self, name: str, path=None, target=None):
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module) -> None:
                with self.context():
                    execute(module)

            spec.loader.exec_module = exec_module
        return spec


class _NeedlessFinder:
    """A finder that refuses packages in the thread that made it."""

    def __init__(self):
        self.thread = threading.get_ident()

    def find_spec(self, name: str, path=None, target=None):
        if name in _NEEDLESS and threading.get_ident() == self.thread:
            raise ModuleNotFoundError(f"{name} is left out of TensorFlow's import.", name=name)


@contextmanager
def _needless_refused() -> Iterator[None]:
    finder = _NeedlessFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def notes_dropped() -> Iterator[None]:
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
