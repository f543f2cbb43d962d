"""Transposed convolution as a convolution at the resolution of its input."""

from __future__ import annotations

import keras
from keras import layers, ops

# Places in the kernel by which the inputs before, at and after an output of even and of odd index are multiplied. Place
# 5 is a zero.
_TAPS = (3, 1, 5, 4, 2, 0)


@keras.saving.register_keras_serializable(package="tfsep")
class SubpixelConv2DTranspose(layers.Conv2DTranspose):
    """`Conv2DTranspose` of stride 2 with a kernel of 5, as a convolution whose output is rearranged.

    The four outputs around an input are four filters of 3 x 3. On a CPU that takes a third of the time if there is one
    filter, and no less if there are many.

    Args:
        filters: int, channels of the output.

    Example:

    >>> layer = tfsep.layers.SubpixelConv2DTranspose(1)
    >>> layer(np.ones((1, 8, 16, 4), "float32")).shape
    TensorShape([1, 16, 32, 1])

    Reference:

    - [Shi et al., 2016, Real-time single image and video super-resolution using an efficient sub-pixel convolutional
      neural network](https://arxiv.org/abs/1609.05158)
    """

    def __init__(self, filters: int, **kwargs):
        fixed = {"kernel_size": 5, "strides": 2, "padding": "same", "data_format": "channels_last"}
        super().__init__(filters, **{**kwargs, **fixed})

    def call(self, inputs):
        """Transform `[batch, height, width, channels]` to `[batch, 2 * height, 2 * width, filters]`."""
        kernel = ops.pad(self.kernel, [[0, 1], [0, 1], [0, 0], [0, 0]])
        kernel = ops.take(ops.take(kernel, _TAPS, axis=0), _TAPS, axis=1)
        quarters = [kernel[row : row + 3, column : column + 3] for row in (0, 3) for column in (0, 3)]
        kernel = ops.concatenate([ops.swapaxes(quarter, 2, 3) for quarter in quarters], axis=-1)
        outputs = ops.conv(inputs, ops.cast(kernel, inputs.dtype), padding="same", data_format="channels_last")
        height, width = ops.shape(inputs)[1:3]
        outputs = ops.swapaxes(ops.reshape(outputs, (-1, width, 2, 2 * self.filters)), 1, 2)
        outputs = ops.reshape(outputs, (-1, 2 * height, 2 * width, self.filters))
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, outputs.dtype)
        return self.activation(outputs)
