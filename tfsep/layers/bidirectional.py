"""Bidirectional recurrent layers."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfsep")
class Bidirectional(keras.layers.Layer):
    """Bidirectional recurrent layer: `[batch, frames, features]` becomes `[batch, frames, 2 * units]`.

    Args:
        cell: str, the recurrent layer in Keras: `"SimpleRNN"`, `"GRU"` or `"LSTM"`.
        units: int, units of each direction.
        options: dict, further arguments of the recurrent layer. Defaults to None.

    Example:

    >>> layer = tfsep.layers.Bidirectional("GRU", 4)
    >>> layer(np.zeros((2, 10, 3), "float32")).shape
    TensorShape([2, 10, 8])
    """

    # Keras's own layer copies the layer that it is given. In loading, it looks that up by its id in memory, which a
    # deleted layer may have had before, and then takes the wrong one.

    def __init__(self, cell: str, units: int, options: dict | None = None, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.options = dict(options or {})
        make = getattr(keras.layers, cell)
        common = {**self.options, "return_sequences": True, "dtype": self.dtype_policy}
        # Fixed names: optimizers name their state after them, and those that Keras counts up differ after a load.
        self.forward_layer = make(units, name="forward", **common)
        self.backward_layer = make(units, name="backward", go_backwards=True, **common)

    def build(self, input_shape):
        self.forward_layer.build(input_shape)
        self.backward_layer.build(input_shape)

    def call(self, inputs, training: bool = False):
        backward = ops.flip(self.backward_layer(inputs, training=training), axis=1)
        return ops.concatenate([self.forward_layer(inputs, training=training), backward], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * self.units)

    def get_config(self) -> dict:
        return {**super().get_config(), "cell": self.cell, "units": self.units, "options": self.options}
