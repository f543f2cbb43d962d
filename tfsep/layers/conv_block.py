"""Convolution, group normalisation, ReLU and a gate."""

from __future__ import annotations

import keras
from keras import layers, ops

# Of one group of the normalisation.
_GROUP = 8


@keras.saving.register_keras_serializable(package="tfsep")
class ConvBlock1D(keras.layers.Layer):
    """Valid convolution, group normalisation over time and groups of 8 filters, ReLU, and a gated linear unit.

    The gate is a convolution of one sample to twice the filters, of which one half is multiplied by the sigmoid of the
    other. `[batch, n, channels]` becomes `[batch, n - kernel_size + 1, filters]`.

    Args:
        filters: int, a multiple of 8.
        kernel_size: int. Defaults to 5.
        gated: bool, with the gated linear unit. Defaults to True.

    Raises:
        ValueError: if `filters` is no multiple of 8.

    Reference:
        Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.
    """

    def __init__(self, filters: int, kernel_size: int = 5, gated: bool = True, **kwargs):
        super().__init__(**kwargs)
        if filters < 1 or filters % _GROUP:
            raise ValueError(f"filters must be a multiple of {_GROUP}. Received: filters={filters}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.gated = gated
        dtype = self.dtype_policy
        self.conv = layers.Conv1D(filters, kernel_size, dtype=dtype, name="conv")
        self.norm = layers.GroupNormalization(filters // _GROUP, epsilon=1e-5, dtype=dtype, name="norm")
        self.gate = layers.Conv1D(2 * filters, 1, dtype=dtype, name="gate") if gated else None

    def build(self, input_shape):
        self.conv.build(input_shape)
        output_shape = self.compute_output_shape(input_shape)
        self.norm.build(output_shape)
        if self.gated:
            self.gate.build(output_shape)

    def call(self, inputs):
        outputs = ops.relu(self.norm(self.conv(inputs)))
        return ops.glu(self.gate(outputs)) if self.gated else outputs

    def compute_output_shape(self, input_shape):
        length = input_shape[1]
        return (input_shape[0], None if length is None else length - self.kernel_size + 1, self.filters)

    def get_config(self) -> dict:
        config = {"filters": self.filters, "kernel_size": self.kernel_size, "gated": self.gated}
        return {**super().get_config(), **config}
