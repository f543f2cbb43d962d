"""Nearest upsampling and a convolution, as a convolution at the resolution of the input."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from tfsep.checks import check_integer


@keras.saving.register_keras_serializable(package="tfsep")
class UpsampleConv1D(layers.Conv1D):
    """Nearest upsampling, concatenation with skip connections, and a convolution in one layer.

    The result is that of `UpSampling1D`, `Concatenate` and `Conv1D` with `"same"` padding. Taps that receive the same
    sample are added before the convolution, which then runs at the resolution of the input: with a kernel of 25 and a
    size of 4, each output takes 8 products instead of 25.

    Args:
        filters: int, channels of the output.
        kernel_size: int, length of the convolution in samples of the output, odd.
        size: int, factor of the upsampling. Defaults to 2.
        **kwargs: see `keras.layers.Conv1D`.

    Raises:
        ValueError: if `kernel_size` is even, or `size` is not a positive integer.

    Example:

    >>> layer = tfsep.layers.UpsampleConv1D(4, 5)
    >>> layer(np.ones((1, 100, 8), "float32")).shape
    TensorShape([1, 200, 4])
    >>> layer = tfsep.layers.UpsampleConv1D(4, 5)
    >>> layer([np.ones((1, 100, 8), "float32"), np.ones((1, 200, 2), "float32")]).shape
    TensorShape([1, 200, 4])

    Reference:

    - [Shi et al., 2016, Real-time single image and video super-resolution using an efficient sub-pixel convolutional
      neural network](https://arxiv.org/abs/1609.05158)
    """

    def __init__(self, filters: int, kernel_size: int, size: int = 2, **kwargs):
        fixed = {"strides": 1, "padding": "same", "data_format": "channels_last", "dilation_rate": 1, "groups": 1}
        super().__init__(filters, kernel_size, **{**kwargs, **fixed})
        if self.kernel_size[0] % 2 == 0:
            raise ValueError(f"kernel_size must be odd. Received: kernel_size={kernel_size}.")
        check_integer("size", size)
        self.size = size
        self.input_spec = None  # one tensor or several

    def build(self, input_shape):
        shapes = _shapes(input_shape)
        super().build((*shapes[0][:2], sum(shape[2] for shape in shapes)))
        self.input_spec = None

    def call(self, inputs):
        """Transform `[batch, n, channels]` to `[batch, size * n, filters]`; skips have `size * n` samples."""
        inputs, *skips = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        channels = inputs.shape[-1]
        taps = ops.convert_to_tensor(_taps(self.kernel_size[0], self.size), inputs.dtype)
        kernel = ops.cast(self.kernel, inputs.dtype)
        # [taps, size, channels, filters], with the filters of the samples that an input becomes side by side.
        phases = ops.transpose(ops.tensordot(taps, kernel[:, :channels], axes=1), (0, 2, 1, 3))
        phases = ops.reshape(phases, (taps.shape[0], channels, self.size * self.filters))
        outputs = ops.conv(inputs, phases, padding="same", data_format="channels_last")
        outputs = ops.reshape(outputs, (-1, self.size * ops.shape(inputs)[1], self.filters))
        if skips:
            skip = ops.concatenate(skips, axis=-1)
            outputs = outputs + ops.conv(skip, kernel[:, channels:], padding="same", data_format="channels_last")
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape):
        batch, length, _ = _shapes(input_shape)[0]
        return (batch, None if length is None else self.size * length, self.filters)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}


def _shapes(input_shape) -> list:
    """Return the shapes of one input or several."""
    return input_shape if isinstance(input_shape[0], (list, tuple)) else [input_shape]


def _taps(kernel_size: int, size: int) -> np.ndarray:
    """Return `[taps, size, kernel_size]`: one where an element of the kernel multiplies an input for a phase."""
    # An output of phase `p` and element `j` of the kernel meet sample `p + j - before` after the upsampling.
    before = kernel_size // 2
    inputs = (np.arange(size)[:, None] + np.arange(kernel_size) - before) // size
    return np.equal(inputs, np.arange(inputs.min(), inputs.max() + 1)[:, None, None]).astype("float32")
