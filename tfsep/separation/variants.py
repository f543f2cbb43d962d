"""Better estimates by separating variants of a song: shifted in time, channels swapped, polarity inverted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tfsep.separation import chunking


def separate_variants(
    blocks: Iterable[np.ndarray],
    samples: int | None,
    channels: int,
    separate: Callable[[Iterable[np.ndarray], int | None], Iterator[np.ndarray]],
    hop: int,
    shifts: int = 1,
    tta: bool = False,
) -> Iterator[np.ndarray]:
    """Average the estimates of variants of a song.

    All variants advance together, so that at most a segment of each is in memory.

    Args:
        blocks: float32 arrays `[n, channels]`, `samples` in total.
        samples: int, length of the audio; None if it is not known yet.
        channels: int, channels of the audio.
        separate: function from blocks and their length to blocks of estimates `[n, sources, channels]`.
        hop: int, samples from one segment to the next.
        shifts: int, number of grids of segments, evenly spaced over a hop. Defaults to 1.
        tta: bool, for each grid also separate the song with swapped channels, if it is stereo, and with inverted
            polarity (test-time augmentation). Defaults to False.

    Yields:
        Blocks of float32 estimates `[n, sources, channels]`, `samples` in total.
    """
    transforms = [_plain]
    if tta:
        transforms += [_swapped, _inverted] if channels == 2 else [_inverted]
    variants = [(round(index * hop / shifts), change) for index in range(shifts) for change in transforms]
    copies = itertools.tee(blocks, len(variants))
    streams = [
        _separate_variant(copy, samples, channels, separate, *variant)
        for copy, variant in zip(copies, variants, strict=True)
    ]
    return streams[0] if len(streams) == 1 else _mean(streams)


def _separate_variant(
    blocks: Iterable[np.ndarray], samples: int | None, channels: int, separate: Callable, shift: int, change: Callable
) -> Iterator[np.ndarray]:
    changed = (change(block) for block in blocks)
    if shift:
        changed = itertools.chain([np.zeros((shift, channels), np.float32)], changed)
    estimates = separate(changed, None if samples is None else samples + shift)
    # Each change is undone by itself.
    return map(change, chunking.crop(estimates, shift))


def _plain(block: np.ndarray) -> np.ndarray:
    return block


def _swapped(block: np.ndarray) -> np.ndarray:
    return block[..., ::-1]


def _inverted(block: np.ndarray) -> np.ndarray:
    return -block


def _mean(streams: list[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """Average streams of one length whose blocks differ in theirs."""
    waiting = [next(stream, None) for stream in streams]
    while all(block is not None for block in waiting):
        count = min(map(len, waiting))
        yield np.mean([block[:count] for block in waiting], axis=0, dtype=np.float32)
        waiting = [
            block[count:] if len(block) > count else next(stream, None)
            for block, stream in zip(waiting, streams, strict=True)
        ]
