"""Excerpts of tracks, drawn at random or read in order, with NumPy alone."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from keras import ops

from tfsep.checks import check_integer, check_number
from tfsep.datasets import Track, components
from tfsep.datasets.store import DTYPE, SCALE
from tfsep.datasets.track import LEFT_OVER, RESIDUAL, track_list
from tfsep.pipeline.cache import open_audio

_log = logging.getLogger("tfsep")

# Excerpts without a sample above -60 dB of full scale are silent and are drawn again, up to three times.
_SILENCE = 1e-3
_ATTEMPTS = 4
# Step of a quick first search for such a sample.
_STRIDE = 97

# Largest number of tracks in a message.
_NAMED = 3


class ExcerptReader:
    """Excerpts of the decoded stems of a model's training data, as int16 rows, one per source."""

    def __init__(
        self,
        tracks: Sequence[Track],
        model,
        batch_size: int,
        cache: str | Path | None,
        active: str | None = None,
        weights: Sequence[float] | None = None,
    ):
        check_integer("batch_size", batch_size)
        tracks = track_list(tracks)
        if not tracks:
            raise ValueError("There are no tracks. Expected at least one Track.")
        self.weights = weights
        if weights is not None:
            if len(weights) != len(tracks):
                raise ValueError(f"weights must be one for each of {len(tracks)} tracks. Received: {len(weights)}.")
            for weight in weights:
                check_number("weights", weight, above=0)
        self.tracks = tracks
        self.sources = tuple(dict.fromkeys(source for track in tracks for source in track.sources))
        self.parts = self._parts(model.sources)
        self.segment, self.context = model.segment, model.context
        self.shape = (len(self.sources) + 1, model.segment + 2 * model.context, model.channels)
        self.audio = open_audio(tracks, model.sample_rate, model.channels, cache)
        self.samples = [audio.samples for audio in self.audio]
        self.windows = sum(-(-samples // self.segment) for samples in self.samples)
        # For each track the rows of its sources and of its residual.
        self.rows = [
            [*(self.sources.index(source) for source in track.sources), self._residual_row(track)] for track in tracks
        ]
        names = self.parts if active is None else (active,)
        rows = (*self.sources, RESIDUAL)
        self.active_rows = sorted({rows.index(part) for name in names for part in self.parts[name]})
        self._order = functools.lru_cache(maxsize=8)(self._shuffled)

    def _parts(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the rows whose sum is each name; a sum such as accompaniment may be a stem of some tracks only."""
        try:
            parts = components(names, self.sources, residual=any(track.mixture is not None for track in self.tracks))
        except ValueError as error:
            raise ValueError(f"{error} Tracks: {', '.join(self._some_tracks())}.") from None
        for name in parts.keys() & set(LEFT_OVER) & set(self.sources):
            others = [track for track in self.tracks if name not in track.sources]
            left = {source for track in others for source in track.sources} - set(names) | {name}
            parts[name] = tuple(source for source in self.sources if source in left)
        return parts

    def check_sound(self) -> None:
        """Log which of the model's sources are silent in all tracks; raise ValueError if all are."""
        silent, rows = dict(self.parts), (*self.sources, RESIDUAL)
        for track, samples in enumerate(self.samples):
            present = {source for source, stem in self.tracks[track].stems.items() if stem is not None}
            present.add(rows[self.rows[track][-1]])
            for start in range(0, samples, self.segment):
                if present.isdisjoint(itertools.chain(*silent.values())):
                    break
                (window,) = self.load([(track, start)])
                for name, parts in list(silent.items()):
                    if any(window[rows.index(part)].any() for part in parts):
                        del silent[name]
        if len(silent) == len(self.parts):
            raise ValueError(
                f"{', '.join(silent)}: silent in all tracks: there is nothing to learn. Check the files of "
                f"{', '.join(self._some_tracks())}."
            )
        if silent:
            _log.warning("%s: silent in all tracks; the model will learn silence.", ", ".join(silent))

    def _some_tracks(self) -> list[str]:
        return [track.name for track in self.tracks[:_NAMED]] + ["..."] * (len(self.tracks) > _NAMED)

    def _residual_row(self, track: Track) -> int:
        """Return the last row, or that of a sum if all else of the track is estimated, as accompaniment of vocals."""
        sums = [name for name in self.parts if name in LEFT_OVER and name in self.sources]
        if len(sums) == 1 and set(track.sources) == self.parts.keys() - set(sums):
            return self.sources.index(sums[0])
        return -1

    def _shuffled(self, seed: int, turn: int) -> np.ndarray:
        """Return the order of tracks in a turn, which has as many examples as there are tracks."""
        generator = np.random.default_rng((seed, 0, turn))
        tracks = np.arange(len(self.audio))
        if self.weights is not None:
            # Systematic sampling: equally spaced points on a line that the tracks divide by their weights. So a turn
            # has a track as often as expected, rounded down or up. With float32, no point is rounded to the end.
            points = (float(generator.random(dtype=np.float32)) + tracks) / len(tracks)
            ends = np.cumsum(self.weights)
            tracks = np.searchsorted(ends / ends[-1], points, side="right")
        return generator.permutation(tracks)

    def draw(self, seed: int, examples: Iterable[int]) -> np.ndarray:
        """Return the windows of training examples as `load` does; each depends on the seed and its number alone."""
        examples = list(examples)
        batch = self.load(self._place(seed, example, 0) for example in examples)
        for attempt in range(1, _ATTEMPTS):
            silent = [place for place, window in enumerate(batch) if self._is_silent(window)]
            if not silent:
                break
            batch[silent] = self.load(self._place(seed, examples[place], attempt) for place in silent)
        return batch

    def _place(self, seed: int, example: int, attempt: int) -> tuple[int, int]:
        """Return track and start of an example: every turn has its order of tracks, and positions are random."""
        turn, place = divmod(int(example), len(self.audio))
        track = self._order(seed, turn)[place]
        last = max(0, self.samples[track] - self.segment)
        return track, np.random.default_rng((seed, 1, int(example), attempt)).integers(last + 1)

    def _is_silent(self, window: np.ndarray) -> bool:
        loudest = _SILENCE * SCALE
        steps = ((step, row) for step in (_STRIDE, 1) for row in self.active_rows)
        return not any((np.abs(window[row, ::step]) > loudest).any() for step, row in steps)

    def load(self, places: Iterable[tuple[int, int]]) -> np.ndarray:
        """Return windows at (track, start) with their context, int16 `[batch, sources + residual, samples, channels]`.

        Samples beyond the ends of a song, and of sources that it lacks, are zero.
        """
        places = list(places)
        batch = np.zeros((len(places), *self.shape), DTYPE)
        for window, (track, start) in zip(batch, places, strict=True):
            begin, end = start - self.context, start + self.segment + self.context
            first, last = max(begin, 0), min(end, self.samples[track])
            inside = [window[row, first - begin : last - begin] for row in self.rows[track]]
            self.audio[track].copy_into(inside, first)
        return batch

    def mixed(self, stems) -> tuple:
        """Return the mixture and the model's sources of rows `[batch, sources + residual, samples, channels]`."""
        rows = {name: stems[:, row] for row, name in enumerate((*self.sources, RESIDUAL))}
        references = {name: sum(rows[part] for part in parts) for name, parts in self.parts.items()}
        return ops.sum(stems, axis=1), references
