"""Convolutions over the frames and bins of a spectrogram, and their transposes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfsep")
class SpectrogramConv2D(keras.layers.Layer):
    """Valid convolution of `[batch, frames, bins, channels]`, fast for kernels of one frame and all bins.

    The result is that of `keras.layers.Conv2D` with the same kernel. A kernel of one frame and all bins is applied as a
    matrix product, which is tens of times as fast on a CPU.

    Args:
        filters: int, number of filters.
        kernel_size: pair of int, frames and bins.
        strides: pair of int, frames and bins. Defaults to `(1, 1)`.

    Example:

    >>> layer = tfsep.layers.SpectrogramConv2D(4, (1, 33))
    >>> layer(np.zeros((1, 10, 33, 2), "float32")).shape
    TensorShape([1, 10, 1, 4])
    """

    def __init__(self, filters: int, kernel_size: Sequence[int], strides: Sequence[int] = (1, 1), **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(*self.kernel_size, input_shape[-1], self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs):
        frames, bins, channels = inputs.shape[1:]
        if self.kernel_size != (1, bins):
            return ops.conv(inputs, self.kernel, self.strides, "valid") + self.bias
        columns = ops.reshape(inputs, (-1, frames, 1, bins * channels))
        matrix = ops.reshape(ops.convert_to_tensor(self.kernel), (bins * channels, self.filters))
        return ops.matmul(columns, matrix) + self.bias

    def get_config(self) -> dict:
        config = {"filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="tfsep")
class SpectrogramConv2DTranspose(keras.layers.Layer):
    """Transpose of a `SpectrogramConv2D`: from the shape of its output to that of its input.

    Args:
        channels: int, channels of the output.
        kernel_size: pair of int, frames and bins.
        strides: pair of int, frames and bins. Defaults to `(1, 1)`.
        use_bias: bool, add a bias. Defaults to True.
        tied_to: `SpectrogramConv2D` of the same sizes, whose kernel is used. Defaults to None: a kernel of its own.

    Example:

    >>> layer = tfsep.layers.SpectrogramConv2DTranspose(2, (1, 33))
    >>> layer(np.zeros((1, 10, 1, 4), "float32")).shape
    TensorShape([1, 10, 33, 2])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: Sequence[int],
        strides: Sequence[int] = (1, 1),
        use_bias: bool = True,
        tied_to: SpectrogramConv2D | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.use_bias = use_bias
        self.tied_to = tied_to

    def build(self, input_shape):
        self.kernel = (
            self.add_weight(name="kernel", shape=(*self.kernel_size, self.channels, input_shape[-1]))
            if self.tied_to is None
            else self.tied_to.kernel
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")

    def call(self, inputs):
        frames, width, filters = inputs.shape[1:]
        height, bins = self.kernel_size
        if width > 1 or height > 1:
            outputs = ops.conv_transpose(inputs, self.kernel, self.strides, "valid")
            return outputs + self.bias if self.use_bias else outputs
        matrix = ops.transpose(ops.reshape(ops.convert_to_tensor(self.kernel), (bins * self.channels, filters)))
        outputs = ops.matmul(inputs, matrix)
        if self.use_bias:  # in long rows, as TensorFlow adds rows of the few channels slowly
            outputs = outputs + ops.tile(self.bias, bins)
        return ops.reshape(outputs, (-1, frames, bins, self.channels))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "channels": self.channels,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "tied_to": keras.saving.serialize_keras_object(self.tied_to),
        }
