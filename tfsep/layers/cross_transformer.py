"""The transformer layer of HTDemucs: self-attention within a branch, or attention to the other one."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.layers.activations import gelu
from tfsep.layers.dconv import LayerScale, RowNormalization

_EPSILON = 1e-5
_SCALE = 1e-4
_HIDDEN = 4


class Attention(keras.layers.Layer):
    """Multi-head attention with one projection to queries, keys and values.

    Args:
        heads: int, number of heads, which divides the number of channels.
    """

    def __init__(self, heads: int, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, shape):
        width = shape[-1]
        self.in_kernel = self.add_weight(name="in_proj_weight", shape=(width, 3 * width))
        self.in_bias = self.add_weight(name="in_proj_bias", shape=(3 * width,), initializer="zeros")
        self.out_proj = keras.layers.Dense(width, name="out_proj", dtype=self.dtype_policy)
        self.out_proj.build(shape)

    def call(self, inputs, other=None):
        """Let tokens `[batch, n, channels]` attend to those of `other`, or to themselves if it is None."""
        width = inputs.shape[-1]
        if other is None:
            projected = ops.split(inputs @ self.in_kernel + self.in_bias, 3, axis=-1)
        else:
            query = inputs @ self.in_kernel[:, :width] + self.in_bias[:width]
            projected = query, *ops.split(other @ self.in_kernel[:, width:] + self.in_bias[width:], 2, axis=-1)
        query, key, value = (
            ops.transpose(ops.reshape(part, (-1, part.shape[1], self.heads, width // self.heads)), (0, 2, 1, 3))
            for part in projected
        )
        scores = (query * (width // self.heads) ** -0.5) @ ops.transpose(key, (0, 1, 3, 2))
        attended = ops.transpose(ops.softmax(scores) @ value, (0, 2, 1, 3))
        return self.out_proj(ops.reshape(attended, (-1, inputs.shape[1], width)))

    def get_config(self) -> dict:
        return {**super().get_config(), "heads": self.heads}


class CrossTransformerLayer(keras.layers.Layer):
    """Attention and a feed-forward network, each with a layer scale and a residual connection, then normalisation.

    Args:
        heads: int, number of heads, which divides the number of channels.
        cross: bool, attend to the tokens of another branch. Defaults to False.

    Example:

    >>> layer = tfsep.layers.CrossTransformerLayer(2, cross=True)
    >>> tokens, others = np.zeros((1, 10, 8), "float32"), np.zeros((1, 7, 8), "float32")
    >>> layer(tokens, others).shape
    TensorShape([1, 10, 8])

    Reference:

    - [Rouard et al., 2022, Hybrid transformers for music source separation](https://arxiv.org/abs/2211.08553)
    """

    def __init__(self, heads: int, cross: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.cross = cross

    def build(self, inputs_shape, other_shape=None):
        shape, width, kinds = inputs_shape, inputs_shape[-1], {"dtype": self.dtype_policy}
        self.attention = Attention(self.heads, name="cross_attn" if self.cross else "self_attn", **kinds)
        count = 3 if self.cross else 2
        self.norms = [layer_normalization(f"norm{index + 1}", **kinds) for index in range(count)]
        self.linear1 = keras.layers.Dense(_HIDDEN * width, name="linear1", **kinds)
        self.linear2 = keras.layers.Dense(width, name="linear2", **kinds)
        self.scales = [LayerScale(_SCALE, name=f"gamma_{index}", **kinds) for index in (1, 2)]
        self.norm_out = RowNormalization(name="norm_out", **kinds)
        for layer in (self.attention, *self.norms, self.linear1, *self.scales, self.norm_out):
            layer.build(shape)
        self.linear2.build((*shape[:-1], _HIDDEN * width))

    # Building a model need not trace `call`.
    def compute_output_shape(self, inputs_shape, other_shape=None):
        return inputs_shape

    def call(self, inputs, other=None):
        """Transform tokens `[batch, n, channels]`; with `cross`, `other` is the other branch before this layer."""
        others = (self.norms[1](other),) if self.cross else ()
        inputs = inputs + self.scales[0](self.attention(self.norms[0](inputs), *others))
        hidden = gelu(self.linear1(self.norms[-1](inputs)))
        return self.norm_out(inputs + self.scales[1](self.linear2(hidden)))

    def get_config(self) -> dict:
        return {**super().get_config(), "heads": self.heads, "cross": self.cross}


def layer_normalization(name: str, **kwargs) -> keras.layers.LayerNormalization:
    """Make a layer normalisation with the epsilon of the published weights."""
    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name, **kwargs)


def time_table(length: int, width: int) -> np.ndarray:
    """Encode positions in time, `[length, width]`: cosines in the first half of the channels, then sines."""
    half = width // 2
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(half) / (half - 1))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype("float32")


def time_frequency_table(frames: int, bins: int, width: int) -> np.ndarray:
    """Encode positions, `[frames * bins, width]`: time in the first half of the channels, then frequency."""
    half = width // 2
    rates = np.exp(-np.arange(0, half, 2) * np.log(10000) / half)

    def waves(length: int) -> np.ndarray:
        angles = np.arange(length)[:, None] * rates
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, half)

    table = np.zeros((frames, bins, width), "float32")
    table[..., :half] = waves(frames)[:, None]
    table[..., half:] = waves(bins)
    return table.reshape(-1, width)
