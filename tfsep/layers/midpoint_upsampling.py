"""Upsampling by two with interpolated samples."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.checks import check_choice


@keras.saving.register_keras_serializable(package="tfsep")
class MidpointUpsampling1D(keras.layers.Layer):
    """Insert between each two samples a weighted mean of them.

    With `"valid"` padding `[batch, n, channels]` becomes `[batch, 2 * n - 1, channels]`; with `"same"` padding the last
    sample is repeated, for a length of `2 * n`.

    Args:
        padding: str, `"valid"` or `"same"`. Defaults to `"valid"`.
        learned: bool, learn a weight from 0 to 1 for each channel. Defaults to False, which is linear interpolation.

    Raises:
        ValueError: if `padding` is unknown.

    Example:

    >>> layer = tfsep.layers.MidpointUpsampling1D()
    >>> ops.convert_to_numpy(layer(np.array([[[0.0], [1.0], [4.0]]])))[0, :, 0]
    array([0. , 0.5, 1. , 2.5, 4. ], dtype=float32)

    Reference:

    - [Stoller et al., 2018, Wave-U-Net: a multi-scale neural network for end-to-end audio source
      separation](https://arxiv.org/abs/1806.03185)
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
