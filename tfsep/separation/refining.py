"""Estimates refined by the multichannel Wiener filter, for any model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from keras import ops

from tfsep.layers import STFT, magnitude
from tfsep.layers.wiener import wiener_filter
from tfsep.separation.engine import separate_blocks

# Seconds that the filter's statistics are taken of.
_SECONDS = 10
_N_FFT = 4096
_LEAST_POWER = 1e-10


class WienerRefinement:
    """The Wiener filter with the interface of a model, whose input are the mixture and the estimates.

    Args:
        sources: names of the estimates.
        channels: int, 1 or 2, of each of them.
        sample_rate: int, in hertz.
        iterations: int, of expectation-maximisation.
    """

    context = _N_FFT
    batch_size = 1

    def __init__(self, sources: tuple[str, ...], channels: int, sample_rate: int, iterations: int):
        self.sources = sources
        self.channels = channels * (len(sources) + 1)
        self.segment = _SECONDS * sample_rate
        self._shape = len(sources) + 1, channels
        self._iterations = iterations
        self._stft = STFT(_N_FFT, _N_FFT // 4)

    def separate_window(self, window: np.ndarray) -> dict[str, np.ndarray]:
        """Return the refined estimates `[batch, segment, channels]` of a window `[batch, size, all channels]`."""
        size = window.shape[1]
        parts = np.moveaxis(window.reshape(*window.shape[:2], *self._shape), 2, 1)
        spectra = [self._stft(ops.convert_to_tensor(parts[:, index])) for index in range(self._shape[0])]
        magnitudes = ops.stack([magnitude(*spectrum) for spectrum in spectra[1:]], axis=1)
        refined = wiener_filter(magnitudes, spectra[0], self._iterations, softmask=True)
        return {
            name: self._stft.inverse(*(part[:, index] for part in refined), size)[:, self.context : -self.context]
            for index, name in enumerate(self.sources)
        }


class BandExtension:
    """Estimates continued above the band of their model, with the interface of a model as `WienerRefinement`.

    Above the band each estimate is the mixture times the mean of the estimate's mask in the octave below. Masks are
    shares of the power of all estimates and of what they leave of the mixture.

    Args:
        sources: names of the estimates.
        channels: int, of each of them.
        sample_rate: int, of the estimates in hertz.
        model_rate: int, of the model in hertz.
    """

    context = _N_FFT
    batch_size = 1

    def __init__(self, sources: tuple[str, ...], channels: int, sample_rate: int, model_rate: int):
        self.sources = sources
        self.channels = channels * (len(sources) + 1)
        self.segment = _SECONDS * sample_rate
        self._shape = len(sources) + 1, channels
        self._stft = STFT(_N_FFT, _N_FFT // 4)
        # Resampling cuts off the highest tenth of the band.
        self._inside = int(0.9 * model_rate / sample_rate * (_N_FFT // 2))

    def separate_window(self, window: np.ndarray) -> dict[str, np.ndarray]:
        """Return the estimates `[batch, segment, channels]` of a window `[batch, size, all channels]`."""
        size, inside = window.shape[1], self._inside
        parts = np.moveaxis(window.reshape(*window.shape[:2], *self._shape), 2, 1)
        rest = parts[:, :1] - parts[:, 1:].sum(axis=1, keepdims=True)
        spectra = [self._stft(ops.convert_to_tensor(part)) for part in np.moveaxis(np.append(parts, rest, 1), 1, 0)]
        powers = [ops.square(real[:, :, :inside]) + ops.square(imag[:, :, :inside]) for real, imag in spectra[1:]]
        masks = ops.stack(powers[:-1], axis=1) / (ops.expand_dims(sum(powers), 1) + _LEAST_POWER)
        masks = ops.mean(masks[:, :, :, inside // 2 :], axis=3, keepdims=True)
        estimates = {}
        for index, (name, estimate) in enumerate(zip(self.sources, spectra[1:-1], strict=True)):
            extended = (
                ops.concatenate([below[:, :, :inside], masks[:, index] * mixture[:, :, inside:]], axis=2)
                for below, mixture in zip(estimate, spectra[0], strict=True)
            )
            estimates[name] = self._stft.inverse(*extended, size)[:, self.context : -self.context]
        return estimates


def refine(estimates: Iterable[np.ndarray], mixture, samples: int | None, refinement) -> Iterator[np.ndarray]:
    """Refine estimates, ten seconds at a time.

    Args:
        estimates: float32 blocks `[n, sources, channels]`, `samples` in all.
        mixture: `Delay` of the stream that the estimates come from.
        samples: int, length of the audio; None if it is not known yet.
        refinement: `WienerRefinement` or `BandExtension`.

    Returns:
        Iterator over float32 blocks `[n, sources, channels]`, `samples` in all.
    """

    def inputs() -> Iterator[np.ndarray]:
        for block in estimates:
            yield np.concatenate([mixture.take(len(block)), block.reshape(len(block), -1)], axis=1)

    return separate_blocks(inputs(), samples, refinement.channels, refinement)
