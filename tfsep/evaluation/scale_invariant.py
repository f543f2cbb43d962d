"""Scale-invariant SDR of whole tracks."""

from __future__ import annotations

import numpy as np

from tfsep.evaluation import windows
from tfsep.evaluation.bsseval import decibels


def si_sdr(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio of each source over the whole track.

    The reference is scaled by the factor with which it comes nearest to the estimate; what the estimate differs from
    that is distortion. Means are not taken away. Each source is judged by itself.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.

    Returns:
        float64 `[sources]`, in dB, over all samples and channels. NaN where the reference or the estimate is silent,
        infinity where the estimate is the reference but for its level.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

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
