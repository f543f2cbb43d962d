"""Recurrent layers that run both ways."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfsep")
class Bidirectional(keras.layers.Layer):
    """A recurrent layer over sequences, both ways: `[batch, frames, features]` -> `[batch, frames, 2 * units]`.

    Keras's own layer makes copies of the one that it is given, which it finds, during a load, by the number of the
    object in memory. Now and then that was the number of another one, whose layer it then takes.

    Args:
        cell: `"SimpleRNN"`, `"GRU"` or `"LSTM"`: the recurrent layer's class in Keras.
        units: int, of each direction.
        options: dict of further arguments of the recurrent layer, or None.
    """

    def __init__(self, cell: str, units: int, options: dict | None = None, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.options = dict(options or {})
        make = getattr(keras.layers, cell)
        common = {**self.options, "return_sequences": True, "dtype": self.dtype_policy}
        # Optimisers name their state after these: names that Keras counts up would differ after a load.
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
