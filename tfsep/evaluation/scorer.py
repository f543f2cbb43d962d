"""Scores of one track: the model and the rows that bound it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tfsep.audio import AudioError
from tfsep.datasets import Track, components
from tfsep.datasets.store import DamagedError
from tfsep.evaluation.estimates import Estimates
from tfsep.evaluation.leakage import leakage
from tfsep.evaluation.oracles import mixture_estimates, oracle
from tfsep.evaluation.protocols import protocol
from tfsep.evaluation.result_files import Frames, TrackResult
from tfsep.evaluation.separations import Separations


@dataclass(frozen=True)
class Failure:
    """Why a track has no scores.

    Args:
        message: str.
        wrong_use: bool, whether the caller can put it right by calling otherwise.
    """

    message: str
    wrong_use: bool


@dataclass(frozen=True)
class Scorer:
    """Scores tracks one by one, in any process.

    Args:
        estimates: what is scored.
        protocol: str, how.
        oracles: names of the oracles.
        sdr_only: bool, leaves ISR, SIR and SAR out.
    """

    estimates: Estimates | Separations
    protocol: str
    oracles: tuple[str, ...]
    sdr_only: bool

    def __call__(self, track: Track) -> TrackResult | Failure:
        """Scores a track; a fault of its data is returned, one of the program raised."""
        try:
            return self._score(track)
        except (AudioError, DamagedError, OSError, ValueError) as error:
            return Failure(str(error), isinstance(error, ValueError))

    def _score(self, track):
        rules = protocol(self.protocol)
        if not track.samples:
            raise ValueError(f"{track.name} has 0 samples. Expected a track with audio.")
        if rules.mono and track.channels > 1:
            raise ValueError(f"{track.name} has {track.channels} channels. {rules.name} scores mono; take bsseval_v4.")
        parts = _references(self.estimates.sources, track)
        stems = track.read_sources(track.sources)
        references = np.stack([sum(stems[name] for name in names) for names in parts.values()])
        rows, leaked = {}, {}
        for row, estimate in self._rows(track, stems, tuple(parts)).items():
            estimates = estimate()
            estimates = np.stack([estimates[name] for name in parts])
            values = rules.measure(references, estimates, track.sample_rate, self.sdr_only)
            rows[row] = {name: {measure: x[index] for measure, x in values.items()} for index, name in enumerate(parts)}
            silence = leakage(references, estimates, track.sample_rate, rules.window, rules.hop)
            leaked[row] = dict(zip(parts, silence, strict=True))
        return TrackResult(_improved(rows, rules.improvements), leaked, track.samples / track.sample_rate)

    def _rows(self, track, stems, targets) -> dict[str, Callable[[], dict[str, np.ndarray]]]:
        """What makes the estimates of each row, one after another: all together take much memory."""
        mixture = track.read("mixture")
        mixtures = mixture_estimates(mixture, targets, track.sources)
        transform = protocol(self.protocol).stft
        return {
            # What the model lacks is filled up.
            "model": lambda: {**mixtures, **self.estimates.read(track)},
            "mixture": lambda: mixtures,
            **{name: partial(oracle, name, mixture, stems, targets, transform) for name in self.oracles},
        }


def _references(sources, track) -> dict[str, tuple[str, ...]]:
    """Says which stems add up to each reference."""
    parts = components(sources, track.sources)  # raises where the track lacks one
    if "accompaniment" in sources:
        return parts
    return components(track.sources, track.sources)


def _improved(rows: dict[str, Frames], improvements) -> dict[str, Frames]:
    """Adds measures that are differences to the mixture row."""
    return {
        row: {
            target: {
                **{name: measures[base] - rows["mixture"][target][base] for name, base in improvements.items()},
                **measures,
            }
            for target, measures in frames.items()
        }
        for row, frames in rows.items()
    }
