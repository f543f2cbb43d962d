"""Convolution, group normalisation, ReLU and a gate."""

from __future__ import annotations

import keras
from keras import layers, ops

# Filters of a group of the normalisation.
_GROUP = 8


@keras.saving.register_keras_serializable(package="tfsep")
class ConvBlock1D(keras.layers.Layer):
    """Valid convolution, group normalisation in groups of 8 filters, ReLU and a gated linear unit.

    `[batch, n, channels]` becomes `[batch, n - kernel_size + 1, filters]`.

    Args:
        filters: int, number of filters, a multiple of 8.
        kernel_size: int, length of the convolution in samples. Defaults to 5.
        gated: bool, add the gated linear unit. Defaults to True.

    Raises:
        ValueError: if `filters` is not a multiple of 8.

    Example:

    >>> layer = tfsep.layers.ConvBlock1D(16)
    >>> layer(np.zeros((1, 100, 2), "float32")).shape
    TensorShape([1, 96, 16])

    Reference:

    - [Dauphin et al., 2017, Language modeling with gated convolutional networks](https://arxiv.org/abs/1612.08083)
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
