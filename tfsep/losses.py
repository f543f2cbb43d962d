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


class _Discriminative(keras.losses.Loss):
    """The error of each estimate, less `gamma` times its error as an estimate of the other sources.

    With more than two sources, the latter is the mean over the others.
    """

    def __init__(self, gamma: float = 0.05, **kwargs):
        super().__init__(**kwargs)
        self.gamma = gamma

    def errors(self, y_true, y_pred):
        """Error of each element."""
        raise NotImplementedError

    def call(self, y_true, y_pred):
        sources = y_true.shape[1]
        losses = self.errors(y_true, y_pred)
        others = [self.errors(ops.roll(y_true, shift, axis=1), y_pred) for shift in range(1, sources)]
        return losses - self.gamma * sum(others) / max(1, len(others))

    def get_config(self) -> dict:
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="tfsep")
class DiscriminativeMeanSquaredError(_Discriminative):
    """`(e_i - s_i)^2 - gamma (e_i - s_j)^2` for the estimate `e_i` of source `s_i`, `s_j` being the others.

    Args:
        gamma: float, weight of discrimination; 0 gives the mean squared error. Defaults to 0.05.

    Reference:
        Huang et al., "Singing-voice separation from monaural recordings using deep recurrent neural networks",
        ISMIR 2014.
    """

    def errors(self, y_true, y_pred):
        return ops.square(y_pred - y_true)


@keras.saving.register_keras_serializable(package="tfsep")
class DiscriminativeKullbackLeibler(_Discriminative):
    """`D(s_i || e_i) - gamma D(s_j || e_i)` with the generalised divergence `D(a || b) = a log(a / b) - a + b`.

    In the logarithm, 0.001 is added to both, which keeps it finite. Magnitudes are not negative.

    Args:
        gamma: float, weight of discrimination. Defaults to 0.05.

    Reference:
        Huang et al., see `DiscriminativeMeanSquaredError`.
    """

    _FLOOR = 1e-3

    def errors(self, y_true, y_pred):
        ratio = ops.log(y_true + self._FLOOR) - ops.log(y_pred + self._FLOOR)
        return y_true * ratio - y_true + y_pred
