"""Python functions inside tf.data that do not keep the interpreter from ending.

A dataset prefetches in threads of its own. If one of them is about to call Python when the interpreter ends, it
waits for the interpreter and the interpreter waits for it: a script that leaves an iterator open would hang at its
last line. So calls are refused from then on, and the exit waits for those that are under way.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable

import tensorflow as tf

# Seconds without a call after which none is expected: more than the TensorFlow part of a batch takes.
_PAUSE = 0.2
_PATIENCE = 5.0

_lock = threading.Lock()
_started = 0
_running = 0
_closing = False


def numpy_function(function: Callable, inputs: list, dtype) -> tf.Tensor:
    """`tf.numpy_function` of a function without side effects, safe when the interpreter ends."""

    def call(*arguments):
        global _started, _running
        with _lock:
            _started += 1
            if _closing:
                raise StopIteration  # which tf.data takes for the end
            _running += 1
        try:
            return function(*arguments)
        finally:
            with _lock:
                _running -= 1

    return tf.numpy_function(call, inputs, dtype, stateful=False)


@atexit.register
def _close() -> None:
    global _closing
    _closing = True
    deadline, seen = time.monotonic() + _PATIENCE, 0
    while (_running or seen != _started) and time.monotonic() < deadline:
        seen = _started
        time.sleep(_PAUSE)
