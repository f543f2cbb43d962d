"""Losses of the published systems, on stacked sources `[batch, source, ...]`."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from tfsep.checks import check_number

__all__ = [
    "LOSSES",
    "ConvSepLoss",
    "DiscriminativeKullbackLeibler",
    "DiscriminativeMeanSquaredError",
    "MeanAbsoluteAndSquaredError",
    "NegativeSDR",
]


def __dir__() -> list[str]:
    return __all__


class _Loss(keras.losses.Loss):
    def __repr__(self) -> str:
        config = {
            name: value for name, value in self.get_config().items() if name not in ("name", "reduction", "dtype")
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in config.items())})"


@keras.saving.register_keras_serializable(package="tfsep")
class MeanAbsoluteAndSquaredError(_Loss):
    """`mean |e| + mean e^2` over the last axis, with `e` the estimate less the reference.

    Reference:
        V. Basu, "Audio Track Separation" (the two-head U-Net), 2022.
    """

    def call(self, y_true, y_pred):
        error = y_pred - y_true
        return ops.mean(ops.abs(error) + ops.square(error), axis=-1)


class _Discriminative(_Loss):
    """The error of each estimate, less `gamma` times its error as an estimate of the other sources.

    With more than two sources, the latter is the mean over the others.
    """

    def __init__(self, gamma: float = 0.05, **kwargs):
        super().__init__(**kwargs)
        check_number("gamma", gamma, least=0, below=1)  # from 1 the loss has no lower bound
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
        gamma: float from 0 to below 1, weight of discrimination; 0 gives the mean squared error. Defaults to 0.05.

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
        gamma: float from 0 to below 1, weight of discrimination. Defaults to 0.05.

    Reference:
        Huang et al., see `DiscriminativeMeanSquaredError`.
    """

    _FLOOR = 1e-3

    def errors(self, y_true, y_pred):
        ratio = ops.log(y_true + self._FLOOR) - ops.log(y_pred + self._FLOOR)
        return y_true * ratio - y_true + y_pred


@keras.saving.register_keras_serializable(package="tfsep")
class NegativeSDR(_Loss):
    """The signal-to-distortion ratio of each source of each example in dB, with its sign changed.

    `10 log10((|e - s|^2 + t M) / (|s|^2 + t M))` for the estimate `e` of a source `s`, with `M` the energy of all
    references together and `t` the floor, which keeps silent sources and perfect estimates finite. Unlike squared
    errors, every example counts alike, be it hard or easy, loud or soft: so do scores that are means of decibels.

    Args:
        floor: float above 0, `t`; at -30 dB, no ratio passes 30 dB by much. Defaults to 0.001.

    Reference:
        Wisdom et al., "Unsupervised sound separation using mixture invariant training", NeurIPS 2020 (its soft
        threshold).
    """

    def __init__(self, floor: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        check_number("floor", floor, above=0)
        self.floor = floor

    def call(self, y_true, y_pred):
        axes = tuple(range(2, len(y_true.shape)))
        errors = ops.sum(ops.square(y_pred - y_true), axis=axes)
        energies = ops.sum(ops.square(y_true), axis=axes)
        floor = self.floor * ops.sum(energies, axis=1, keepdims=True) + keras.config.epsilon()
        return 10 * ops.log10((errors + floor) / (energies + floor))

    def get_config(self) -> dict:
        return {**super().get_config(), "floor": self.floor}


@keras.saving.register_keras_serializable(package="tfsep")
class ConvSepLoss(_Loss):
    """Squared error of each target, less parts of its errors as an estimate of the other sources.

    For the estimate `e_v` of a target `v`, the other targets `j` and the rest `r` (the source `"other"` or
    `"accompaniment"`) the loss is `|e_v - s_v|^2 - alpha sum_j |e_v - s_j|^2 - beta |e_v - s_r|^2`, with `beta_vocals`
    in the place of `beta` for `"vocals"`. For the rest it is `other |e_r - s_r|^2`. Errors are weighted over the bins,
    from 1 at the lowest down to `ramp` at the highest. Sources are `[batch, source, frames, bins, ...]`.

    The published form is the sum over all elements; here each element has its own value. Its absolute value, which
    would turn the gradient round, is left out: the loss may be negative. The original multiplies the references alone
    by the ramp, which masks that add up to the mixture could not follow.

    Args:
        sources: names of the stacked sources. Defaults to `("vocals", "drums", "bass", "other")`.
        alpha: float. Defaults to 0.001.
        beta: float. Defaults to 0.01.
        beta_vocals: float. Defaults to 0.03.
        other: float, weight of the rest's own error. Defaults to 0.0, as published; iKala's form has 0.9.
        ramp: float. Defaults to 0.5.

    Raises:
        ValueError: for a weight that is no number of at least 0, or subtracted ones that add up to 1 or more, under
            which the loss would have no lower bound.

    Reference:
        J. Grau, "Stereo source separation with convolutional networks" (PytorchConvSep), 2018; Chandna et al.,
        "Monoaural audio source separation using deep convolutional neural networks", LVA/ICA 2017.
    """

    _REST = ("other", "accompaniment")

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "drums", "bass", "other"),
        alpha: float = 0.001,
        beta: float = 0.01,
        beta_vocals: float = 0.03,
        other: float = 0.0,
        ramp: float = 0.5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sources = tuple(sources)
        self.alpha = alpha
        self.beta = beta
        self.beta_vocals = beta_vocals
        self.other = other
        self.ramp = ramp
        for name in ("alpha", "beta", "beta_vocals", "other", "ramp"):
            check_number(name, getattr(self, name), least=0)
        targets = [name for name in self.sources if name not in self._REST]
        if targets and max(-sum(self._weight(name, other) for other in self.sources) for name in targets) >= 0:
            raise ValueError(
                "alpha, beta and beta_vocals must subtract less than a target's own error. Received: "
                f"alpha={alpha}, beta={beta}, beta_vocals={beta_vocals} for {list(self.sources)}."
            )

    def call(self, y_true, y_pred):
        if y_pred.shape[1] != len(self.sources):
            raise ValueError(f"The loss is for {list(self.sources)}. Received: {y_pred.shape[1]} sources.")
        bins = y_pred.shape[3]
        ramp = ops.reshape(
            ops.linspace(1.0, self.ramp, bins, dtype=y_pred.dtype), (bins, *[1] * (len(y_pred.shape) - 4))
        )
        references = ops.unstack(ramp * y_true, axis=1)
        estimates = ops.unstack(ramp * y_pred, axis=1)
        values = []
        for name, estimate in zip(self.sources, estimates, strict=True):
            weights = [self._weight(name, other) for other in self.sources]
            terms = [w * ops.square(estimate - s) for w, s in zip(weights, references, strict=True) if w]
            values.append(sum(terms[1:], terms[0]) if terms else ops.zeros_like(estimate))
        return ops.stack(values, axis=1)

    def _weight(self, estimated: str, reference: str) -> float:
        if estimated in self._REST:
            return self.other if estimated == reference else 0.0
        if estimated == reference:
            return 1.0
        if reference in self._REST:
            return -(self.beta_vocals if estimated == "vocals" else self.beta)
        return -self.alpha

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "sources": list(self.sources),
            "alpha": self.alpha,
            "beta": self.beta,
            "beta_vocals": self.beta_vocals,
            "other": self.other,
            "ramp": self.ramp,
        }


def total(losses: list):
    """Sum of what regularizers and `add_loss` gave, as a float32 scalar."""
    return sum((ops.sum(ops.cast(loss, "float32")) for loss in losses), 0.0)


# Names of the configuration of a training run.
LOSSES = {
    "absolute_and_squared": MeanAbsoluteAndSquaredError,
    "convsep": ConvSepLoss,
    "discriminative_mse": DiscriminativeMeanSquaredError,
    "discriminative_kl": DiscriminativeKullbackLeibler,
    "negative_sdr": NegativeSDR,
}
