"""Reading and writing while the model computes; the model itself stays in the thread of the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Block = TypeVar("_Block")


def read_ahead(blocks: Iterable[_Block]) -> Iterator[_Block]:
    """Yield blocks, the next of which is read meanwhile by a thread."""
    blocks, end = iter(blocks), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, blocks, end)
        while (block := coming.result()) is not end:
            coming = thread.submit(next, blocks, end)
            yield block


def write_behind(blocks: Iterable[_Block], write: Callable[[_Block], None]) -> None:
    """Write blocks in a thread, each while the next one is made; an error ends it at the following block."""
    with ThreadPoolExecutor(1) as thread:
        written = thread.submit(int)  # nothing yet
        for block in blocks:
            written.result()
            written = thread.submit(write, block)
        written.result()
