"""Batches as `tf.data`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfsep.datasets.store import DTYPE
from tfsep.pipeline.python_calls import numpy_function
from tfsep.pipeline.share import Share


def excerpts(
    load: Callable[[int], np.ndarray],
    assemble: Callable,
    shape: tuple[int, ...],
    part: int,
    steps_per_epoch: int,
    first_epoch: int,
    jit_compile: bool,
) -> tf.data.Dataset:
    """Return batches for training, each in parts for the replicas; every iteration yields the next epoch.

    Args:
        load: function from the number of a batch to its stems.
        assemble: function from stems and the number of the batch to `(mixture, sources)`.
        shape: shape of the stems, int16 `[batch, sources + residual, samples, channels]`.
        part: int, examples of a replica.
        steps_per_epoch, first_epoch: int.
        jit_compile: bool, compile `assemble` with XLA.
    """
    epochs = itertools.count(first_epoch)

    def batch_numbers(_) -> tf.data.Dataset:
        epoch = tf.ensure_shape(tf.numpy_function(lambda: np.int64(next(epochs)), [], tf.int64), [])
        return tf.data.Dataset.range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)

    # XLA combines the augmentations into one pass over memory.
    assemble = tf.function(assemble, jit_compile=jit_compile)
    # Dataset.from_generator would call Python once more when it is finalised, at which the interpreter can hang.
    numbers = tf.data.Dataset.from_tensors(0).flat_map(batch_numbers)
    dataset = numbers.map(
        lambda number: assemble(tf.ensure_shape(numpy_function(load, [number], DTYPE), shape), number),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if part < shape[0]:
        dataset = dataset.rebatch(part, drop_remainder=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps_per_epoch * shape[0] // part))
    return dataset.prefetch(tf.data.AUTOTUNE)


def windows(
    load: Callable[[int, int], np.ndarray],
    assemble: Callable,
    shape: tuple[int | None, ...],
    bounds: Sequence[tuple[int, int]],
) -> tf.data.Dataset:
    """Return batches for validation.

    Args:
        load: function from the numbers of a batch's first window and of the one after its last to its stems.
        assemble: function from stems to `(mixture, sources)`.
        shape: shape of the stems.
        bounds: what `load` receives for each batch.
    """

    def read(numbers: tf.Tensor) -> tuple:
        return assemble(tf.ensure_shape(numpy_function(lambda pair: load(*pair), [numbers], DTYPE), shape))

    return tf.data.Dataset.from_tensor_slices(np.array(bounds)).map(read, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def bounds(count: int, batch_size: int, share: Share) -> list[tuple[int, int]]:
    """Return first and end of each batch of windows; no replica gets an empty one, of which losses have no mean."""
    share.check(count)
    if share.total == 1:
        return [(first, min(first + batch_size, count)) for first in range(0, count, batch_size)]
    steps = min(-(-count // batch_size), count // share.total)
    edges = [count * place // (steps * share.total) for place in range(steps * share.total + 1)]
    parts = list(itertools.pairwise(edges))
    return [part for step in range(steps) for part in parts[step * share.total + share.first :][: share.count]]
