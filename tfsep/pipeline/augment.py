"""Augmentations of a batch of stems, as TensorFlow ops of the tf.data graph.

Each is called with stems, float32 `[batch, sources, samples, channels]` whose last source is the residual, and a
seed, int32 `[2]`, and returns stems of the same shape. The mixture is made from the result, so that it is always
the sum of what the model is to find.
"""

from __future__ import annotations

import tensorflow as tf


class Remix:
    """Takes each source from another example of the batch, which makes songs that nobody recorded.

    The others of a batch of one are itself, so it stays as it is.

    Args:
        probability: float, share of the examples that are remixed; the others stay real songs. Defaults to 0.7.

    Reference:
        Uhlich et al., "Improving music source separation based on deep neural networks through data augmentation
        and network blending", ICASSP 2017.
    """

    def __init__(self, probability: float = 0.7):
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be in [0, 1]. Received: probability={probability}.")
        self.probability = probability

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        batch, sources = tf.shape(stems)[0], stems.shape[1]
        # A roll along the batch by another distance for each source: no source stays where it was.
        shift_seed, chance_seed = tf.unstack(tf.random.split(seed, 2))
        shifts = tf.random.stateless_uniform(
            [sources], shift_seed, minval=1, maxval=tf.maximum(batch, 2), dtype=tf.int32
        )
        rows = (tf.range(batch)[:, tf.newaxis] + shifts) % batch
        columns = tf.broadcast_to(tf.range(sources), tf.shape(rows))
        rolled = tf.gather_nd(stems, tf.stack([rows, columns], axis=-1))
        chance = tf.random.stateless_uniform([batch, 1, 1, 1], chance_seed)
        return tf.where(chance < self.probability, rolled, stems)


class Gain:
    """Scales each source of each example by a random gain.

    Args:
        low: float, smallest gain (linear). Defaults to 0.5.
        high: float, largest gain. Defaults to 1.2.
    """

    def __init__(self, low: float = 0.5, high: float = 1.2):
        if not 0 <= low <= high:
            raise ValueError(f"Gains need 0 <= low <= high. Received: low={low}, high={high}.")
        self.low = low
        self.high = high

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = [tf.shape(stems)[0], stems.shape[1], 1, 1]
        return stems * tf.random.stateless_uniform(shape, seed, self.low, self.high)


AUGMENTATIONS = {"remix": Remix, "gain": Gain}
