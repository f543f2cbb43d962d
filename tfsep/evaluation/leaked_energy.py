"""Energy of estimates where their reference is silent, which BSS Eval cannot score."""

from __future__ import annotations

import numpy as np

from tfsep.evaluation import windows


def leakage(
    references: np.ndarray,
    estimates: np.ndarray,
    sample_rate: int,
    window: float = 1.0,
    hop: float = 1.0,
) -> np.ndarray:
    """Compute the energy of each estimate where its reference is silent, relative to the mixture.

    BSS Eval is undefined in a window in which every sample of a reference is zero. This measure is
    `10 log10(sum(e^2) / sum(x^2))` there, where `x` is the sum of all references: the share of the other sources that
    leaks into the estimate, independent of the level of the track. 0 dB is the mixture itself, -inf a silent estimate.
    Windows in which the source is active or the mixture is silent are NaN.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        sample_rate: int, samples per second.
        window: float, length of a window in seconds, `math.inf` for the whole track. Defaults to 1.0.
        hop: float, distance between the starts of windows in seconds. Defaults to 1.0.

    Returns:
        float64 `[sources, windows]`, in dB. The windows are those of `tfsep.evaluation.sdr`.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> references = np.zeros((2, 16000, 1))
    >>> references[1], references[0, 8000:] = 0.1, 0.1  # the first source is silent for a second
    >>> estimates = np.full(references.shape, 0.01)
    >>> tfsep.evaluation.leakage(references, estimates, sample_rate=8000).round()
    array([[-20.,  nan],
           [ nan,  nan]])
    """
    references, estimates = windows.checked(references, estimates)
    spans = windows.windows(references.shape[1], sample_rate, window, hop)
    leaked = np.full((len(references), len(spans)), np.nan)
    for index, span in enumerate(spans):
        silent = ~references[:, span].any(axis=(1, 2))
        if not silent.any():
            continue
        mixture = windows.energies(references[:, span].sum(axis=0, keepdims=True))
        if mixture > 0:
            with np.errstate(divide="ignore"):
                leaked[silent, index] = 10 * np.log10(windows.energies(estimates[silent, span]) / mixture)
    return leaked
