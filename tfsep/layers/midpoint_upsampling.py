"""Upsampling by two with a value between each two samples."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.checks import check_choice


@keras.saving.register_keras_serializable(package="tfsep")
class MidpointUpsampling1D(keras.layers.Layer):
    """Puts a weighted mean of its neighbours between each two samples.

    With `"valid"` padding `[batch, n, channels]` becomes `[batch, 2 * n - 1, channels]`; with `"same"` the last sample
    is repeated, for a length of `2 * n`.

    Args:
        padding: `"valid"` or `"same"`. Defaults to `"valid"`.
        learned: bool, learn the weight of each channel, in (0, 1). Defaults to False: one half, linear interpolation.

    Raises:
        ValueError: for another padding.

    Reference:
        Stoller et al., "Wave-U-Net", ISMIR 2018.
    """

    def __init__(self, padding: str = "valid", learned: bool = False, **kwargs):
        super().__init__(**kwargs)
        check_choice("padding", padding, ("valid", "same"))
        self.padding = padding
        self.learned = learned

    def build(self, input_shape):
        if self.learned:
            self.logits = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="logits")

    def call(self, inputs):
        weight = ops.sigmoid(ops.cast(self.logits, inputs.dtype)) if self.learned else 0.5
        following = ops.concatenate([inputs[:, 1:], inputs[:, -1:]], axis=1)
        pairs = ops.stack([inputs, weight * inputs + (1 - weight) * following], axis=2)
        outputs = ops.reshape(pairs, (-1, 2 * ops.shape(inputs)[1], inputs.shape[-1]))
        return outputs[:, :-1] if self.padding == "valid" else outputs

    def compute_output_shape(self, input_shape):
        length = input_shape[1]
        return (input_shape[0], None if length is None else 2 * length - (self.padding == "valid"), input_shape[2])

    def get_config(self) -> dict:
        return {**super().get_config(), "padding": self.padding, "learned": self.learned}
