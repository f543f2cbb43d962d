"""Separation by a bag of models, one after another over the whole song, in bounded memory."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tfsep.loading import load_model
from tfsep.portable.bag import Bag
from tfsep.separation.spool import Spool

# Samples of a block.
_BLOCK = 1 << 18


def separate_by_bag(
    blocks: Iterable[np.ndarray],
    channels: int,
    bag: Bag,
    separate: Callable[..., Iterable[np.ndarray]],
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """Separate a stream of audio by a bag. The song and the sums of estimates are kept in temporary files.

    Args:
        blocks: float32 arrays `[n, channels]`.
        channels: int, channels of the audio.
        bag: a `Bag`.
        separate: function from a model, blocks and `progress` to blocks of estimates `[n, sources, channels]`.
        progress: function that is called with the samples done and in total. Defaults to None.

    Yields:
        float32 arrays `[n, sources, channels]`, as many samples in total as the song has.
    """
    with Spool(blocks, channels) as song, tempfile.TemporaryFile() as sums:
        totals = np.memmap(sums, np.float32, "w+", shape=(song.samples, len(bag.sources), channels))
        numbers = itertools.count()  # `enumerate` would keep a model in memory while the next one is loaded
        for model, shares in bag.members(load_model):
            places = [(bag.sources.index(source), model.sources.index(source)) for source in shares]
            factors = np.array(list(shares.values()), np.float32)[:, np.newaxis]
            into, out = (list(side) for side in zip(*places, strict=True))
            position = 0
            for estimates in separate(model, song, _portion(progress, next(numbers), len(bag))):
                totals[position : position + len(estimates), into] += factors * estimates[:, out]
                position += len(estimates)
            del model  # before the next one is loaded
        for start in range(0, song.samples, _BLOCK):
            yield np.array(totals[start : start + _BLOCK])


def _portion(progress: Callable[[int, int], None] | None, number: int, count: int) -> Callable[[int, int], None] | None:
    """Return the progress function of one of several models."""
    if progress is None:
        return None
    return lambda done, samples: progress((number * samples + done) // count, samples)
