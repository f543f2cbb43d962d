"""Measures that compare magnitudes of spectra: bleedless, fullness and L1-freq."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

from tfsep.evaluation import windows

_FRAMES = 256  # at a time
_FLOOR = 1e-10  # smallest magnitude, -200 dB
_RANGE = 80  # dB below the loudest bin, under which nothing is compared
_MELS, _MEL_FFT, _MEL_HOP = 512, 4096, 1024
_L1_FFT, _L1_HOP = 2048, 1024


def bleedless_fullness(references: np.ndarray, estimates: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Compute how free each estimate is of other sources (bleedless), and how complete it is (fullness).

    `D` is the difference in dB between the mel spectrograms of estimate and reference: magnitudes of an STFT with a
    Hann window of 4096 samples and a hop of 1024, in 512 mel bands, limited to 80 dB below the loudest bin of each.
    Bleedless is `100 / (1 + mean of D where D > 0)`, fullness `100 / (1 - mean of D where D < 0)`. Both are 100 for a
    perfect estimate. They are defined for silence: a silent estimate is free of bleeding.

    These are the measures of Music-Source-Separation-Training and of mvsep.com, whose mel bands are those of 44.1 kHz
    at any rate.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.
        sample_rate: int, samples per second.

    Returns:
        dict from `"bleedless"` and `"fullness"` to float64 `[sources]`, from 0 to 100.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> references = np.random.default_rng(0).normal(0, 0.1, (1, 44100, 2))
    >>> values = tfsep.evaluation.bleedless_fullness(references, 0.5 * references, sample_rate=44100)
    >>> {name: value.round(1).tolist() for name, value in values.items()}  # 6 dB are missing everywhere
    {'bleedless': [100.0], 'fullness': [14.2]}

    Reference:

    - [Solovyev et al., 2023, Benchmarks and leaderboards for sound demixing tasks](https://arxiv.org/abs/2305.07489)
    - [The measures of mvsep.com](https://mvsep.com/faq)
    """
    references, estimates = windows.checked(references, estimates)
    bands = _mel_bands(sample_rate)
    values = np.array([_bled_and_missing(*pair, bands) for pair in zip(references, estimates, strict=True)])
    return dict(zip(("bleedless", "fullness"), (100 / (1 + values)).T, strict=True))


def l1_freq(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Compute L1-freq, the distance of each estimate from its reference in magnitudes of the spectrum.

    It is `100 / (1 + 10 mean(| |S| - |E| |))` over channels, bins and frames, where `S` and `E` are STFTs with a
    rectangular window of 2048 samples and a hop of 1024: 100 for a perfect estimate. It depends on the level of the
    track, and is defined for silence. The definition is that of Music-Source-Separation-Training and of mvsep.com.

    Args:
        references: float array `[sources, samples, channels]`, the true sources.
        estimates: float array of the same shape.

    Returns:
        float64 `[sources]`, from 0 to 100.

    Raises:
        ValueError: as `tfsep.evaluation.sdr`.

    Example:

    >>> references = np.zeros((1, 8192, 1))
    >>> references[0, 4096] = 1.0  # one sample, and so 1 in every bin of 2 frames of 9
    >>> tfsep.evaluation.l1_freq(references, np.zeros_like(references)).round(2)
    array([31.03])

    Reference:

    - [Solovyev et al., 2023, Benchmarks and leaderboards for sound demixing tasks](https://arxiv.org/abs/2305.07489)
    - [The measures of mvsep.com](https://mvsep.com/faq)
    """
    references, estimates = windows.checked(references, estimates)
    distances = [_magnitude_distance(*pair) for pair in zip(references, estimates, strict=True)]
    return 100 / (1 + 10 * np.array(distances))


def _bled_and_missing(reference, estimate, bands):
    """Return the mean of positive, and of negative differences in dB."""
    difference = _mel_decibels(estimate, bands) - _mel_decibels(reference, bands)
    return [np.mean(part, dtype=np.float64) if part.size else 0.0 for part in _signs(difference)]


def _signs(difference):
    return difference[difference > 0], -difference[difference < 0]


def _mel_decibels(audio, bands):
    """Return `[channels, bands, frames]` in dB, limited to a range below the loudest of all."""
    window = np.hanning(_MEL_FFT + 1)[:-1].astype(np.float32)
    mels = np.stack(
        [
            np.concatenate([bands @ block for block in _magnitudes(channel, _MEL_FFT, _MEL_HOP, window)], axis=1)
            for channel in audio.T
        ]
    )
    decibels = 20 * np.log10(np.maximum(mels, _FLOOR))
    return np.maximum(decibels, decibels.max() - _RANGE)


@lru_cache(maxsize=4)
def _mel_bands(sample_rate):
    import librosa

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters", UserWarning)  # the lowest, narrower than a bin
        return scipy.sparse.csr_array(librosa.filters.mel(sr=sample_rate, n_fft=_MEL_FFT, n_mels=_MELS))


def _magnitude_distance(reference, estimate):
    total = count = 0
    for channels in zip(reference.T, estimate.T, strict=True):
        blocks = (_magnitudes(channel, _L1_FFT, _L1_HOP, reflect=True) for channel in channels)
        for one, other in zip(*blocks, strict=True):
            total += np.abs(one - other).sum(dtype=np.float64)
            count += one.size
    return total / count


def _magnitudes(channel, n_fft, hop, window=None, reflect=False) -> Iterator[np.ndarray]:
    """Yield float32 `[bins, frames]` of blocks of frames that are centred on multiples of the hop."""
    padded = np.pad(channel.astype(np.float32), n_fft // 2, mode="reflect" if reflect else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    for start in range(0, len(frames), _FRAMES):
        block = frames[start : start + _FRAMES]
        yield np.abs(scipy.fft.rfft(block if window is None else block * window)).T
