"""Checks of the arrays that measures compare, their windows, and silence in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 1 << 16  # samples at a time: a whole track in float64 takes twice its memory
_LARGEST = float(np.finfo(np.float32).max)  # so that no energy overflows in float64


def checked(references: np.ndarray, estimates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays after checking that they are comparable audio `[sources, samples, channels]`.

    Raises:
        ValueError: for arrays that are empty, not of floats, not finite or of differing shapes.
    """
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
        if not np.issubdtype(audio.dtype, np.floating):
            raise ValueError(f"{name} must be floats in [-1, 1]. Received dtype: {audio.dtype}.")
        if not (audio.min() >= -_LARGEST and audio.max() <= _LARGEST):  # also false for NaN
            raise ValueError(f"{name} contain NaN or infinity. Expected finite audio.")
    return references, estimates


def windows(samples: int, sample_rate: int, window: float, hop: float) -> list[slice]:
    """Return the whole windows of a track, or the whole track if it is shorter than one.

    Args:
        samples: int, length of the track.
        sample_rate: int, samples per second.
        window: float, length of a window in seconds, `math.inf` for the whole track.
        hop: float, distance between the starts of windows in seconds.

    Raises:
        ValueError: for a window or hop of less than a sample.
    """
    if not (window * sample_rate >= 1 and hop * sample_rate >= 1):
        raise ValueError(
            f"window and hop must be at least one sample. Received: window={window} s, hop={hop} s at {sample_rate} Hz."
        )
    # Truncate instead of rounding, as museval does.
    length, step = (int(min(seconds * sample_rate, samples)) for seconds in (window, hop))
    return [slice(start, start + length) for start in range(0, samples - length + 1, step)]


def any_silent(audio: np.ndarray) -> bool:
    """Return whether any source is silent by museval's rule: its channels add up to zero at each sample."""
    return any(not any(block.sum(axis=1).any() for block in _blocks(source, 1 << 12)) for source in audio)


def energies(audio: np.ndarray, subtracted: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of squares of each source over samples and channels, or that of its difference to `subtracted`."""
    if subtracted is None:
        return np.array([sum(np.vdot(block, block) for block in _blocks(source)) for source in audio])
    return np.array(
        [
            sum(np.sum((block - other) ** 2) for block, other in zip(_blocks(source), _blocks(others), strict=True))
            for source, others in zip(audio, subtracted, strict=True)
        ]
    )


def _blocks(source, size=_BLOCK) -> Iterator[np.ndarray]:
    for start in range(0, len(source), size):
        yield source[start : start + size].astype(np.float64)
