"""Reading, computing and writing at the same time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Argument = TypeVar("_Argument")
_Block = TypeVar("_Block")


def read_ahead(blocks: Iterable[_Block]) -> Iterator[_Block]:
    """Yield blocks, the next of which is read meanwhile by a thread."""
    blocks, end = iter(blocks), object()
    for block in call_ahead(lambda _: next(blocks, end), itertools.count()):
        if block is end:
            return
        yield block


def call_ahead(function: Callable[[_Argument], _Block], arguments: Iterable[_Argument]) -> Iterator[_Block]:
    """Yield the results of calls, the next of which is made meanwhile by a thread.

    The arguments are made in the thread of the caller, up to two calls before their results are needed.
    """
    thread, coming = ThreadPoolExecutor(1), None
    try:
        for argument in arguments:
            done, coming = coming, thread.submit(function, argument)
            if done is not None:
                yield done.result()
        if coming is not None:
            yield coming.result()
    finally:
        # Do not join: a generator that a failure left behind may be collected in this very thread, or while another
        # thread starts, which would wait for each other.
        thread.shutdown(wait=False, cancel_futures=True)


def write_behind(blocks: Iterable[_Block], write: Callable[[_Block], None]) -> None:
    """Write blocks in a thread, each while the next one is made; an error ends it at the following block."""
    with ThreadPoolExecutor(1) as thread:
        written = thread.submit(int)  # nothing yet
        for block in blocks:
            written.result()
            written = thread.submit(write, block)
        written.result()
