"""The transformer of the RoFormers: gated attention with rotary positions along one axis of a spectrogram."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.layers.activations import gelu

_HIDDEN = 4
_LEAST_NORM = 1e-12

# Attention scores of an example that are in memory at a time.
_MOST_SCORES = 2**25


class UnitNormalization(keras.layers.Layer):
    """Divide by the root mean square along the last axis and multiply by a trained gain; squares are float32."""

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        return unit_norm(inputs) * self.gamma


def unit_norm(inputs):
    """Divide by the root mean square along the last axis; zeros stay zeros."""
    exact = ops.cast(inputs, "float32")
    squares = ops.maximum(ops.sum(ops.square(exact), axis=-1, keepdims=True), _LEAST_NORM**2)
    return ops.cast(exact * ops.rsqrt(squares) * inputs.shape[-1] ** 0.5, inputs.dtype)


class RotaryAngles(keras.layers.Layer):
    """Angles of the rotary positions, float32 `[tokens, head_size / 2]`, from rates that are stored but not trained.

    Args:
        head_size: int, channels of a head of attention, even.

    Reference:

    - [Su et al., 2021, RoFormer: enhanced transformer with rotary position embedding](https://arxiv.org/abs/2104.09864)
    """

    def __init__(self, head_size: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.head_size = head_size

    def build(self, shape):
        rates = 10000.0 ** (-np.arange(0, self.head_size, 2) / self.head_size)
        self.rates = self.add_weight(
            name="rates",
            shape=rates.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(rates, dtype),
            trainable=False,
        )

    def call(self, inputs):
        """Return the angles for inputs `[..., tokens, channels]`."""
        return ops.arange(inputs.shape[-2], dtype="float32")[:, np.newaxis] * self.rates

    def get_config(self) -> dict:
        return {**super().get_config(), "head_size": self.head_size}


class RotaryTransformer(keras.layers.Layer):
    """Layers of attention and feed-forward networks along the tokens of `[batch, sequences, tokens, channels]`.

    Args:
        depth: int, number of layers.
        heads: int, heads of attention.
        head_size: int, channels of a head.
        final_norm: bool, normalise the output. Defaults to False.

    Reference:

    - [Lu et al., 2023, Music source separation with band-split rope transformer](https://arxiv.org/abs/2309.02612)
    """

    def __init__(self, depth: int, heads: int, head_size: int, final_norm: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.heads = heads
        self.head_size = head_size
        self.final_norm = final_norm

    def build(self, inputs_shape, angles_shape):
        width, inner = inputs_shape[-1], self.heads * self.head_size
        self.blocks = []
        for index in range(self.depth):
            layers = {
                "norm": (UnitNormalization, width, {}),
                "to_qkv": (keras.layers.Dense, width, {"units": 3 * inner, "use_bias": False}),
                "to_gates": (keras.layers.Dense, width, {"units": self.heads}),
                "to_out": (keras.layers.Dense, inner, {"units": width, "use_bias": False}),
                "feed_norm": (UnitNormalization, width, {}),
                "widen": (keras.layers.Dense, width, {"units": _HIDDEN * width}),
                "narrow": (keras.layers.Dense, _HIDDEN * width, {"units": width}),
            }
            block = {}
            for name, (kind, size, arguments) in layers.items():
                block[name] = kind(name=f"{name}_{index}", dtype=self.dtype_policy, **arguments)
                block[name].build((*inputs_shape[:-1], size))
            self.blocks.append(block)
        if self.final_norm:
            self.norm = UnitNormalization(name="norm", dtype=self.dtype_policy)
            self.norm.build(inputs_shape)

    # Building a model need not trace `call`.
    def compute_output_shape(self, inputs_shape, angles_shape):
        return inputs_shape

    def call(self, inputs, angles):
        waves = ops.cast(ops.cos(angles), inputs.dtype), ops.cast(ops.sin(angles), inputs.dtype)
        for block in self.blocks:
            inputs = inputs + self._attend(block, block["norm"](inputs), waves)
            hidden = gelu(block["widen"](block["feed_norm"](inputs)))
            inputs = inputs + block["narrow"](hidden)
        return self.norm(inputs) if self.final_norm else inputs

    def _attend(self, block: dict, inputs, waves):
        _, sequences, tokens, _ = inputs.shape
        query, key, value = (
            ops.transpose(ops.reshape(part, (-1, sequences, tokens, self.heads, self.head_size)), (0, 1, 3, 2, 4))
            for part in ops.split(block["to_qkv"](inputs), 3, axis=-1)
        )
        query, key = _rotated(query * self.head_size**-0.5, waves), _rotated(key, waves)
        # All sequences at once may take gigabytes.
        count = max(1, _MOST_SCORES // (self.heads * tokens**2))
        attended = ops.concatenate(
            [
                ops.softmax(query[:, at : at + count] @ ops.transpose(key[:, at : at + count], (0, 1, 2, 4, 3)))
                @ value[:, at : at + count]
                for at in range(0, sequences, count)
            ],
            axis=1,
        )
        gates = ops.sigmoid(block["to_gates"](inputs))
        attended = ops.transpose(attended, (0, 1, 3, 2, 4)) * gates[..., np.newaxis]
        return block["to_out"](ops.reshape(attended, (-1, sequences, tokens, self.heads * self.head_size)))

    def get_config(self) -> dict:
        names = ("depth", "heads", "head_size", "final_norm")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _rotated(inputs, waves):
    """Rotate each pair of neighbouring channels by its angle.

    The result has the first channels of all pairs, then the second ones. Products of queries and keys do not depend on
    the order.
    """
    first, second = inputs[..., ::2], inputs[..., 1::2]
    cosine, sine = waves
    return ops.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
