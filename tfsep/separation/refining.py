"""Estimates of any model refined: by the multichannel Wiener filter, or above the band of the model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
from keras import ops

from tfsep.layers import STFT, magnitude
from tfsep.layers.wiener import PEAK, wiener_filter
from tfsep.separation.engine import separate_blocks

# Seconds that the filter's statistics are taken of.
_SECONDS = 10
_N_FFT = 4096
_LEAST_POWER = 1e-10


class Refinement:
    """Base of what refines estimates, with the interface of a model whose input are the mixture and the estimates.

    It has no state, and is compiled by XLA under TensorFlow, which halves time and memory.

    Args:
        sources: names of the estimates.
        channels: int, of each of them.
        sample_rate: int, of the estimates in hertz.
    """

    overlap = 0.0625
    context = _N_FFT
    batch_size = 1

    def __init__(self, sources: tuple[str, ...], channels: int, sample_rate: int):
        self.sources = sources
        self.channels = channels * (len(sources) + 1)
        self.segment = _SECONDS * sample_rate
        self._shape = len(sources) + 1, channels
        self._stft = STFT(_N_FFT, _N_FFT // 4)

    @functools.cached_property
    def compiled_separate_window(self) -> Callable:
        """`separate_window`, compiled by XLA under TensorFlow, and with the float64 that it needs under JAX."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # As in `TensorFlowSteps.compiled_separate_window`.
            return tf.function(functools.partial(self.separate_window), jit_compile=True, autograph=False)
        if keras.backend.backend() == "jax":
            try:
                from jax import enable_x64
            except ImportError:  # before JAX 0.8
                from jax.experimental import enable_x64

            return enable_x64(True)(self.separate_window)
        return self.separate_window

    def separate_window(self, window) -> dict:
        """Return the refined estimates `[batch, segment, channels]` of a window `[batch, size, all channels]`."""
        size = window.shape[1]
        mixture, *estimates = ops.unstack(ops.reshape(window, (-1, size, *self._shape)), axis=2)
        spectra = self._refined(mixture, estimates)
        return {
            name: self._stft.inverse(*spectrum, size)[:, self.context : size - self.context]
            for name, spectrum in zip(self.sources, spectra, strict=True)
        }

    def _refined(self, mixture, estimates: list) -> list[tuple]:
        """Return real and imaginary part of each refined estimate, from waveforms `[batch, size, channels]`."""
        raise NotImplementedError


class WienerRefinement(Refinement):
    """The multichannel Wiener filter, in which what the estimates leave of the mixture is one more source.

    Args:
        sources, channels, sample_rate: see `Refinement`; 1 or 2 channels.
        iterations: int, of expectation-maximisation.
        adds_up: bool, whether the estimates leave nothing.
    """

    def __init__(self, sources: tuple[str, ...], channels: int, sample_rate: int, iterations: int, adds_up: bool):
        super().__init__(sources, channels, sample_rate)
        self._iterations, self._adds_up = iterations, adds_up

    def _refined(self, mixture, estimates: list) -> list[tuple]:
        rest = [] if self._adds_up else [mixture - sum(estimates)]
        whole, *spectra = map(self._stft, (mixture, *estimates, *rest))
        # The filter scales loud mixtures down to this peak; quiet ones would be lost in what it adds to denominators.
        peak = ops.max(magnitude(*whole), axis=(1, 2, 3), keepdims=True) / PEAK
        whole, *spectra = (tuple(part / peak for part in spectrum) for spectrum in (whole, *spectra))
        magnitudes = ops.stack([magnitude(*spectrum) for spectrum in spectra], axis=1)
        parts = wiener_filter(magnitudes, whole, self._iterations, softmask=True)
        return [tuple(peak * part[:, index] for part in parts) for index in range(len(estimates))]


class BandExtension(Refinement):
    """Estimates continued above the band of their model.

    Above the band each estimate is the mixture times the mean of the estimate's mask in the octave below. Masks are
    shares of the power of all estimates and of what they leave of the mixture.

    Args:
        sources, channels, sample_rate: see `Refinement`.
        model_rate: int, of the model in hertz.
    """

    def __init__(self, sources: tuple[str, ...], channels: int, sample_rate: int, model_rate: int):
        super().__init__(sources, channels, sample_rate)
        # Resampling cuts off the highest tenth of the band.
        self._inside = int(0.9 * model_rate / sample_rate * (_N_FFT // 2))

    def _refined(self, mixture, estimates: list) -> list[tuple]:
        inside = self._inside
        whole, *spectra = map(self._stft, (mixture, *estimates, mixture - sum(estimates)))
        powers = [ops.square(real[:, :, :inside]) + ops.square(imag[:, :, :inside]) for real, imag in spectra]
        masks = ops.stack(powers[:-1], axis=1) / (ops.expand_dims(sum(powers), 1) + _LEAST_POWER)
        masks = ops.mean(masks[:, :, :, inside // 2 :], axis=3, keepdims=True)
        return [
            tuple(
                ops.concatenate([below[:, :, :inside], masks[:, index] * above[:, :, inside:]], axis=2)
                for below, above in zip(spectrum, whole, strict=True)
            )
            for index, spectrum in enumerate(spectra[:-1])
        ]


def refine(
    estimates: Iterable[np.ndarray], mixture, samples: int | None, refinement: Refinement
) -> Iterator[np.ndarray]:
    """Refine estimates, ten seconds at a time.

    Args:
        estimates: float32 blocks `[n, sources, channels]`, `samples` in all.
        mixture: `Delay` of the stream that the estimates come from.
        samples: int, length of the audio; None if it is not known yet.
        refinement: a `Refinement`.

    Returns:
        Iterator over float32 blocks `[n, sources, channels]`, `samples` in all.
    """

    def inputs() -> Iterator[np.ndarray]:
        for block in estimates:
            yield np.concatenate([mixture.take(len(block)), block.reshape(len(block), -1)], axis=1)

    return separate_blocks(inputs(), samples, refinement.channels, refinement)
