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
    """Mean of `|e| + e^2` over the last axis, where `e` is the error of the estimate.

    Example:

    >>> reference, estimate = np.zeros((1, 2, 100, 1)), np.full((1, 2, 100, 1), 0.5)
    >>> float(tfsep.losses.MeanAbsoluteAndSquaredError()(reference, estimate))
    0.75

    Reference:

    - [Basu, 2022, Audio Track Separation](https://github.com/victor369basu/Audio-Track-Separation), the two-head U-Net
    """

    def call(self, y_true, y_pred):
        error = y_pred - y_true
        return ops.mean(ops.abs(error) + ops.square(error), axis=-1)


class _Discriminative(_Loss):
    """Base: the error of each estimate, less `gamma` times its mean error as an estimate of the other sources."""

    def __init__(self, gamma: float = 0.05, **kwargs):
        super().__init__(**kwargs)
        check_number("gamma", gamma, least=0, below=1)  # with 1 the loss has no lower bound
        self.gamma = gamma

    def errors(self, y_true, y_pred):
        """Compute the error of each element."""
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
    """`(e_i - s_i)^2 - gamma (e_i - s_j)^2` for the estimate `e_i` of source `s_i` and the other sources `s_j`.

    Args:
        gamma: float from 0 to below 1, weight of the discrimination; 0 gives the squared error. Defaults to 0.05.

    Raises:
        ValueError: if `gamma` is out of range.

    Example:

    >>> loss = tfsep.losses.DiscriminativeMeanSquaredError(gamma=0.1)
    >>> references = np.array([[[1.0], [0.0]]])  # two sources
    >>> round(float(loss(references, references)), 2)  # perfect estimates
    -0.1

    Reference:

    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf)
    """

    def errors(self, y_true, y_pred):
        return ops.square(y_pred - y_true)


@keras.saving.register_keras_serializable(package="tfsep")
class DiscriminativeKullbackLeibler(_Discriminative):
    """`D(s_i || e_i) - gamma D(s_j || e_i)` of magnitudes, with the divergence `D(a || b) = a log(a / b) - a + b`.

    In the logarithm, 0.001 is added to `a` and `b`, which keeps it finite.

    Args:
        gamma: float from 0 to below 1, weight of the discrimination. Defaults to 0.05.

    Raises:
        ValueError: if `gamma` is out of range.

    Example:

    >>> loss = tfsep.losses.DiscriminativeKullbackLeibler(gamma=0.0)
    >>> references = np.array([[[1.0], [0.5]]])  # two sources
    >>> round(float(loss(references, references)), 2)  # perfect estimates
    0.0

    Reference:

    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf)
    """

    _FLOOR = 1e-3

    def errors(self, y_true, y_pred):
        ratio = ops.log(y_true + self._FLOOR) - ops.log(y_pred + self._FLOOR)
        return y_true * ratio - y_true + y_pred


@keras.saving.register_keras_serializable(package="tfsep")
class NegativeSDR(_Loss):
    """Negative signal-to-distortion ratio in dB of each source of each example.

    `10 log10((|e - s|^2 + t M) / (|s|^2 + t M))` for the estimate `e` of a source `s`, where `M` is the energy of all
    references together and `t` the floor, which keeps silent sources and perfect estimates finite. Unlike a squared
    error, it gives easy and hard, loud and soft examples the same weight, as scores do that are means of decibels.

    Args:
        floor: float above 0, `t`. Ratios hardly exceed `-10 log10(t)` dB. Defaults to 0.001.

    Raises:
        ValueError: if `floor` is not positive.

    Example:

    >>> reference = keras.random.normal((1, 2, 1000, 1), seed=0)
    >>> round(float(tfsep.losses.NegativeSDR()(reference, 0.5 * reference)))
    -6

    Reference:

    - [Wisdom et al., 2020, Unsupervised sound separation using mixture invariant
      training](https://arxiv.org/abs/2006.12701), for the soft threshold
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
    """Squared error of each target, less fractions of its errors as an estimate of the other sources.

    For the estimate `e_v` of a target `v`, the other targets `j` and the residual `r` (the source `"other"` or
    `"accompaniment"`) the loss is `|e_v - s_v|^2 - alpha sum_j |e_v - s_j|^2 - beta |e_v - s_r|^2`, with `beta_vocals`
    instead of `beta` for `"vocals"`. For the residual it is `other |e_r - s_r|^2`. Errors are weighted over the bins,
    from 1 at the lowest to `ramp` at the highest. Sources are `[batch, source, frames, bins, ...]`.

    Three things differ from the original: it sums over all elements, takes the absolute value of the sum, which would
    reverse the gradient where the sum is negative, and applies the ramp to the references only, which masks that add
    up to the mixture cannot follow.

    Args:
        sources: names of the stacked sources. Defaults to `("vocals", "drums", "bass", "other")`.
        alpha: float, weight of the other targets. Defaults to 0.001.
        beta: float, weight of the residual. Defaults to 0.01.
        beta_vocals: float, weight of the residual for `"vocals"`. Defaults to 0.03.
        other: float, weight of the residual's own error; 0.9 in the form for iKala. Defaults to 0.0.
        ramp: float, weight of the errors of the highest bin. Defaults to 0.5.

    Raises:
        ValueError: if a weight is negative, or those that are subtracted add up to 1 or more, with which the loss has
            no lower bound.

    Example:

    >>> loss = tfsep.losses.ConvSepLoss(("vocals", "accompaniment"), beta_vocals=0.1)
    >>> references = np.ones((1, 2, 10, 33))
    >>> loss.call(references, 0 * references).shape
    TensorShape([1, 2, 10, 33])

    Reference:

    - [Grau, 2018, Stereo source separation with convolutional networks](https://github.com/joangro/PytorchConvSep)
    - [Chandna et al., 2017, Monoaural audio source separation using deep convolutional neural
      networks](https://doi.org/10.1007/978-3-319-53547-0_25)
    """

    _RESIDUAL = ("other", "accompaniment")

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
        targets = [name for name in self.sources if name not in self._RESIDUAL]
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
        if estimated in self._RESIDUAL:
            return self.other if estimated == reference else 0.0
        if estimated == reference:
            return 1.0
        if reference in self._RESIDUAL:
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
    """Sum the losses of regularizers and `add_loss` to a float32 scalar."""
    return sum((ops.sum(ops.cast(loss, "float32")) for loss in losses), 0.0)


# Names for the configuration of a training run.
LOSSES = {
    "absolute_and_squared": MeanAbsoluteAndSquaredError,
    "convsep": ConvSepLoss,
    "discriminative_mse": DiscriminativeMeanSquaredError,
    "discriminative_kl": DiscriminativeKullbackLeibler,
    "negative_sdr": NegativeSDR,
}
