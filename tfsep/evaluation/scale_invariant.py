"""Scale-invariant SDR, SIR and SAR of whole tracks."""

from __future__ import annotations

import numpy as np

from tfsep.evaluation import windows
from tfsep.evaluation.bsseval import decibels

_BLOCK = 1 << 16  # samples at a time: a whole track in float64 takes twice its memory


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


def si_bss_eval(references: np.ndarray, estimates: np.ndarray) -> dict[str, np.ndarray]:
    """Compute SI-SDR, SI-SIR and SI-SAR of each source over the whole track.

    The estimate is the scaled reference of `si_sdr`, plus interference, plus artifacts. Reference and interference
    add up to the projection of the estimate on all references; artifacts are the remainder. SI-SIR and SI-SAR are the
    ratios of the energy of the scaled reference to those of interference and artifacts. References that are silent or
    linearly dependent span a smaller space.

    Args:
        references: float array `[sources, samples, channels]`, the true sources, all of them.
        estimates: float array of the same shape.

    Returns:
        dict from `"SI-SDR"`, `"SI-SIR"` and `"SI-SAR"` to float64 `[sources]`, in dB. NaN if the reference or the
        estimate is silent; infinity without distortion, interference or artifacts.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> references = np.random.default_rng(0).normal(0, 0.1, (2, 8000, 1))
    >>> noise = np.random.default_rng(1).normal(0, 0.1, (1, 8000, 1))
    >>> values = tfsep.evaluation.si_bss_eval(references, references + 0.1 * references[::-1] + 0.01 * noise)
    >>> {name: value.round().tolist() for name, value in values.items()}
    {'SI-SDR': [20.0, 20.0], 'SI-SIR': [20.0, 20.0], 'SI-SAR': [40.0, 40.0]}

    Reference:

    - [Le Roux et al., 2019, SDR - half-baked or well done?](https://arxiv.org/abs/1811.02508)
    """
    references, estimates = windows.checked(references, estimates)
    sources, estimates = (audio.reshape(len(audio), -1) for audio in (references, estimates))
    gram, products = (_products(sources, signals) for signals in (sources, estimates))
    gains = np.linalg.pinv(gram, hermitian=True) @ products  # of the sources, whose sums are the projections
    artifacts = _remainders(estimates, sources, gains)
    values = {
        "SI-SDR": si_sdr(references, estimates.reshape(references.shape)),
        **{name: np.full(len(sources), np.nan) for name in ("SI-SIR", "SI-SAR")},
    }
    for index in np.flatnonzero(~np.isnan(values["SI-SDR"])):
        scale = products[index, index] / gram[index, index]
        signal = scale**2 * gram[index, index]
        others = gains[:, index] - scale * (np.arange(len(sources)) == index)
        interference = max(0.0, others @ gram @ others) if len(sources) > 1 else 0.0
        values["SI-SIR"][index] = decibels(signal, interference)
        values["SI-SAR"][index] = decibels(signal, artifacts[index])
    return values


def _ratio(reference, estimate):
    reference, estimate = reference.astype(np.float64), estimate.astype(np.float64)
    energy = np.vdot(reference, reference)
    if not (energy and estimate.any()):
        return np.nan
    target = np.vdot(reference, estimate) / energy * reference
    distortion = estimate - target
    return float(decibels(np.vdot(target, target), np.vdot(distortion, distortion)))


def _products(sources, signals):
    """Return the inner products of sources and signals, `[sources, signals]`."""
    blocks = zip(_blocks(sources), _blocks(signals), strict=True)
    return sum(source @ signal.T for source, signal in blocks)


def _remainders(estimates, sources, gains):
    """Return the energy of each estimate minus its weighted sum of sources."""
    blocks = zip(_blocks(estimates), _blocks(sources), strict=True)
    return sum(np.sum((estimate - gains.T @ source) ** 2, axis=1) for estimate, source in blocks)


def _blocks(signals):
    for start in range(0, signals.shape[1], _BLOCK):
        yield signals[:, start : start + _BLOCK].astype(np.float64)
