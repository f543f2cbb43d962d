"""log-WMSE: the logarithm of the error in what human hearing is sensitive to."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import scipy.signal

from tfsep import audio
from tfsep.evaluation import windows

_RATE = 44100  # of the filter
_FFT, _TAPS = 8192, 4000
_INAUDIBLE = 10 ** (-68 / 20)  # below the level of the mixture
_FLOOR = 1e-8
_SCALE = -4.0  # brings the values near to those of SDR


def log_wmse(references: np.ndarray, estimates: np.ndarray, mixture: np.ndarray, sample_rate: int) -> np.ndarray:
    """Compute log-WMSE, the error of each estimate weighted by the sensitivity of hearing, defined for silence.

    It is `-4 ln(mean(d^2) + 1e-8)` of each channel, and the mean of that over channels, where `d` is the difference of
    estimate and reference after the hearing filter, divided by the root mean square of the filtered mixture; samples
    below -68 dB count as 0. The best value is 73.68, also of a silent mixture. Audio is resampled to 44.1 kHz.

    The filter has zero phase and a magnitude inspired by Fenton and Lee: a shelf of 5 dB above 1.5 kHz, a
    high-pass at 120 Hz, a peak of 2.5 dB at 500 Hz and a low-pass at 10 kHz.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        mixture: float array `[samples, channels]`, from which the sources were separated.
        sample_rate: int, samples per second.

    Returns:
        float64 `[sources]`; higher is better.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`, and for a mixture of another shape.

    Example:

    >>> references = np.random.default_rng(0).normal(0, 0.1, (2, 44100, 1))
    >>> references[1] = 0  # a silent source
    >>> estimates = references + 0.1 * references[:1]
    >>> tfsep.evaluation.log_wmse(references, estimates, references.sum(axis=0), sample_rate=44100).round(2)
    array([18.42, 18.42])

    Reference:

    - [Jordal, 2023, logWMSE](https://github.com/nomonosound/log-wmse-audio-quality)
    - [Fenton and Lee, 2017, Alternative weighting filters for multi-track program loudness measurement](
      http://www.aes.org/e-lib/browse.cfm?elib=19215)
    """
    references, estimates = windows.checked(references, estimates)
    if np.shape(mixture) != references.shape[1:]:
        raise ValueError(
            f"mixture must have the shape of a reference, {references.shape[1:]}. Received shape: {np.shape(mixture)}."
        )
    level = np.sqrt(np.mean(np.square(_heard(mixture, sample_rate)), axis=0, dtype=np.float64))
    gain = np.divide(1, level, out=np.zeros_like(level), where=level > 0)
    return np.array(
        [
            _logarithm(_heard(estimate - reference, sample_rate) * gain)
            for reference, estimate in zip(references, estimates, strict=True)
        ]
    )


def _logarithm(difference):
    difference[np.abs(difference) < _INAUDIBLE] = 0
    return np.mean(_SCALE * np.log(np.mean(np.square(difference), axis=0, dtype=np.float64) + _FLOOR))


def _heard(sound, sample_rate):
    """Resample and filter `[samples, channels]`."""
    resampled = audio.resample(np.asarray(sound), sample_rate, _RATE)
    return scipy.signal.oaconvolve(resampled, hearing_filter()[:, np.newaxis], "same", axes=0)


@cache
def hearing_filter() -> np.ndarray:
    """Return the impulse response of the hearing filter at 44.1 kHz, float32 `[4000]`, with its centre at 1999."""
    # The published filter is sampled so: half a circle of 4097 frequencies without its end.
    frequencies = math.pi * np.arange(_FFT // 2 + 1) / (_FFT // 2 + 1)
    response = np.ones_like(frequencies)
    for numerator, denominator in (
        _shelf(1500, 5.0, 1 / math.sqrt(2)),
        scipy.signal.butter(2, 120, "high", fs=_RATE),
        _peak(500, 2.5, 1.5 / math.sqrt(2)),
        *[scipy.signal.butter(1, 10_000, "low", fs=_RATE)] * 2,  # forwards and backwards
    ):
        response *= np.abs(scipy.signal.freqz(numerator, denominator, worN=frequencies)[1])
    impulse = np.fft.fftshift(np.fft.irfft(response, _FFT))
    start = _FFT // 2 + 1 - _TAPS // 2
    return impulse[start : start + _TAPS].astype(np.float32)


def _shelf(frequency, decibels, q):
    """Return the coefficients of a high shelf, by the formulas of the Audio EQ Cookbook."""
    amplitude, cosine, alpha = _cookbook(frequency, decibels, q)
    up, down, slope = amplitude + 1, amplitude - 1, 2 * math.sqrt(amplitude) * alpha
    numerator = (up + down * cosine + slope, -2 * (down + up * cosine), up + down * cosine - slope)
    denominator = (up - down * cosine + slope, 2 * (down - up * cosine), up - down * cosine - slope)
    return amplitude * np.array(numerator), np.array(denominator)


def _peak(frequency, decibels, q):
    """Return the coefficients of a peaking equalizer, by the formulas of the Audio EQ Cookbook."""
    amplitude, cosine, alpha = _cookbook(frequency, decibels, q)
    return (
        np.array([1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude]),
        np.array([1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude]),
    )


def _cookbook(frequency, decibels, q):
    angle = 2 * math.pi * frequency / _RATE
    return 10 ** (decibels / 40), math.cos(angle), math.sin(angle) / (2 * q)
