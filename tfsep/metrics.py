"""Scale-invariant SDR, as a function and as Keras metrics."""

from __future__ import annotations

import keras
from keras import ops

__all__ = ["SISDR", "SilentReferences", "si_sdr"]


def __dir__() -> list[str]:
    return __all__


# Energy below which a reference counts as silent: -100 dB of full scale in the mean.
_SILENCE = 1e-10
_FLOOR = 1e-12


def si_sdr(reference, estimate):
    """Scale-invariant signal-to-distortion ratio.

    Args:
        reference: `[batch, samples, channels]`.
        estimate: the same shape.

    Returns:
        `[batch]`, in dB, over all samples and channels. Meaningless where the reference is silent.

    Reference:
        Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019. https://arxiv.org/abs/1811.02508
    """
    reference, estimate = ops.cast(reference, "float32"), ops.cast(estimate, "float32")
    energy = ops.sum(ops.square(reference), axis=(1, 2), keepdims=True)
    scale = ops.sum(reference * estimate, axis=(1, 2), keepdims=True) / ops.maximum(energy, _FLOOR)
    target = scale * reference
    signal = ops.sum(ops.square(target), axis=(1, 2))
    noise = ops.sum(ops.square(estimate - target), axis=(1, 2))
    return 10.0 * ops.log10(ops.maximum(signal, _FLOOR) / ops.maximum(noise, _FLOOR))


@keras.saving.register_keras_serializable(package="tfsep")
class SISDR(keras.metrics.Mean):
    """Mean SI-SDR in dB over the examples whose reference is not silent.

    `improvement_over`, given to `update_state`, makes it the improvement over that signal: the mixture.
    """

    def update_state(self, reference, estimate, improvement_over=None):
        values = si_sdr(reference, estimate)
        if improvement_over is not None:
            values = values - si_sdr(reference, improvement_over)
        super().update_state(values, sample_weight=is_audible(reference))


@keras.saving.register_keras_serializable(package="tfsep")
class SilentReferences(keras.metrics.Sum):
    """Number of examples whose reference is silent, which the SI-SDR leaves out."""

    def update_state(self, reference):
        super().update_state(1.0 - is_audible(reference))


def is_audible(reference):
    """1.0 where a reference `[batch, samples, channels]` is not silent, else 0.0; float32 `[batch]`."""
    power = ops.mean(ops.square(ops.cast(reference, "float32")), axis=(1, 2))
    return ops.cast(power > _SILENCE, "float32")
