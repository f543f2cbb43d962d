"""Least-squares projections of estimates onto delayed references, the decomposition of BSS Eval.

An estimate `e` is decomposed by two projections: `S`, onto its own reference `s` delayed by 0 to 511 samples, and `P`,
onto all references so delayed. Both are references filtered by FIR filters of 512 taps, which solve normal equations
of correlations at 512 lags. Computation is in float64 and in short blocks, so that memory does not grow with the track.

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
_NEW = _FFT - TAPS + 1  # new samples of a block, after the history of the filters
_BLOCKS = 16  # blocks at a time: their spectra fit into the cache
_THREADS = 4  # at most
_WORTH_THREADS = 4  # groups: fewer are faster without threads


def distortion_filters(
    references: np.ndarray, estimates: np.ndarray, pairs: Sequence[tuple[int, int]], noise: float = 0.0
) -> np.ndarray:
    """Compute the filters from references to the projections nearest to the estimates.

    Args:
        references: float array `[sources, samples, channels]`.
        estimates: float array of the same shape.
        pairs: the pairs (reference, estimate) for which to compute `S`, in the order of the references.
        noise: float, root mean square of white noise added to the references. Defaults to 0.0.

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
    """Compute the energies of the parts of the estimates in each window.

    As in museval, each window of the references is filtered with zeros before and after it, and the filters' tail of
    511 samples counts.

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
    # Rows first, so that sums run along memory. Drop the history of each block, where the convolution wraps around.
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
    # Lag 0 is at -TAPS + 1, because the delayed rows begin TAPS - 1 samples earlier.
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
    """Return samples `start` to `stop` as float64 `[rows, samples]`, zeros beyond the audio."""
    sources, samples, channels = audio.shape
    rows = np.zeros((sources, channels, stop - start))
    first, last = max(start, 0), min(stop, samples)
    if first < last:
        rows[:, :, first - start : last - start] = audio[:, first:last].transpose(0, 2, 1)
    return rows.reshape(sources * channels, -1)


def _overlapping(history):
    """Return a view of rows with their history as FFT input, `[blocks, FFT, rows]`."""
    return np.lib.stride_tricks.sliding_window_view(history, _FFT, axis=1)[:, ::_NEW].transpose(1, 2, 0)


def _groups(samples) -> Iterator[tuple[int, int]]:
    """Yield start and number of blocks of each group."""
    for start in range(0, samples, _BLOCKS * _NEW):
        yield start, min(_BLOCKS, -(-(samples - start) // _NEW))


def _least_squares(correlations, targets):
    """Solve the normal equations for filters `[TAPS, rows, columns]`.

    Delayed references may be linearly dependent: equal channels, a source silent in one channel, two equal sources.
    White noise 140 dB below each row, which changes no well-posed score by 1e-6 dB, then selects nearly the solution of
    least energy. The noise is raised until rounding no longer prevents a factorisation.
    """
    rows, columns = targets.shape[1:]
    right = targets.transpose(1, 0, 2).reshape(rows * TAPS, columns)
    power = np.repeat(correlations[0].diagonal(), TAPS)
    power = np.where(power > 0, power, 1)
    for noise in 10.0 ** np.arange(-14, 1):
        gram = _gram(correlations)
        gram.flat[:: len(gram) + 1] += noise * power
        try:
            # The transpose of this symmetric matrix has LAPACK's memory order, so it is overwritten without a copy.
            factor = scipy.linalg.cho_factor(gram.T, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
        solution = scipy.linalg.cho_solve(factor, right, check_finite=False)
        return solution.reshape(rows, TAPS, columns).transpose(1, 0, 2)
    raise ArithmeticError("The normal equations of BSS Eval are not positive definite.")


def _gram(correlations):
    """Return the inner products of all delayed rows, `[rows * TAPS, rows * TAPS]`, block Toeplitz."""
    rows = correlations.shape[1]
    lags = correlations.transpose(1, 2, 0)
    lags = np.concatenate([lags.transpose(1, 0, 2)[:, :, :0:-1], lags], axis=2)  # from -TAPS + 1 to TAPS - 1
    toeplitz = np.lib.stride_tricks.sliding_window_view(lags, TAPS, axis=2)[..., ::-1]
    # Copy: with one row, reshape returns a view.
    return np.ascontiguousarray(toeplitz.transpose(0, 2, 1, 3).reshape(rows * TAPS, rows * TAPS))


def _parallel(function: Callable, arguments: Sequence[tuple]) -> Iterator:
    """Yield results in the order of the arguments, from threads: NumPy and SciPy release the lock."""
    threads = _threads()
    if len(arguments) < _WORTH_THREADS or threads == 1:
        yield from (function(*values) for values in arguments)
        return
    pool, waiting = ThreadPoolExecutor(threads), deque()
    try:
        for values in arguments:
            waiting.append(pool.submit(function, *values))
            if len(waiting) > 2 * threads:  # bounds the memory of results not yet consumed
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # see `tfsep.separation.threads.call_ahead`


def _threads():
    """Return OMP_NUM_THREADS, as BLAS does, else the number of cores up to a few."""
    number = os.environ.get("OMP_NUM_THREADS", "")
    return int(number) if number.isdigit() and int(number) else min(_THREADS, os.cpu_count() or 1)
