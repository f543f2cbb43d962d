"""Python functions inside tf.data that do not keep the interpreter from exiting.

A dataset prefetches in its own threads. If one of them calls Python while the interpreter exits, each waits for the
other, and a script that leaves an iterator open hangs at its last line. So calls are refused once the interpreter
exits, and the exit waits for running calls.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

# Seconds without a call after which none is expected: longer than TensorFlow needs for its part of a batch.
_PAUSE = 0.2
_PATIENCE = 5.0

_lock = threading.Lock()
_started = 0
_running = 0
_closing = False
_failure: Exception | None = None


def numpy_function(function: Callable, inputs: list, dtype) -> tf.Tensor:
    """Call `tf.numpy_function` with a function without side effects, safely while the interpreter exits."""

    def call(*arguments):
        global _started, _running, _failure
        with _lock:
            _started += 1
            if _closing:
                raise StopIteration  # for tf.data the end of the dataset
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
    """Raise the error of a Python function inside tf.data instead of TensorFlow's long report of it."""
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
