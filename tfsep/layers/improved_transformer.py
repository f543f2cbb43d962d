"""A transformer layer with an LSTM instead of its first dense layer."""

from __future__ import annotations

import keras
from keras import layers, ops

from tfsep.layers.bidirectional import Bidirectional


@keras.saving.register_keras_serializable(package="tfsep")
class ImprovedTransformer(keras.layers.Layer):
    """Self-attention, then a bidirectional LSTM with a dense layer, each with a residual connection and normalisation.

    Positions are not encoded: the LSTM knows the order in time. `[batch, n, channels]` keeps its shape.

    Args:
        units: int, units of the LSTM in each direction.
        heads: int, heads of attention, which divide the number of channels. Defaults to 4.
        recurrent_layers: int, number of LSTMs. Defaults to 1.
        dropout: float, fraction of dropped attention weights and of dropped outputs of the attention, the LSTM and the
            dense layer. Defaults to 0.2.

    Raises:
        ValueError: on the first call, if `heads` does not divide the number of channels.

    Example:

    >>> layer = tfsep.layers.ImprovedTransformer(6, heads=2)
    >>> layer(np.zeros((1, 10, 4), "float32")).shape
    TensorShape([1, 10, 4])

    Reference:

    - [Chen et al., 2020, Dual-path transformer network](https://arxiv.org/abs/2007.13975)
    """

    def __init__(self, units: int, heads: int = 4, recurrent_layers: int = 1, dropout: float = 0.2, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.heads = heads
        self.recurrent_layers = recurrent_layers
        self.dropout = dropout

    def build(self, input_shape):
        channels, dtype = input_shape[-1], self.dtype_policy
        if channels % self.heads:
            raise ValueError(f"heads must divide the {channels} channels. Received: heads={self.heads}.")
        self.attention = layers.MultiHeadAttention(
            self.heads, channels // self.heads, dropout=self.dropout, dtype=dtype, name="attention"
        )
        self.attention.build(input_shape, input_shape)
        self.lstms = []
        shape = input_shape
        for index in range(self.recurrent_layers):
            self.lstms.append(Bidirectional("LSTM", self.units, dtype=dtype, name=f"lstm_{index + 1}"))
            self.lstms[-1].build(shape)
            shape = (*input_shape[:2], 2 * self.units)
        self.dense = layers.Dense(channels, dtype=dtype, name="dense")
        self.dense.build(shape)
        self.norms = [layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=f"norm_{n}") for n in (1, 2)]
        for norm in self.norms:
            norm.build(input_shape)
        self.drop = layers.Dropout(self.dropout, dtype=dtype, name="drop")

    def call(self, inputs, training: bool = False):
        attended = self.attention(inputs, inputs, training=training)
        inputs = self.norms[0](inputs + self.drop(attended, training=training))
        outputs = inputs
        for lstm in self.lstms:
            outputs = lstm(outputs, training=training)
        outputs = self.dense(self.drop(ops.relu(outputs), training=training))
        return self.norms[1](inputs + self.drop(outputs, training=training))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        names = ("units", "heads", "recurrent_layers", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
