"""A song as a stream through a model: any rate, channels and length in, the same out."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tfsep import audio
from tfsep.audio.resampling import DELAY as RESAMPLING_DELAY
from tfsep.checks import check_integer, check_number
from tfsep.portable.bag import Bag
from tfsep.separation.bags import separate_by_bag
from tfsep.separation.chunking import Counted
from tfsep.separation.engine import check_options, segment_and_hop, separate_blocks, stream_delay
from tfsep.separation.spool import separate_normalized
from tfsep.separation.variants import separate_variants

if TYPE_CHECKING:
    from tfsep.separation.refining import BandExtension, Refinement, WienerRefinement

# Samples that `Delay` keeps in memory.
_MOST_KEPT = 1 << 20

# Seconds.
_LONGEST_SEGMENT = 600

# Models with other segments, kept as long as the model that they were made of.
_resized: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True)
class Quality:
    """How a model is applied to a song; see `Separation`.

    Raises:
        ValueError: for a value out of range.
    """

    overlap: float | None = None
    batch_size: int | None = None
    shifts: int = 1
    tta: bool = False
    wiener: int | None = None
    segment: float | None = None
    extend_band: bool = False

    def __post_init__(self):
        check_options(self.overlap, self.batch_size)
        check_integer("shifts", self.shifts)
        check_integer("wiener", self.wiener, least=0, optional=True)
        check_number("segment", self.segment, above=0, most=_LONGEST_SEGMENT, optional=True)

    def check_whole_songs(self) -> None:
        """Raise ValueError if there are options that separators of whole songs do not have."""
        if self not in (Quality(), Quality(wiener=0)):
            names = [field.name for field in dataclasses.fields(self)]
            raise ValueError(f"This model separates a song as a whole, without {', '.join(names)}.")

    def wiener_iterations(self, model, channels: int) -> int:
        """Return the iterations of the Wiener filter that were asked for, else those of the model."""
        if self.wiener is not None:
            return self.wiener
        # The filter takes no more channels than these.
        return getattr(model, "wiener_iterations", 0) if channels <= 2 else 0

    def applied_to(self, model):
        """Return the model with the length of segments that was asked for."""
        if self.segment is None:
            return model
        if not hasattr(model, "with_segment"):
            own = model.segment / model.sample_rate
            raise ValueError(f"An exported model keeps its segments of {own:.3g} s. Received: segment={self.segment}.")
        known = _resized.setdefault(model, {})
        if self.segment not in known:
            known[self.segment] = model.with_segment(self.segment)
        return known[self.segment]


def separate_stream(
    blocks: Iterable[np.ndarray],
    samples: int | None,
    channels: int,
    sample_rate: int,
    model,
    quality: Quality,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """Separate blocks of a song at its own rate into blocks `[n, sources, channels]` at that rate.

    Args:
        blocks: float32 arrays `[n, channels]`, `samples` in all.
        samples: int, length of the song; None if it is not known yet.
        channels, sample_rate: int, channels and rate of the song.
        model: a model, a `Bag`, or a separator that needs the whole song.
        quality: a `Quality`.
        progress: function that is called with samples done and in all.

    Yields:
        Float32 blocks `[n, sources, channels]`, `samples` in all.
    """

    def separate_by(model, blocks, progress):
        if hasattr(model, "separate_song"):
            return _whole(blocks, sample_rate, model, quality)
        model = quality.applied_to(model)
        return _in_segments(blocks, samples, channels, sample_rate, model, quality, progress)

    if isinstance(model, Bag):
        yield from separate_by_bag(blocks, channels, model, separate_by, progress)
    else:
        yield from separate_by(model, blocks, progress)


def _whole(blocks: Iterable[np.ndarray], sample_rate: int, model, quality: Quality) -> Iterator[np.ndarray]:
    """Separate by a model that needs the whole song."""
    quality.check_whole_songs()
    stems = model.separate_song(np.concatenate(list(blocks)), sample_rate)
    yield np.stack([stems[name] for name in model.sources], axis=1)


def _in_segments(
    blocks: Iterable[np.ndarray],
    samples: int | None,
    channels: int,
    sample_rate: int,
    model,
    quality: Quality,
    progress,
) -> Iterator[np.ndarray]:
    """Separate by a model that works at a rate of its own."""
    song = Counted(blocks)
    extended = quality.extend_band and sample_rate > model.sample_rate
    original = Delay(song) if extended else song
    resampled, inside = iter(original), samples
    if sample_rate != model.sample_rate:
        inside = None if samples is None else round(samples * model.sample_rate / sample_rate)
        resampled = audio.resample_blocks(original, sample_rate, model.sample_rate, samples)
    iterations = quality.wiener_iterations(model, channels)
    if iterations:
        resampled = mixture = Delay(resampled)

    def separate_grid(blocks, samples):
        options = {"overlap": quality.overlap, "batch_size": quality.batch_size, "progress": progress}
        return separate_blocks(blocks, samples, channels, model, **options)

    def separate_all(blocks):
        _, hop = segment_and_hop(model, inside, quality.overlap)
        return separate_variants(blocks, inside, channels, separate_grid, hop, quality.shifts, quality.tta)

    if getattr(model, "normalize_song", False):
        estimates = separate_normalized(resampled, channels, separate_all)
    else:
        estimates = separate_all(resampled)
    if iterations:
        estimates = _refined(estimates, mixture, inside, _wiener(model, channels, iterations))
    if sample_rate != model.sample_rate:
        # Resample all sources together, as channels.
        flat = (block.reshape(len(block), -1) for block in estimates)
        flat = audio.resample_blocks(flat, model.sample_rate, sample_rate)
        estimates = (block.reshape(len(block), len(model.sources), channels) for block in flat)
    estimates = _completed(estimates, song, len(model.sources), channels)
    if extended:
        estimates = _refined(estimates, original, samples, _extension(model, channels, sample_rate))
    yield from estimates


def _completed(estimates: Iterable[np.ndarray], song: Counted, sources: int, channels: int) -> Iterator[np.ndarray]:
    """Bring estimates to the length of the song, which rounding there and back may miss by a few samples."""
    done = 0
    for block in song.trim(estimates):
        done += len(block)
        yield block
    if done < song.samples:
        yield np.zeros((song.samples - done, sources, channels), np.float32)


# Refinements load Keras, which is not needed without them. They are kept, since each is compiled.


def _wiener(model, channels: int, iterations: int) -> WienerRefinement:
    adds_up = getattr(model, "adds_up", False)
    return _wiener_refinement(tuple(model.sources), channels, model.sample_rate, iterations, adds_up)


@functools.lru_cache(4)
def _wiener_refinement(*arguments) -> WienerRefinement:
    from tfsep.separation.refining import WienerRefinement

    return WienerRefinement(*arguments)


def _extension(model, channels: int, sample_rate: int) -> BandExtension:
    return _band_extension(tuple(model.sources), channels, sample_rate, model.sample_rate)


@functools.lru_cache(4)
def _band_extension(*arguments) -> BandExtension:
    from tfsep.separation.refining import BandExtension

    return BandExtension(*arguments)


def _refined(
    estimates: Iterable[np.ndarray], mixture: Delay, samples: int | None, refinement: Refinement
) -> Iterator[np.ndarray]:
    from tfsep.separation.refining import refine

    return refine(estimates, mixture, samples, refinement)


def stream_latency(channels: int, sample_rate: int, model, quality: Quality) -> int:
    """Return the maximum look-ahead in samples: input read beyond the last finished output.

    Raises:
        ValueError: if the model needs the whole song.
    """
    if isinstance(model, Bag) or hasattr(model, "separate_song") or getattr(model, "normalize_song", False):
        raise ValueError(f"{type(model).__name__} takes a song as a whole, and cannot separate it while it arrives.")
    model = quality.applied_to(model)
    delay = stream_delay(model, channels, quality.overlap, quality.batch_size)
    if iterations := quality.wiener_iterations(model, channels):
        delay += stream_delay(_wiener(model, channels, iterations), channels)
    if sample_rate == model.sample_rate:
        return delay
    slower = max(1, sample_rate / model.sample_rate)
    # There and back; and two samples, as lengths are rounded twice.
    latency = math.ceil(2 * RESAMPLING_DELAY * slower + delay * sample_rate / model.sample_rate) + 2
    if quality.extend_band and sample_rate > model.sample_rate:
        latency += stream_delay(_extension(model, channels, sample_rate), channels)
    return latency


class Delay:
    """Iterate over blocks and keep a copy of their samples, until `take` returns and drops the first ones.

    What is kept lies in a temporary file as soon as it is long, as with models that read a whole song first.
    """

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks = iter(blocks)
        self._kept: collections.deque[np.ndarray] = collections.deque()
        self._samples = 0  # of these blocks
        self._file = None
        self._read = self._written = 0  # bytes of the file

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        block = next(self._blocks)
        self._channels = block.shape[1]
        if self._file is None and (not self._kept or self._samples + len(block) <= _MOST_KEPT):
            self._keep(block)
        else:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
            self._file.seek(self._written)
            self._written += self._file.write(np.ascontiguousarray(block, np.float32))
        return block

    def take(self, samples: int) -> np.ndarray:
        while self._samples < samples:
            self._keep(self._from_file())
        self._samples -= samples
        parts = []
        while samples:
            block = self._kept.popleft()
            if len(block) > samples:
                self._kept.appendleft(block[samples:])
            parts.append(block[:samples])
            samples -= len(parts[-1])
        return np.concatenate(parts) if parts else np.zeros((0, self._channels), np.float32)

    def _keep(self, block: np.ndarray) -> None:
        self._kept.append(block)
        self._samples += len(block)

    def _from_file(self) -> np.ndarray:
        self._file.seek(self._read)
        data = self._file.read(min(self._written - self._read, 4 * self._channels * _MOST_KEPT))
        self._read += len(data)
        if self._read == self._written:
            self._file.close()
            self._file, self._read, self._written = None, 0, 0
        return np.frombuffer(data, np.float32).reshape(-1, self._channels)
