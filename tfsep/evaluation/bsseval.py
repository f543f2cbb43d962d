"""BSS Eval v4 and v3 in windows, by the conventions of museval and mir_eval."""

from __future__ import annotations

import numpy as np
import scipy.optimize

from tfsep.evaluation import projections, windows
from tfsep.evaluation.projections import ENERGIES

MEASURES = ("SDR", "ISR", "SIR", "SAR")

# Energies whose ratio is the measure; tfsep.evaluation.projections explains the letters.
_IMAGES = {"SDR": ("s", "e-s"), "ISR": ("s", "S-s"), "SIR": ("S", "P-S"), "SAR": ("P", "e-P")}
_SOURCES = {"SDR": ("S", "e-S"), "SIR": ("S", "P-S"), "SAR": ("P", "e-P")}


def sdr(
    references: np.ndarray,
    estimates: np.ndarray,
    sample_rate: int,
    window: float = 1.0,
    hop: float = 1.0,
) -> np.ndarray:
    """Compute the signal-to-distortion ratio of each source in each window (BSS Eval v4).

    The distortion filters cancel out of the SDR of images, so none is estimated: the ratio is
    `10 log10(sum(s^2) / sum((e - s)^2))` over the samples and channels of a window.

    The conventions are museval's. A last partial window is dropped; a track shorter than a window is one window. A
    window in which any reference or estimate is silent is NaN for every source; silent means that the channels add up
    to zero at each sample. A perfect estimate gives infinity.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        sample_rate: int, samples per second.
        window: float, length of a window in seconds, `math.inf` for the whole track. Defaults to 1.0.
        hop: float, distance between the starts of windows in seconds. Defaults to 1.0.

    Returns:
        float64 `[sources, windows]`, in dB.

    Raises:
        ValueError: for arrays that are empty, not of floats, not finite or of differing shapes, and for a
            window or hop of less than a sample.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> references = rng.normal(0, 0.1, (2, 16000, 1))
    >>> estimates = references + rng.normal(0, 0.01, references.shape)
    >>> tfsep.evaluation.sdr(references, estimates, sample_rate=8000).round()
    array([[20., 20.],
           [20., 20.]])

    Reference:

    - [Stöter et al., 2018, The 2018 Signal Separation Evaluation Campaign](https://arxiv.org/abs/1804.06267)
    """
    references, estimates = windows.checked(references, estimates)
    spans = windows.windows(references.shape[1], sample_rate, window, hop)
    ratios = np.full((len(references), len(spans)), np.nan)
    for index, span in enumerate(spans):
        reference, estimate = references[:, span], estimates[:, span]
        if windows.any_silent(reference) or windows.any_silent(estimate):
            continue
        ratios[:, index] = decibels(windows.energies(reference), windows.energies(estimate, reference))
    return ratios


def bss_eval(
    references: np.ndarray,
    estimates: np.ndarray,
    sample_rate: int,
    window: float = 1.0,
    hop: float = 1.0,
    sdr_only: bool = False,
    framewise_filters: bool = False,
    permutation: bool = False,
    noise: float = 0.0,
) -> dict[str, np.ndarray]:
    """Compute SDR, ISR, SIR and SAR of each source in each window (BSS Eval v4 or v3, images).

    Version 4 estimates the distortion filters of 512 taps once on the whole track, version 3 (`framewise_filters`) in
    each window. With `window=math.inf` they are equal.

    The conventions are museval's, see `tfsep.evaluation.sdr`: whole windows, NaN for all sources in a window with a
    silent one. A source that is silent throughout, which museval refuses, makes all windows NaN. Where references
    are linearly dependent, such as the equal channels of a mono stem, the normal equations are regularised with white
    noise 140 dB below each reference (louder if rounding requires it), and scores stay finite.

    ISR, SIR and SAR depend on the emptiest bands of the references. A lossy codec (AAC, mp3, Opus) leaves the highest
    frequencies empty, where the filters are undetermined: the last bits of a decoder change scores by up to 30 dB.
    Rounding to 16 bits fills these bands with noise of 1e-5 (-101 dB), after which scores depend on the music. musdb
    and `tfsep.datasets.MUSDB18` read STEM files in 16 bits; wav and flac of 16 bits contain that noise already. Decode
    other lossy stems to 16 bits, or compare SDR, which needs no filters. Trust scores that `noise=1e-6` does not
    change.

    Memory does not grow with the track. The filters' normal equations take 8 (512 x sources x channels)^2
    bytes: 134 MB for four stereo sources.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        sample_rate: int, samples per second.
        window: float, length of a window in seconds, `math.inf` for the whole track. Defaults to 1.0.
        hop: float, distance between the starts of windows in seconds. Defaults to 1.0.
        sdr_only: bool, compute only `tfsep.evaluation.sdr`. Defaults to False.
        framewise_filters: bool, version 3 instead of version 4. Defaults to False.
        permutation: bool, pair references and estimates so that the mean SIR is highest: once for the track in
            version 4, in each window in version 3. Defaults to False, the given order.
        noise: float, root mean square of white noise added to the references in the normal equations. Defaults to 0.0.

    Returns:
        dict from measure to float64 `[sources, windows]`, in dB. With `permutation` also `"permutation"`, int
        `[sources]` in version 4 and `[sources, windows]` in version 3: the index of each reference's estimate.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`, and for `sdr_only` together with `permutation`.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> references = rng.normal(0, 0.1, (2, 16000, 1))
    >>> estimates = references + rng.normal(0, 0.01, references.shape)
    >>> values = tfsep.evaluation.bss_eval(references, estimates, sample_rate=8000)
    >>> list(values)
    ['SDR', 'ISR', 'SIR', 'SAR']
    >>> np.nanmedian(values["SDR"], axis=1).round()
    array([20., 20.])

    Reference:

    - [Vincent et al., 2006, Performance measurement in blind audio source separation](
      https://doi.org/10.1109/TSA.2005.858005)
    - [Stöter et al., 2018, The 2018 Signal Separation Evaluation Campaign](https://arxiv.org/abs/1804.06267)
    """
    if sdr_only and permutation:
        raise ValueError("sdr_only=True computes no SIR, by which permutation=True pairs. Leave one of them out.")
    if sdr_only:
        return {"SDR": sdr(references, estimates, sample_rate, window, hop)}
    references, estimates = windows.checked(references, estimates)
    spans = windows.windows(references.shape[1], sample_rate, window, hop)
    values, order = _scores(references, estimates, spans, _IMAGES, framewise_filters, permutation, noise)
    if permutation:
        values["permutation"] = order if framewise_filters else order[:, 0]
    return values


def bss_eval_sources(
    references: np.ndarray, estimates: np.ndarray, permutation: bool = False, noise: float = 0.0
) -> dict[str, np.ndarray]:
    """Compute SDR, SIR and SAR of mono sources over the whole signal (BSS Eval v3, `bss_eval_sources`).

    The SDR allows the reference to be filtered by 512 taps, and so ignores changes of level and timbre. GNSDR, GSIR
    and GSAR on MIR-1K are means of these measures. The conventions are mir_eval's (`compute_permutation` there is
    `permutation` here). If a reference or an estimate is silent, which mir_eval refuses, every value is NaN.

    Args:
        references: float array `[sources, samples]` or `[sources, samples, 1]`, the true sources.
        estimates: float array of the same shape.
        permutation: bool, pair references and estimates so that the mean SIR is highest. Defaults to False, the given
            order.
        noise: float, see `bss_eval`. Defaults to 0.0.

    Returns:
        dict from measure to float64 `[sources]`, in dB. With `permutation` also `"permutation"`, int
        `[sources]`: the index of each reference's estimate.

    Raises:
        ValueError: for arrays that are empty, not of floats, not finite, of differing shapes or of more than
            one channel.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> references = rng.normal(0, 0.1, (2, 16000))
    >>> values = tfsep.evaluation.bss_eval_sources(references, references[::-1], permutation=True)
    >>> values["permutation"]
    array([1, 0])

    Reference:

    - [Vincent et al., 2006, Performance measurement in blind audio source separation](
      https://doi.org/10.1109/TSA.2005.858005)
    """
    references, estimates = _mono(references, estimates)
    whole = [slice(0, references.shape[1])]
    values, order = _scores(references, estimates, whole, _SOURCES, True, permutation, noise)
    if permutation:
        values["permutation"] = order
    return {name: value[:, 0] for name, value in values.items()}


def bss_eval_sources_framewise(
    references: np.ndarray, estimates: np.ndarray, window: int = 30 * 44100, hop: int = 15 * 44100
) -> dict[str, np.ndarray]:
    """Compute `bss_eval_sources` in overlapping windows, as mir_eval's function of this name.

    A window in which a reference or an estimate is silent is NaN. A signal of fewer than two windows is one window.

    Args:
        references: float array `[sources, samples]` or `[sources, samples, 1]`, the true sources.
        estimates: float array of the same shape.
        window: int, length of a window in samples. Defaults to 30 s at 44.1 kHz.
        hop: int, distance between the starts of windows in samples. Defaults to 15 s at 44.1 kHz.

    Returns:
        dict from measure (`"SDR"`, `"SIR"`, `"SAR"`) to float64 `[sources, windows]`, in dB.

    Raises:
        ValueError: as `bss_eval_sources`, and for a window or hop of less than a sample.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> references = rng.normal(0, 0.1, (2, 12000))
    >>> estimates = references + rng.normal(0, 0.01, references.shape)
    >>> values = tfsep.evaluation.bss_eval_sources_framewise(references, estimates, window=8000, hop=4000)
    >>> values["SIR"].shape
    (2, 2)

    Reference:

    - [Vincent et al., 2006, Performance measurement in blind audio source separation](
      https://doi.org/10.1109/TSA.2005.858005)
    """
    references, estimates = _mono(references, estimates)
    spans = windows.windows(references.shape[1], 1, window, hop)
    if len(spans) < 2:
        spans = [slice(0, references.shape[1])]
    return _scores(references, estimates, spans, _SOURCES, True, False)[0]


def decibels(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return `10 log10(above / below)`; infinity where `below` is 0, even for 0 / 0, as in museval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, np.inf, 10 * np.log10(above / below))


def _scores(references, estimates, spans, formulas, framewise_filters, permutation, noise=0.0):
    """Return measures and the index of each reference's estimate, both `[sources, windows]`."""
    sources = range(len(references))
    pairs = [(j, k) for j in sources for k in (sources if permutation else [j])]
    parts = _energies(references, estimates, pairs, spans, framewise_filters, noise)
    scores = {}
    for measure, (above, below) in formulas.items():
        scores[measure] = np.full((len(sources), len(sources), len(spans)), np.nan)
        scores[measure][tuple(np.transpose(pairs))] = decibels(parts[above], parts[below])
    order = np.tile(np.arange(len(sources))[:, np.newaxis], len(spans))
    if permutation:
        # Pair once for the track, or in each window.
        groups = [[index] for index in range(len(spans))] if framewise_filters else [list(range(len(spans)))]
        for group in groups:
            order[:, group] = _best_order(scores["SIR"][:, :, group])[:, np.newaxis]
    return {
        measure: np.take_along_axis(values, order[:, np.newaxis], axis=1)[:, 0] for measure, values in scores.items()
    }, order


def _energies(references, estimates, pairs, spans, framewise_filters, noise):
    """Return a dict from `projections.ENERGIES` to `[pairs, windows]`; NaN in windows with a silent source."""
    energies = np.full((len(ENERGIES), len(pairs), len(spans)), np.nan)
    active = [
        index
        for index, span in enumerate(spans)
        if not (windows.any_silent(references[:, span]) or windows.any_silent(estimates[:, span]))
    ]
    if framewise_filters:
        for index in active:
            span = spans[index]
            filters = projections.distortion_filters(references[:, span], estimates[:, span], pairs, noise)
            energies[:, :, [index]] = projections.energies(references, estimates, filters, pairs, [span])
    elif active:
        filters = projections.distortion_filters(references, estimates, pairs, noise)
        counted = [spans[index] for index in active]
        energies[:, :, active] = projections.energies(references, estimates, filters, pairs, counted)
    return dict(zip(ENERGIES, energies, strict=True))


def _best_order(sir):
    """Return the estimate of each reference for which the mean SIR over references and windows is highest."""
    sir = sir[:, :, ~np.isnan(sir).any(axis=(0, 1))]
    if not sir.size:
        return np.arange(len(sir))
    # Perfect estimates are infinite; the assignment needs finite numbers.
    return scipy.optimize.linear_sum_assignment(
        np.nan_to_num(sir, posinf=1e3, neginf=-1e3).mean(axis=2), maximize=True
    )[1]


def _mono(references, estimates):
    references, estimates = windows.checked(*(_with_channels(audio) for audio in (references, estimates)))
    if references.shape[2] > 1:
        raise ValueError(f"Expected mono sources. Received {references.shape[2]} channels. Use bss_eval for images.")
    return references, estimates


def _with_channels(audio):
    audio = np.asarray(audio)
    return audio[:, :, np.newaxis] if audio.ndim == 2 else audio
