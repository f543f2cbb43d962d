"""Python functions inside tf.data that do not keep the interpreter from ending.

A dataset prefetches in threads of its own. If one of them is about to call Python when the interpreter ends, it
waits for the interpreter and the interpreter waits for it: a script that leaves an iterator open would hang at its
last line. So calls are refused from then on, and the exit waits for those that are under way.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

# Seconds without a call after which none is expected: more than the TensorFlow part of a batch takes.
_PAUSE = 0.2
_PATIENCE = 5.0

_lock = threading.Lock()
_started = 0
_running = 0
_closing = False
_failure: Exception | None = None


def numpy_function(function: Callable, inputs: list, dtype) -> tf.Tensor:
    """`tf.numpy_function` of a function without side effects, safe when the interpreter ends."""

    def call(*arguments):
        global _started, _running, _failure
        with _lock:
            _started += 1
            if _closing:
                raise StopIteration  # which tf.data takes for the end
            _running += 1
        try:
            return function(*arguments)
        except Exception as error:
            _failure = error
            raise
        finally:
            with _lock:
                _running -= 1

    return tf.numpy_function(call, inputs, dtype, stateful=False)


@contextlib.contextmanager
def original_errors() -> Iterator[None]:
    """Raises what a Python function inside tf.data has raised, in the place of TensorFlow's pages about it."""
    global _failure
    _failure = None
    try:
        yield
    except tf.errors.OpError:
        if _failure is None:
            raise
        raise _failure from None


@atexit.register
def _close() -> None:
    global _closing
    _closing = True
    deadline, seen = time.monotonic() + _PATIENCE, 0
    while (_running or seen != _started) and time.monotonic() < deadline:
        seen = _started
        time.sleep(_PAUSE)
