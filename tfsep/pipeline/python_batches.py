"""Batches as `keras.utils.PyDataset`, without TensorFlow."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import keras
import numpy as np

from tfsep.pipeline.share import Share


def excerpts(
    load: Callable[[int], np.ndarray],
    assemble: Callable,
    shape: tuple[int, ...],
    part: int,
    steps_per_epoch: int,
    first_epoch: int,
    jit_compile: bool,
) -> Excerpts:
    """Return batches for training; see `tensorflow_batches.excerpts`. Keras divides them among devices."""
    compiled = jax.jit(assemble) if jit_compile else assemble
    return Excerpts(lambda number: _on_cpu(compiled, load(number), number), steps_per_epoch, first_epoch)


def windows(
    load: Callable[[int, int], np.ndarray],
    assemble: Callable,
    shape: tuple[int | None, ...],
    bounds: Sequence[tuple[int, int]],
) -> Batches:
    """Return batches for validation; see `tensorflow_batches.windows`."""
    return Batches(lambda number: _on_cpu(assemble, load(*bounds[number])), len(bounds))


def bounds(count: int, batch_size: int, share: Share) -> list[tuple[int, int]]:
    """Return first and end of each batch of windows, of which every device gets as many."""
    share.check(count)
    count -= count % share.total
    return [(first, min(first + batch_size, count)) for first in range(0, count, batch_size)]


def _on_cpu(function: Callable, *arguments) -> tuple:
    """Call a function on this thread's CPU, whatever device trains, and return NumPy arrays."""
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        return jax.tree.map(np.asarray, function(*arguments))


class Batches(keras.utils.PyDataset):
    """Batches by their number, made by threads a few ahead of their use.

    Keras's own threads start an epoch before its dataset knows that it has begun.

    Args:
        make: function from the number of a batch to the batch.
        count: int, number of batches.
    """

    first = 0  # number of the first batch of this epoch

    def __init__(self, make: Callable[[int], tuple], count: int):
        super().__init__()
        self._make = make
        self._count = count
        self._threads = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads)
        self._futures: dict[int, Future] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple:
        number, end = self.first + index, self.first + self._count
        ahead = range(number, min(number + 2 * self._threads, end))
        # Drop futures of skipped batches.
        self._futures = {at: self._futures.get(at) or self._pool.submit(self._make, at) for at in ahead}
        return self._futures.pop(number).result()


class Excerpts(Batches):
    """Batches of which every iteration, and every epoch of `Separator.fit`, yields the next ones."""

    def __init__(self, make: Callable[[int], tuple], count: int, first_epoch: int):
        super().__init__(make, count)
        self._firsts = itertools.count(first_epoch * count, count)
        self.first = first_epoch * count

    def next_epoch(self) -> None:
        """Go on to the first epoch, and then to the next one."""
        self.first = next(self._firsts)

    def __iter__(self):
        self.next_epoch()
        return super().__iter__()
