"""A trained offset for each frequency."""

from __future__ import annotations

import keras

# Weight of the embedding times the factor that speeds up its learning.
_SCALE = 0.2 * 10


class FrequencyEmbedding(keras.layers.Layer):
    """Add a trained table `[frequencies, channels]` to `[batch, frequencies, time, channels]`.

    Example:

    >>> layer = tfsep.layers.FrequencyEmbedding()
    >>> layer(np.zeros((1, 8, 20, 4), "float32")).shape
    TensorShape([1, 8, 20, 4])

    Reference:

    - [Isik et al., 2020, PoCoNet: better speech enhancement with frequency-positional embeddings, semi-supervised
      conversational data, and biased loss](https://arxiv.org/abs/2008.04470)
    """

    def build(self, shape):
        initializer = keras.initializers.RandomNormal(stddev=0.1)
        self.weight = self.add_weight(name="weight", shape=(shape[1], shape[3]), initializer=initializer)

    def call(self, inputs):
        return inputs + _SCALE * self.weight[:, None]
