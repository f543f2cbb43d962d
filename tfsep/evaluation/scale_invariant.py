"""Scale-invariant SDR of whole tracks."""

from __future__ import annotations

import numpy as np

from tfsep.evaluation import windows
from tfsep.evaluation.bsseval import decibels


def si_sdr(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Compute the scale-invariant signal-to-distortion ratio of each source over the whole track.

    The reference is scaled to be nearest to the estimate; their difference is the distortion. Means are not
    subtracted. For a batch of tensors in training, see `tfsep.metrics.si_sdr`.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.

    Returns:
        float64 `[sources]`, in dB, over all samples and channels. NaN if the reference or the estimate is silent,
        infinity if the estimate is a scaled reference.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> references = np.random.default_rng(0).normal(0, 0.1, (2, 8000, 1))
    >>> estimates = 0.5 * references + 0.05 * references[::-1]
    >>> tfsep.evaluation.si_sdr(references, estimates).round()
    array([20., 20.])

    Reference:

    - [Le Roux et al., 2019, SDR - half-baked or well done?](https://arxiv.org/abs/1811.02508)
    """
    references, estimates = windows.checked(references, estimates)
    return np.array([_ratio(reference, estimate) for reference, estimate in zip(references, estimates, strict=True)])


def _ratio(reference, estimate):
    reference, estimate = reference.astype(np.float64), estimate.astype(np.float64)
    energy = np.vdot(reference, reference)
    if not (energy and estimate.any()):
        return np.nan
    target = np.vdot(reference, estimate) / energy * reference
    distortion = estimate - target
    return float(decibels(np.vdot(target, target), np.vdot(distortion, distortion)))
