"""Bounds for a table of scores: the mixture itself below, an oracle that knows the sources above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.signal

from tfsep.datasets import components

_N_FFT = 2048  # Hann window, hop of half of it: scipy's defaults, which SiSEC's oracles use


def mixture_estimates(mixture: np.ndarray, targets: Sequence[str], sources: Sequence[str]) -> dict[str, np.ndarray]:
    """The mixture as the estimate of every target: SiSEC 2018's MIX, the score of doing nothing.

    Args:
        mixture: float array `[samples, channels]`.
        targets: names to estimate. `"accompaniment"` stands for all sources that are not in `targets`.
        sources: names of the track's stems.

    Returns:
        dict from target to the mixture times (stems in the target / stems in the track).

    Raises:
        ValueError: if a target is neither a source nor accompaniment.
    """
    parts = components(targets, sources)
    return {target: mixture * np.float32(len(parts[target]) / len(sources)) for target in targets}


def ideal_ratio_mask(
    mixture: np.ndarray, stems: Mapping[str, np.ndarray], targets: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Separates a mixture with masks made from the true magnitudes: SiSEC 2018's oracle IRM1.

    The mask of a stem is `|S| / (eps + sum of all |S|)`, for each channel by itself, with an STFT of 2048
    samples, hop 1024 and a Hann window. It is applied to the complex STFT of the mixture.

    Args:
        mixture: float array `[samples, channels]`.
        stems: dict from the name of each of the track's stems to its audio, shaped as the mixture.
        targets: names to estimate. `"accompaniment"` stands for all stems that are not in `targets`. Defaults
            to the stems.

    Returns:
        dict from target to float32 `[samples, channels]`.

    Raises:
        ValueError: if a target is neither a stem nor accompaniment.

    Reference:

    - [Liutkus and Badeau, 2015, Generalized Wiener filtering with fractional power
      spectrograms](https://hal.science/hal-01110028)
    """
    targets = tuple(stems) if targets is None else tuple(targets)
    parts = components(targets, tuple(stems))
    estimates = {target: np.empty(mixture.shape, np.float32) for target in targets}
    for channel in range(mixture.shape[1]):  # one by one, since spectrograms take much more memory than audio
        spectrum = _stft(mixture[:, channel])
        magnitudes = {name: np.abs(_stft(stem[:, channel])) for name, stem in stems.items()}
        total = np.finfo(np.float64).eps + sum(magnitudes.values())
        for target in targets:
            mask = sum(magnitudes[name] for name in parts[target]) / total
            _, audio = scipy.signal.istft(mask * spectrum, nperseg=_N_FFT)
            estimates[target][:, channel] = audio[: len(mixture)]
    return estimates


def _stft(audio):
    # Below one frame scipy would shorten the frame instead.
    padded = np.pad(audio.astype(np.float64), (0, max(0, _N_FFT - len(audio))))
    return scipy.signal.stft(padded, nperseg=_N_FFT)[2]
