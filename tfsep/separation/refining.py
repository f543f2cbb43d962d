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


def refine(
    estimates: Iterable[np.ndarray],
    mixture,
    samples: int | None,
    channels: int,
    sources: tuple[str, ...],
    sample_rate: int,
    iterations: int,
) -> Iterator[np.ndarray]:
    """Refine estimates by the multichannel Wiener filter, ten seconds at a time.

    Args:
        estimates: float32 blocks `[n, sources, channels]`, `samples` in all.
        mixture: `Delay` of the stream that the estimates come from.
        samples: int, length of the audio; None if it is not known yet.
        channels: int, channels of the audio.
        sources: names of the estimates.
        sample_rate: int, in hertz.
        iterations: int, of expectation-maximisation.

    Yields:
        Float32 blocks `[n, sources, channels]`, `samples` in all.
    """
    model = WienerRefinement(sources, channels, sample_rate, iterations)

    def inputs() -> Iterator[np.ndarray]:
        for block in estimates:
            yield np.concatenate([mixture.take(len(block)), block.reshape(len(block), -1)], axis=1)

    return separate_blocks(inputs(), samples, model.channels, model)
