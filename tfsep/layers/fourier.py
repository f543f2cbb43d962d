"""Frames of signals and their discrete Fourier transforms, on request without any complex tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from keras import ops

_by_products = ContextVar("transforms as products of matrices", default=False)


@contextmanager
def real_valued() -> Iterator[None]:
    """Compute transforms in this context as products of real matrices, for graphs of formats without complex numbers.

    Example:

    >>> frames = np.array([[1.0, 2.0, 3.0, 4.0]], "float32")
    >>> with tfsep.layers.real_valued():
    ...     real, imaginary = tfsep.layers.rfft(frames)
    >>> ops.convert_to_numpy(real).round(5)
    array([[10., -2., -2.]], dtype=float32)
    """
    token = _by_products.set(True)
    try:
        yield
    finally:
        _by_products.reset(token)


def frame(signal, size: int, hop: int):
    """Cut signals `[..., samples]` into frames `[..., frames, size]`, as many as are complete.

    Args:
        signal: float tensor `[..., samples]`, of `size` samples or more.
        size, hop: int, samples of a frame, and from one to the next.

    Example:

    >>> ops.convert_to_numpy(tfsep.layers.frame(np.arange(7.0, dtype="float32"), 4, 2))
    array([[0., 1., 2., 3.],
           [2., 3., 4., 5.]], dtype=float32)
    """
    *lead, samples = ops.shape(signal)
    hops = -(-size // hop)
    count = (samples - size) // hop + 1
    if hops * hop > size:
        signal = ops.pad(signal, [*[[0, 0]] * len(lead), [0, hops * hop - size]])
    rows = ops.reshape(signal[..., : (count + hops - 1) * hop], (*lead, count + hops - 1, hop))
    return ops.concatenate([rows[..., place : place + count, :] for place in range(hops)], axis=-1)[..., :size]


def overlap_add(frames, hop: int):
    """Sum frames `[..., frames, size]`, each `hop` after the last one, to signals `[..., samples]`.

    The signals are a multiple of `hop` long, with zeros behind the last frame.

    Example:

    >>> ops.convert_to_numpy(tfsep.layers.overlap_add(np.ones((2, 4), "float32"), 2))
    array([1., 1., 2., 2., 1., 1.], dtype=float32)
    """
    *lead, count, size = ops.shape(frames)
    hops, around = -(-size // hop), [[0, 0]] * len(lead)
    if hops * hop > size:
        frames = ops.pad(frames, [*around, [0, 0], [0, hops * hop - size]])
    rows = sum(
        ops.pad(frames[..., place * hop : (place + 1) * hop], [*around, [place, hops - 1 - place], [0, 0]])
        for place in range(hops)
    )
    return ops.reshape(rows, (*lead, (count + hops - 1) * hop))


def rfft(frames) -> tuple:
    """Compute the Fourier transform of real frames.

    Args:
        frames: float32 tensor `[..., size]`.

    Returns:
        Real and imaginary part, `[..., size // 2 + 1]` each.

    Example:

    >>> real, imaginary = tfsep.layers.rfft(np.array([1.0, 2.0, 3.0, 4.0], "float32"))
    >>> ops.convert_to_numpy(imaginary).tolist()
    [0.0, 2.0, 0.0]
    """
    return _rfft_by_products(frames) if _by_products.get() else ops.rfft(frames)


def irfft(real, imaginary, size: int):
    """Compute real frames `[..., size]` from real and imaginary part of their transform, as `rfft` returns them.

    Example:

    >>> parts = tfsep.layers.rfft(np.array([1.0, 2.0, 3.0, 4.0], "float32"))
    >>> ops.convert_to_numpy(tfsep.layers.irfft(*parts, size=4)).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    return _irfft_by_products(real, imaginary, size) if _by_products.get() else ops.irfft((real, imaginary), size)


# A transform of R * C samples is one of R, a rotation, and one of C, with sample C * r + c and bin p + R * q: far fewer
# products and constants than one large matrix, in shapes that every runtime multiplies. See Cooley and Tukey, 1965, An
# algorithm for the machine calculation of complex Fourier series, https://doi.org/10.1090/S0025-5718-1965-0178586-1


def _rfft_by_products(frames):
    *lead, size = ops.shape(frames)
    rows, columns, blocks = _factors(size)
    cosine, sine = _waves(rows, rows)
    samples = ops.transpose(ops.reshape(frames, (-1, rows, columns)), (0, 2, 1))
    parts = ops.matmul(samples, np.concatenate([cosine, -sine], axis=1))  # [frames, c, real and imaginary p]
    real, imaginary = parts[..., :rows], parts[..., rows:]
    cosine, sine = _waves(columns, rows, size)
    rotated = ops.concatenate([real * cosine + imaginary * sine, imaginary * cosine - real * sine], axis=1)
    cosine, sine = _waves(columns, blocks)
    parts = ops.matmul(ops.transpose(rotated, (0, 2, 1)), np.block([[cosine, -sine], [sine, cosine]]))
    parts = ops.reshape(ops.transpose(parts, (0, 2, 1)), (-1, 2 * blocks * rows))
    bins, half = size // 2 + 1, blocks * rows
    return tuple(ops.reshape(parts[:, start : start + bins], (*lead, bins)) for start in (0, half))


def _irfft_by_products(real, imaginary, size: int):
    *lead, bins = ops.shape(real)
    rows, columns, blocks = _factors(size)
    # The bins above the middle are the conjugates of those below: count the latter twice.
    weights = np.full(bins, 2 / size, "float32")
    weights[0] = 1 / size
    if size % 2 == 0:
        weights[-1] = 1 / size
    missing = [[0, 0], [0, blocks * rows - bins]]
    parts = [
        ops.reshape(ops.pad(ops.reshape(part * weights, (-1, bins)), missing), (-1, blocks, rows))
        for part in (real, imaginary)
    ]
    cosine, sine = _waves(blocks, columns)
    spectrum = ops.transpose(ops.concatenate(parts, axis=1), (0, 2, 1))  # [frames, p, real and imaginary q]
    parts = ops.matmul(spectrum, np.block([[cosine, sine], [-sine, cosine]]))  # [frames, p, real and imaginary c]
    real, imaginary = parts[..., :columns], parts[..., columns:]
    cosine, sine = _waves(rows, columns, size)
    rotated = ops.concatenate([real * cosine - imaginary * sine, real * sine + imaginary * cosine], axis=1)
    cosine, sine = _waves(rows, rows)
    samples = ops.matmul(ops.transpose(rotated, (0, 2, 1)), np.concatenate([cosine, -sine]))  # [frames, c, r]
    return ops.reshape(ops.transpose(samples, (0, 2, 1)), (*lead, size))


def _factors(size: int) -> tuple[int, int, int]:
    """Return `R`, `C` and how many values of `q` the bins up to the middle have."""
    rows = max(factor for factor in range(1, math.isqrt(size) + 1) if size % factor == 0)
    return rows, size // rows, -(-(size // 2 + 1) // rows)


def _waves(length: int, frequencies: int, period: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine and sine `[length, frequencies]`; `period` defaults to the greater of the two."""
    period = max(length, frequencies) if period is None else period
    phase = 2 * np.pi * (np.outer(np.arange(length), np.arange(frequencies)) % period) / period
    return np.cos(phase).astype("float32"), np.sin(phase).astype("float32")
