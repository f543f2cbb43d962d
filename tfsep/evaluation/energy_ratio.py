"""The SDR of the music demixing challenges, over whole tracks and defined for silence."""

from __future__ import annotations

import numpy as np

from tfsep.evaluation import windows


def usdr(references: np.ndarray, estimates: np.ndarray, delta: float = 1e-7) -> np.ndarray:
    """Compute the SDR of each source over the whole track, as the MDX and SDX challenges do (uSDR).

    The ratio is `10 log10((sum(s^2) + delta) / (sum((s - e)^2) + delta))` over all samples and channels. It is finite
    for perfect estimates and for silence, where it depends on `delta`. The challenges average it over sources and
    songs.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        delta: float, energy that keeps the ratio finite; the code of Music-Source-Separation-Training uses 1e-8.
            Defaults to 1e-7, that of the challenges.

    Returns:
        float64 `[sources]`, in dB.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> references = np.random.default_rng(0).normal(0, 0.1, (2, 8000, 1))
    >>> tfsep.evaluation.usdr(references, 0.9 * references).round(2)
    array([20., 20.])

    Reference:

    - [Mitsufuji et al., 2022, Music Demixing Challenge 2021](https://doi.org/10.3389/frsip.2021.808395)
    - [Fabbro et al., 2024, The Sound Demixing Challenge 2023](https://arxiv.org/abs/2308.06979)
    """
    references, estimates = windows.checked(references, estimates)
    signal, distortion = windows.energies(references), windows.energies(estimates, references)
    return 10 * np.log10((signal + delta) / (distortion + delta))
