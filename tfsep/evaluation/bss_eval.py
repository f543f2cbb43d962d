"""BSS Eval v4 for images, in windows, by museval's conventions."""

from __future__ import annotations

import functools
import logging

import numpy as np

MEASURES = ("SDR", "ISR", "SIR", "SAR")

_log = logging.getLogger("tfsep")


def sdr(
    references: np.ndarray,
    estimates: np.ndarray,
    sample_rate: int,
    window: float = 1.0,
    hop: float = 1.0,
) -> np.ndarray:
    """Signal-to-distortion ratio of each source in each window, as BSS Eval v4 defines it.

    For images the distortion filters cancel out of the SDR, which leaves
    `10 log10(sum(s^2) / sum((e - s)^2))` over the samples and channels of a window: no filter is estimated.

    The conventions are museval's. Only whole windows count, so a last partial one is left out; a track
    shorter than a window is one window. A window in which any reference or estimate is silent is NaN for
    every source; silent means that the channels add up to zero at each sample. A perfect estimate gives
    infinity.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        sample_rate: int, samples per second.
        window: float, length of a window in seconds. Defaults to 1.0.
        hop: float, distance between the starts of windows in seconds. Defaults to 1.0.

    Returns:
        float64 `[sources, windows]`, in dB.

    Raises:
        ValueError: for arrays that are empty, not finite or of differing shapes, and for a window or hop of
            less than a sample.

    Reference:

    - [Stöter et al., 2018, The 2018 Signal Separation Evaluation Campaign](https://arxiv.org/abs/1804.06267)
    """
    references, estimates = _checked(references, estimates)
    windows = _windows(references.shape[1], *_in_samples(sample_rate, window, hop))
    ratios = np.full((len(references), len(windows)), np.nan)
    for index, span in enumerate(windows):
        # Sums in float64, window by window: a whole track in float64 would take twice its memory.
        reference = references[:, span].astype(np.float64)
        estimate = estimates[:, span].astype(np.float64)
        if _any_silent(reference) or _any_silent(estimate):
            continue
        signal = np.sum(reference**2, axis=(1, 2))
        distortion = np.sum((estimate - reference) ** 2, axis=(1, 2))
        with np.errstate(divide="ignore"):
            ratios[:, index] = 10 * np.log10(signal / distortion)
    return ratios


def bss_eval(
    references: np.ndarray,
    estimates: np.ndarray,
    sample_rate: int,
    window: float = 1.0,
    hop: float = 1.0,
    sdr_only: bool = False,
) -> dict[str, np.ndarray]:
    """SDR, ISR, SIR and SAR of each source in each window (BSS Eval v4, images).

    The SDR is `tfsep.evaluation.sdr`. The other three come from museval, which wants the executables ffmpeg
    and ffprobe, and some 20 MB of memory per second of four stereo sources. They are NaN where museval cannot
    be imported, where it meets a singular system, and where a source is silent throughout, which museval
    refuses.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        sample_rate: int, samples per second.
        window: float, length of a window in seconds. Defaults to 1.0.
        hop: float, distance between the starts of windows in seconds. Defaults to 1.0.
        sdr_only: bool, leaves ISR, SIR and SAR out. Defaults to False.

    Returns:
        dict from measure to float64 `[sources, windows]`, in dB.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> values = tfsep.evaluation.bss_eval(references, estimates, sample_rate=44100)
    >>> np.nanmedian(values["SDR"], axis=1)
    """
    measures = {"SDR": sdr(references, estimates, sample_rate, window, hop)}
    if sdr_only:
        return measures
    others = _filter_measures(references, estimates, *_in_samples(sample_rate, window, hop))
    if others is None:
        others = [np.full_like(measures["SDR"], np.nan) for _ in MEASURES[1:]]
    return {**measures, **dict(zip(MEASURES[1:], others, strict=True))}


@functools.cache  # tried, and complained of, once
def _import_museval():
    try:
        import museval
    except (ImportError, RuntimeError) as error:  # RuntimeError: ffmpeg or ffprobe is not on PATH
        reason = str(error).strip().splitlines()[0]
        _log.warning(
            "ISR, SIR and SAR are left out, because museval cannot be imported (%s). "
            "Install ffmpeg with ffprobe, or ask for SDR only.",
            reason,
        )
        return None
    return museval


def _filter_measures(references, estimates, window, hop):
    """ISR, SIR and SAR by museval; None where they are not defined."""
    references, estimates = (np.asarray(audio, np.float64) for audio in (references, estimates))
    if _any_silent(references) or _any_silent(estimates):
        return None
    museval = _import_museval()
    if museval is None:
        return None
    try:
        return museval.evaluate(references, estimates, win=window, hop=hop)[1:]
    except (np.linalg.LinAlgError, AttributeError) as error:
        # museval 0.4.1 handles a singular system through a name that NumPy 2 has removed.
        if isinstance(error, AttributeError) and "numpy.linalg" not in str(error):
            raise
        _log.warning("ISR, SIR and SAR are left out: museval met a singular system.")
        return None


def _checked(references, estimates):
    references, estimates = np.asarray(references), np.asarray(estimates)
    if references.ndim != 3 or not references.size:
        raise ValueError(
            f"references must be a non-empty array [sources, samples, channels]. Received shape: {references.shape}."
        )
    if estimates.shape != references.shape:
        raise ValueError(
            f"estimates must have the shape of references, {references.shape}. Received shape: {estimates.shape}."
        )
    for name, audio in (("references", references), ("estimates", estimates)):
        if not np.isfinite(audio).all():
            raise ValueError(f"{name} hold NaN or infinity. Expected finite audio.")
    return references, estimates


def _in_samples(sample_rate, window, hop):
    # Truncated, not rounded, as museval does it.
    lengths = int(window * sample_rate), int(hop * sample_rate)
    if min(lengths) < 1:
        raise ValueError(
            f"window and hop must be at least one sample. Received: window={window} s, hop={hop} s at {sample_rate} Hz."
        )
    return lengths


def _windows(samples, window, hop):
    starts = range(0, max(samples - window, 0) + 1, hop)
    return [slice(start, start + window) for start in starts]


def _any_silent(sources):
    return bool(np.any(np.all(sources.sum(axis=2) == 0, axis=1)))
