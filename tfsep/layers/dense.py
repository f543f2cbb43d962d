"""A dense layer that is safe for waveforms in the layout of spectrograms."""

from __future__ import annotations

import keras
from keras import ops


class Dense(keras.layers.Dense):
    """`keras.layers.Dense` as one product of two matrices.

    TensorFlow's batched product by oneDNN writes beyond its memory for inputs `[batch, 1, length, channels]`, in 2.20
    and 2.21, and the process ends. The class has the name of Keras's because files of weights contain it.
    """

    def call(self, inputs, training=None):
        outputs = super().call(ops.reshape(inputs, (-1, inputs.shape[-1])))
        return ops.reshape(outputs, (*ops.shape(inputs)[:-1], self.units))
