"""Random numbers of augmentations, which depend on a seed of two integers alone.

The same seed gives the same numbers on every device and with or without XLA. So the algorithm is fixed, and floats are
made from integers. TensorFlow uses Philox and JAX Threefry: their numbers differ.
"""

from __future__ import annotations

import keras
from keras import ops

_STEPS = 2**24


def uniform(shape: list, seed, low: float = 0.0, high: float = 1.0):
    """Return floats from `low` to `high`."""
    return low + (high - low) * ops.cast(integers(shape, seed, 0, _STEPS), "float32") / _STEPS


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def integers(shape: list, seed, low: int, high):
        """Return integers from `low` on, below `high`."""
        return tf.random.stateless_uniform(shape, seed, low, high, tf.int32, alg="philox")

    def split(seed) -> list:
        """Return two seeds made from one."""
        return tf.unstack(tf.random.split(seed, 2, alg="philox"))

    def fold_in(seed, number):
        """Return the seed with that number of those made from one."""
        return tf.random.fold_in(tf.convert_to_tensor(seed, tf.int32), tf.cast(number, tf.int32), alg="philox")

else:
    import jax

    def integers(shape: list, seed, low: int, high):
        """Return integers from `low` on, below `high`."""
        return jax.random.randint(_key(seed), shape, low, high, "int32")

    def split(seed) -> list:
        """Return two seeds made from one."""
        return list(jax.random.key_data(jax.random.split(_key(seed))))

    def fold_in(seed, number):
        """Return the seed with that number of those made from one."""
        return jax.random.key_data(jax.random.fold_in(_key(seed), number))

    def _key(seed):
        return jax.random.wrap_key_data(jax.numpy.asarray(seed, "uint32"), impl="threefry2x32")
