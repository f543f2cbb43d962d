"""Tracks in parallel processes."""

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
    """Calls a function in processes of one thread each, and yields results as they come.

    The processes are new ones ("spawn"), so that the numbers of threads are read before any library counts cores,
    and so that nothing of TensorFlow in this process is copied. When the iteration ends early, by Ctrl-C as well,
    they are ended. What they log is logged here.

    Args:
        function: a function of one argument that can be pickled. A process gets it once.
        arguments: its arguments.
        jobs: int, number of processes.

    Yields:
        Pairs of an argument's index and its result.

    Raises:
        ValueError: if the function or an argument cannot be pickled.
        RuntimeError: if a process ended by itself.
    """
    _check_sendable(function, arguments)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (function,))
    workers = set()
    try:
        with _environment():  # as long as processes are started
            futures = {pool.submit(_call, argument): index for index, argument in enumerate(arguments)}
            workers = set(multiprocessing.active_children()) - before
        for future in as_completed(futures):
            result, records = future.result()
            for record in records:
                _log.handle(record)
            yield futures.pop(future), result
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A process that scored a track ended by itself: for want of memory (try fewer jobs), or because the "
            "script that asks for jobs does not do so under `if __name__ == '__main__':`."
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
    except Exception as error:  # which kind depends on what cannot be pickled
        raise ValueError(
            f"Several jobs send the model and the tracks to other processes, which these do not allow ({error}). "
            "Give the model by path or name, or take jobs=1."
        ) from error


def _begin(function):
    global _function
    _function = function
    # Ctrl-C reaches the whole group of processes; the one that started these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(argument):
    """(result, what was logged) of the function in a process."""
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
    """What new processes find in their environment."""
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
