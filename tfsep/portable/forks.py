"""A process that is forked after TensorFlow has run would hang at its first operation: an error instead."""

from __future__ import annotations

import os
import sys

_forked = False


def check_fork() -> None:
    """Raise RuntimeError in a process that was forked from one in which TensorFlow had run."""
    if _forked:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had run, whose threads are missing here: it would "
            "hang. Start processes by spawn: multiprocessing.get_context('spawn')."
        )


def _after_fork() -> None:
    global _forked
    # TensorFlow's threads start with its eager context.
    module = sys.modules.get("tensorflow.python.eager.context")
    _forked = getattr(getattr(module, "_context", None), "_context_handle", None) is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
