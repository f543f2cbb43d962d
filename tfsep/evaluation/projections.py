"""Least-squares projections of estimates onto delayed references, the decomposition under BSS Eval.

An estimate `e` is taken apart by two projections: `S`, onto its own reference `s` delayed by 0 to 511 samples, and `P`,
onto all references so delayed. Both are the references filtered by FIR filters of 512 taps, which solve normal
equations made of correlations at 512 lags. Everything is done in float64 and in short blocks, so that memory does not
grow with the track.

In this module a row is one channel of one source: row `source * channels + channel`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import scipy.fft
import scipy.linalg

TAPS = 512
ENERGIES = ("s", "S", "P", "e-s", "S-s", "P-S", "e-P", "e-S")

_FFT = 4096
_NEW = _FFT - TAPS + 1  # samples of a block that follow the history which the filters reach back to
_BLOCKS = 16  # blocks at a time: their spectra stay in the processor's cache
_THREADS = 4  # at most
_WORTH_THREADS = 4  # groups: fewer are done before threads have come up


def distortion_filters(
    references: np.ndarray, estimates: np.ndarray, pairs: Sequence[tuple[int, int]], noise: float = 0.0
) -> np.ndarray:
    """The filters from references to projections that come nearest to the estimates.

    Args:
        references: float array `[sources, samples, channels]`.
        estimates: float array of the same shape.
        pairs: the pairs (reference, estimate) for which `S` is wanted, in the order of the references.
        noise: float, root mean square of white noise that the references are taken to hold besides. Defaults to 0.

    Returns:
        float64 `[TAPS, rows, outputs]`. The outputs are first the rows of `P`, then the channels of `S` of each
        pair.
    """
    sources, samples, channels = references.shape
    rows = sources * channels
    lags = _correlations(references, estimates)
    lags[0, range(rows), range(rows)] += samples * noise**2
    filters = np.zeros((TAPS, rows, rows + len(pairs) * channels))
    filters[:, :, :rows] = _least_squares(lags[:, :, :rows], lags[:, :, rows:])
    output = rows
    for source in range(sources):
        own = slice(source * channels, (source + 1) * channels)
        columns = [rows + k * channels + channel for j, k in pairs if j == source for channel in range(channels)]
        outputs = slice(output, output + len(columns))
        filters[:, own, outputs] = _least_squares(lags[:, own, own], lags[:, own, columns])
        output = outputs.stop
    return filters


def energies(
    references: np.ndarray,
    estimates: np.ndarray,
    filters: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    windows: Sequence[slice],
) -> np.ndarray:
    """Energies of the parts of the estimates, window by window.

    As in museval, a window of the references is filtered by itself: zeros stand before and after it, and the
    filters' tail of 511 samples counts.

    Args:
        references: float array `[sources, samples, channels]`.
        estimates: float array of the same shape.
        filters: of `distortion_filters`, for the same pairs.
        pairs: the pairs (reference, estimate).
        windows: spans of samples.

    Returns:
        float64 `[ENERGIES, pairs, windows]`: sums of squares over the samples and channels.
    """
    spectra = scipy.fft.rfft(filters, _FFT, axis=0)
    groups = [
        (index, start, blocks)
        for index, window in enumerate(windows)
        for start, blocks in _groups(window.stop - window.start + TAPS - 1)
    ]

    def part(index, start, blocks):
        window = windows[index]
        return _part_energies(references[:, window], estimates[:, window], spectra, pairs, start, blocks)

    sums = np.zeros((len(ENERGIES), len(pairs), len(windows)))
    for (index, *_), energy in zip(groups, _parallel(part, groups), strict=True):
        sums[:, :, index] += energy
    return sums


def _part_energies(references, estimates, spectra, pairs, start, blocks):
    channels = references.shape[2]
    stop = start + blocks * _NEW
    history = _rows(references, start - TAPS + 1, stop)
    true, estimated = history[:, TAPS - 1 :], _rows(estimates, start, stop)
    outputs = scipy.fft.rfft(_overlapping(history), axis=1).transpose(1, 0, 2) @ spectra  # [bins, blocks, outputs]
    # Rows first, so that the sums run along memory. The history's part of a block is wrapped around: dropped.
    projections = scipy.fft.irfft(outputs.transpose(2, 1, 0), _FFT, axis=2)[:, :, TAPS - 1 :]
    true, estimated = (rows.reshape(len(rows), blocks, _NEW) for rows in (true, estimated))
    sums = np.empty((len(ENERGIES), len(pairs)))
    for index, (j, k) in enumerate(pairs):
        s, e, p = true[_nth(j, channels)], estimated[_nth(k, channels)], projections[_nth(k, channels)]
        filtered = projections[len(true) :][_nth(index, channels)]
        signals = (s, filtered, p, e - s, filtered - s, p - filtered, e - p, e - filtered)
        sums[:, index] = [np.einsum("cbn,cbn->", signal, signal) for signal in signals]
    return sums


def _nth(index, channels):
    return slice(index * channels, (index + 1) * channels)


def _correlations(references, estimates):
    """Sums of reference row [n - lag] times any row [n], `[TAPS lags, reference rows, reference and estimate rows]`."""
    part = partial(_part_correlations, references, estimates)
    correlations = scipy.fft.irfft(sum(_parallel(part, list(_groups(references.shape[1])))), _FFT, axis=0)
    # Lag 0 stands at -TAPS + 1, because the delayed rows begin TAPS - 1 samples earlier.
    return np.roll(correlations, TAPS - 1, axis=0)[:TAPS]


def _part_correlations(references, estimates, start, blocks):
    stop = start + blocks * _NEW
    history = _rows(references, start - TAPS + 1, stop)
    rows = np.concatenate([history[:, TAPS - 1 :], _rows(estimates, start, stop)])
    delayed = scipy.fft.rfft(_overlapping(history), axis=1)  # [blocks, bins, rows]
    current = scipy.fft.rfft(rows.reshape(len(rows), blocks, _NEW).transpose(1, 2, 0), _FFT, axis=1)
    np.conjugate(delayed, out=delayed)
    return delayed.transpose(1, 2, 0) @ current.transpose(1, 0, 2)


def _rows(audio, start, stop):
    """Samples `start` to `stop` as float64 `[rows, samples]`, zeros before and after the audio."""
    sources, samples, channels = audio.shape
    rows = np.zeros((sources, channels, stop - start))
    first, last = max(start, 0), min(stop, samples)
    if first < last:
        rows[:, :, first - start : last - start] = audio[:, first:last].transpose(0, 2, 1)
    return rows.reshape(sources * channels, -1)


def _overlapping(history):
    """View of rows with their history as FFT input, `[blocks, FFT, rows]`."""
    return np.lib.stride_tricks.sliding_window_view(history, _FFT, axis=1)[:, ::_NEW].transpose(1, 2, 0)


def _groups(samples) -> Iterator[tuple[int, int]]:
    """(start, number of blocks) of each group of blocks over so many samples."""
    for start in range(0, samples, _BLOCKS * _NEW):
        yield start, min(_BLOCKS, -(-(samples - start) // _NEW))


def _least_squares(correlations, targets):
    """Filters `[TAPS, rows, columns]` that solve the normal equations.

    Delayed references may depend on each other: channels that are equal, a source that is silent in one channel, two
    equal sources. White noise 140 dB below each row, which moves no well-posed score by 1e-6 dB, makes the solution
    the one of the least energy there, nearly; in a system for which rounding weighs more, as much noise as it needs.
    """
    rows, columns = targets.shape[1:]
    right = targets.transpose(1, 0, 2).reshape(rows * TAPS, columns)
    power = np.repeat(correlations[0].diagonal(), TAPS)
    power = np.where(power > 0, power, 1)
    for noise in 10.0 ** np.arange(-14, 1):
        gram = _gram(correlations)
        gram.flat[:: len(gram) + 1] += noise * power
        try:
            # The transpose, which is the same, has LAPACK's order in memory: it is overwritten and not copied.
            factor = scipy.linalg.cho_factor(gram.T, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
        solution = scipy.linalg.cho_solve(factor, right, check_finite=False)
        return solution.reshape(rows, TAPS, columns).transpose(1, 0, 2)
    raise ArithmeticError("The normal equations of BSS Eval are not positive definite.")


def _gram(correlations):
    """Inner products of all delayed rows, `[rows * TAPS, rows * TAPS]`, block Toeplitz."""
    rows = correlations.shape[1]
    lags = correlations.transpose(1, 2, 0)
    lags = np.concatenate([lags.transpose(1, 0, 2)[:, :, :0:-1], lags], axis=2)  # from -TAPS + 1 to TAPS - 1
    toeplitz = np.lib.stride_tricks.sliding_window_view(lags, TAPS, axis=2)[..., ::-1]
    # A matrix of its own: for one row the reshaped one is a view of the lags.
    return np.ascontiguousarray(toeplitz.transpose(0, 2, 1, 3).reshape(rows * TAPS, rows * TAPS))


def _parallel(function: Callable, arguments: Sequence[tuple]) -> Iterator:
    """Results in the order of the arguments. NumPy and SciPy let other threads run meanwhile."""
    threads = _threads()
    if len(arguments) < _WORTH_THREADS or threads == 1:
        yield from (function(*values) for values in arguments)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        for values in arguments:
            waiting.append(pool.submit(function, *values))
            if len(waiting) > 2 * threads:  # no more: results that nobody has taken need memory
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)


def _threads():
    """OMP_NUM_THREADS, as for the BLAS beside it, else the processor's cores up to a few."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) else min(_THREADS, os.cpu_count() or 1)
