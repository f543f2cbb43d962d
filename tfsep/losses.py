"""Losses of the published systems, on stacked sources `[batch, source, ...]`."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfsep")
class MeanAbsoluteAndSquaredError(keras.losses.Loss):
    """`mean |e| + mean e^2` over the last axis, with `e` the estimate less the reference.

    Reference:
        V. Basu, "Audio Track Separation" (the two-head U-Net), 2022.
    """

    def call(self, y_true, y_pred):
        error = y_pred - y_true
        return ops.mean(ops.abs(error) + ops.square(error), axis=-1)
