"""How scores of tracks become that of a corpus, and how sure it is."""

from __future__ import annotations

import math
import warnings

import numpy as np

_RESAMPLES = 1000


def aggregate(matrix: np.ndarray, weights: np.ndarray, how: str) -> np.ndarray:
    """Reduce `[..., tracks, columns]` to `[..., columns]`; NaN is left out, and remains where there is nothing else.

    Args:
        matrix: float array `[..., tracks, columns]`.
        weights: float array `[..., tracks]`, used by means.
        how: str, `"median"`, `"mean"` or `"weighted mean"`.
    """
    if how == "median":
        return nanmedian(matrix, axis=-2)
    weights = np.where(np.isnan(matrix), 0, weights[..., np.newaxis])
    with np.errstate(invalid="ignore"):
        return np.nansum(weights * matrix, axis=-2) / weights.sum(axis=-2)


def bootstrap_interval(matrix: np.ndarray, weights: np.ndarray, how: str, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean over columns of `aggregate`, over 1000 resamples of the tracks.

    It is NaN if fewer than two tracks have a score, or a column has none.
    """
    known = ~np.isnan(matrix).all(axis=1)
    matrix, weights = matrix[known], weights[known]
    if len(matrix) < 2 or np.isnan(matrix).all(axis=0).any():
        return math.nan, math.nan
    picks = np.random.default_rng(seed).integers(len(matrix), size=(_RESAMPLES, len(matrix)))
    resampled = aggregate(matrix[picks], weights[picks], how).mean(axis=-1)
    low, high = np.percentile(resampled[~np.isnan(resampled)], [2.5, 97.5])
    return float(low), float(high)


def nanmedian(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return the median without NaN; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.nanmedian(values, axis=axis)
