"""SDR and scale-invariant SDR of tensors in training, as functions and as Keras metrics."""

from __future__ import annotations

import keras
from keras import ops

__all__ = ["SISDR", "SilentReferences", "si_sdr", "uSDR", "usdr"]


def __dir__() -> list[str]:
    return __all__


# Energy below which a reference counts as silent: -100 dB of full scale in the mean.
_SILENCE = 1e-10
_FLOOR = 1e-12


def si_sdr(reference, estimate):
    """Compute the scale-invariant signal-to-distortion ratio of each example of a batch, differentiably.

    The value is finite for any input, and meaningless where the reference is silent. To score tracks in numpy, with
    NaN for silence, see `tfsep.evaluation.si_sdr`.

    Args:
        reference: float tensor `[batch, samples, channels]`.
        estimate: float tensor of the same shape.

    Returns:
        float32 tensor `[batch]`, in dB, over all samples and channels.

    Example:

    >>> reference = keras.random.normal((4, 1000, 2), seed=0)
    >>> values = tfsep.metrics.si_sdr(reference, reference + 0.1 * ops.flip(reference, axis=1))
    >>> tuple(values.shape)
    (4,)

    Reference:

    - [Le Roux et al., 2019, SDR - half-baked or well done?](https://arxiv.org/abs/1811.02508)
    """
    reference, estimate = ops.cast(reference, "float32"), ops.cast(estimate, "float32")
    energy = ops.sum(ops.square(reference), axis=(1, 2), keepdims=True)
    scale = ops.sum(reference * estimate, axis=(1, 2), keepdims=True) / ops.maximum(energy, _FLOOR)
    target = scale * reference
    signal = ops.sum(ops.square(target), axis=(1, 2))
    noise = ops.sum(ops.square(estimate - target), axis=(1, 2))
    return 10.0 * ops.log10(ops.maximum(signal, _FLOOR) / ops.maximum(noise, _FLOOR))


def usdr(reference, estimate, delta=1e-7):
    """Compute the SDR of each example of a batch as the MDX and SDX challenges do, differentiably.

    To score tracks in numpy, see `tfsep.evaluation.usdr`.

    Args:
        reference: float tensor `[batch, samples, channels]`.
        estimate: float tensor of the same shape.
        delta: float, energy that keeps the ratio finite for silence. Defaults to 1e-7.

    Returns:
        float32 tensor `[batch]`, in dB, over all samples and channels.

    Example:

    >>> reference = keras.random.normal((2, 1000, 1), seed=0)
    >>> tfsep.metrics.usdr(reference, 0.9 * reference).numpy().round()
    array([20., 20.], dtype=float32)

    Reference:

    - [Mitsufuji et al., 2022, Music Demixing Challenge 2021](https://doi.org/10.3389/frsip.2021.808395)
    """
    reference, estimate = ops.cast(reference, "float32"), ops.cast(estimate, "float32")
    signal = ops.sum(ops.square(reference), axis=(1, 2))
    distortion = ops.sum(ops.square(reference - estimate), axis=(1, 2))
    return 10.0 * ops.log10((signal + delta) / (distortion + delta))


@keras.saving.register_keras_serializable(package="tfsep")
class uSDR(keras.metrics.Mean):  # noqa: N801 - the name of the measure
    """Mean over examples of the SDR of the MDX and SDX challenges, in dB; silent references count, too.

    Args:
        name: str. Defaults to `"mean"`.
        dtype: dtype of the result. Defaults to Keras's float type.

    Example:

    >>> metric = tfsep.metrics.uSDR(name="vocals_usdr")
    >>> reference = keras.random.normal((2, 1000, 1), seed=0)
    >>> metric.update_state(reference, 0.9 * reference)
    >>> round(float(metric.result()))
    20
    """

    def update_state(self, reference, estimate):
        super().update_state(usdr(reference, estimate))


@keras.saving.register_keras_serializable(package="tfsep")
class SISDR(keras.metrics.Mean):
    """Mean SI-SDR in dB over the examples whose reference is not silent.

    With `update_state(reference, estimate, improvement_over)`, the improvement over a signal such as the mixture.

    Args:
        name: str. Defaults to `"mean"`.
        dtype: dtype of the result. Defaults to Keras's float type.

    Example:

    >>> metric = tfsep.metrics.SISDR(name="vocals_si_sdr")
    >>> reference = keras.random.normal((2, 1000, 1), seed=0)
    >>> noise = keras.random.normal((2, 1000, 1), seed=1)
    >>> metric.update_state(reference, reference + 0.1 * noise)
    >>> round(float(metric.result()))
    20
    """

    def update_state(self, reference, estimate, improvement_over=None):
        values = si_sdr(reference, estimate)
        if improvement_over is not None:
            values = values - si_sdr(reference, improvement_over)
        super().update_state(values, sample_weight=is_audible(reference))


@keras.saving.register_keras_serializable(package="tfsep")
class SilentReferences(keras.metrics.Sum):
    """Number of examples whose reference is silent, which `SISDR` skips.

    Args:
        name: str. Defaults to `"sum"`.
        dtype: dtype of the result. Defaults to Keras's float type.

    Example:

    >>> metric = tfsep.metrics.SilentReferences()
    >>> metric.update_state(ops.zeros((3, 1000, 1)))
    >>> float(metric.result())
    3.0
    """

    def update_state(self, reference):
        super().update_state(1.0 - is_audible(reference))


def is_audible(reference):
    """Return float32 `[batch]`: 1.0 where a reference `[batch, samples, channels]` is not silent, else 0.0."""
    power = ops.mean(ops.square(ops.cast(reference, "float32")), axis=(1, 2))
    return ops.cast(power > _SILENCE, "float32")
