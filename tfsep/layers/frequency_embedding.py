"""A trained offset per frequency."""

from __future__ import annotations

import keras

# Weight of the embedding, times the factor by which its learning is faster.
_SCALE = 0.2 * 10


class FrequencyEmbedding(keras.layers.Layer):
    """Adds a table of frequencies and channels to `[batch, frequencies, time, channels]`.

    Reference:
        [Isik et al., "PoCoNet", 2020](https://arxiv.org/abs/2008.04470).
    """

    def build(self, shape):
        initializer = keras.initializers.RandomNormal(stddev=0.1)
        self.weight = self.add_weight(name="weight", shape=(shape[1], shape[3]), initializer=initializer)

    def call(self, inputs):
        return inputs + _SCALE * self.weight[:, None]
