"""The residual branches of Demucs: dilated convolutions through a narrow bottleneck."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.layers.activations import gelu
from tfsep.layers.dense import Dense

_EPSILON = 1e-5
_COMPRESSION = 8
_SCALE = 1e-3


class RowNormalization(keras.layers.Layer):
    """Normalize `[..., time, channels]` over time and channels, with a gain and an offset for each channel.

    For `[batch, time, channels]` this is group normalisation with one group.
    """

    def build(self, shape):
        self.weight = self.add_weight(name="weight", shape=(shape[-1],), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(shape[-1],), initializer="zeros")

    def call(self, inputs):
        # Squares overflow in half precision.
        mean, variance = ops.moments(ops.cast(inputs, "float32"), axes=(-2, -1), keepdims=True)
        gain = ops.rsqrt(variance + _EPSILON) * ops.cast(self.weight, "float32")
        offset = ops.cast(self.bias, "float32") - mean * gain
        return inputs * ops.cast(gain, inputs.dtype) + ops.cast(offset, inputs.dtype)


class LayerScale(keras.layers.Layer):
    """Multiply each channel by a trained factor.

    Args:
        initial: float, initial value of the factors.

    Reference:

    - [Touvron et al., 2021, Going deeper with image transformers](https://arxiv.org/abs/2103.17239)
    """

    def __init__(self, initial: float, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape):
        initializer = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight(name="scale", shape=(shape[-1],), initializer=initializer)

    def call(self, inputs):
        return self.scale * inputs

    def get_config(self) -> dict:
        return {**super().get_config(), "initial": self.initial}


class DConv(keras.layers.Layer):
    """Two residual branches of dilated convolutions through an eighth of the channels.

    `[batch, rows, time, channels]` keeps its shape; each row is convolved along time and normalised by itself.

    Example:

    >>> layer = tfsep.layers.DConv()
    >>> layer(np.zeros((1, 4, 100, 16), "float32")).shape
    TensorShape([1, 4, 100, 16])

    Reference:

    - [Défossez, 2021, Hybrid spectrogram and waveform source separation](https://arxiv.org/abs/2111.03600)
    """

    def build(self, shape):
        channels = shape[-1]
        hidden = channels // _COMPRESSION
        self.branches = []
        # `tfsep.checkpoints` finds the layers by their names in the original.
        for index in range(2):
            name, kinds = f"layers.{index}.", {"dtype": self.dtype_policy}
            branch = (
                keras.layers.Conv2D(
                    hidden, (1, 3), padding="same", dilation_rate=(1, 2**index), name=name + "0", **kinds
                ),
                RowNormalization(name=name + "1", **kinds),
                Dense(2 * channels, name=name + "3", **kinds),
                RowNormalization(name=name + "4", **kinds),
                LayerScale(_SCALE, name=name + "6", **kinds),
            )
            for layer, width in zip(branch, (channels, hidden, hidden, 2 * channels, channels), strict=True):
                layer.build((*shape[:-1], width))
            self.branches.append(branch)

    # Building a model need not trace `call`.
    def compute_output_shape(self, shape):
        return shape

    def call(self, inputs):
        for narrow, narrow_norm, wide, wide_norm, scale in self.branches:
            hidden = gelu(narrow_norm(narrow(inputs)))
            inputs = inputs + scale(gated(wide_norm(wide(hidden))))
        return inputs


def gated(inputs):
    """Gate half of the channels by the sigmoid of the other half."""
    values, gates = ops.split(inputs, 2, axis=-1)
    return values * ops.sigmoid(gates)
