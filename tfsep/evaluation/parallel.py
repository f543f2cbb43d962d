"""A function called in parallel processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from logging.handlers import QueueHandler

from tfsep.user_modules import import_module, imported

_log = logging.getLogger("tfsep")

_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_ENVIRONMENT = {**dict.fromkeys(_ONE_THREAD, "1"), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def in_processes(function: Callable, arguments: Sequence, jobs: int) -> Iterator[tuple]:
    """Call a function in processes of one thread each, and yield results as they arrive.

    Processes are spawned, not forked, so that libraries read the numbers of threads before they count cores and no
    state of TensorFlow is copied. They are terminated when the iteration ends early, also by Ctrl-C. Their log records
    are logged here.

    Args:
        function: a function of one argument that can be pickled, sent once to each process.
        arguments: its arguments.
        jobs: int, number of processes.

    Yields:
        Pairs of an argument's index and its result.

    Raises:
        ValueError: if the function or an argument cannot be pickled.
        RuntimeError: if a process died.
    """
    _check_sendable(function, arguments)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (function, imported))
    workers = set()
    try:
        with _environment():  # while processes are started
            futures = {pool.submit(_call, argument): index for index, argument in enumerate(arguments)}
            workers = set(multiprocessing.active_children()) - before
        for future in as_completed(futures):
            result, records = future.result()
            for record in records:
                _log.handle(record)
            yield futures.pop(future), result
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A process that scored a track ended by itself: memory ran out (use fewer jobs), or the script does not "
            "call this under `if __name__ == '__main__':`."
        ) from error
    except BaseException:
        for worker in workers:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _check_sendable(function, arguments):
    try:
        for value in (function, *arguments):
            pickle.dumps(value)
    except Exception as error:  # its type depends on what cannot be pickled
        raise ValueError(
            f"Several jobs send the model and the tracks to other processes, which is impossible here ({error}). "
            "Give the model by path or name, or take jobs=1."
        ) from error


def _begin(function, modules: list[str]):
    global _function
    for name in modules:
        import_module(name)
    _function = function
    # Ctrl-C reaches the whole process group; the parent terminates the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(argument):
    """Return the result of the function and its log records."""
    records = queue.SimpleQueue()
    handler = QueueHandler(records)
    _log.addHandler(handler)
    try:
        result = _function(argument)
    finally:
        _log.removeHandler(handler)
    return result, [records.get() for _ in range(records.qsize())]


@contextmanager
def _environment() -> Iterator[None]:
    """Set the environment of new processes."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
