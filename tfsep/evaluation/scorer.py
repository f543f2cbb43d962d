"""Scores of one track: the model and the rows that bound it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tfsep.audio import AudioError
from tfsep.datasets import Track, components
from tfsep.datasets.manifest import DamagedError
from tfsep.datasets.track import LEFT_OVER, RESIDUAL
from tfsep.evaluation import windows
from tfsep.evaluation.estimates import Estimates
from tfsep.evaluation.leaked_energy import leakage
from tfsep.evaluation.oracles import mixture_estimates, oracle
from tfsep.evaluation.protocols import protocol
from tfsep.evaluation.scores import Frames, TrackResult
from tfsep.evaluation.separations import Separations

# Share of the mixture's energy from which on what the stems do not explain is a source of its own. A codec's residual
# stays below: on MUSDB18's previews it is -24 dB at most.
_UNEXPLAINED = 0.05
_NOISE = 1e-6  # what no score should depend on


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
        mixture = track.read("mixture")
        stems = _stems(track, mixture, self.estimates.sources)
        parts = _references(self.estimates.sources, tuple(stems))
        references = np.stack([sum(stems[name] for name in names) for names in parts.values()])
        rows, leaked, sensitivity = {}, {}, 0.0
        for row, estimate in self._rows(track, mixture, stems, tuple(parts)).items():
            estimates = estimate()
            estimates = np.stack([estimates[name] for name in parts])
            values = rules.measure(references, estimates, track.sample_rate, self.sdr_only)
            if row == "model" and "SIR" in values:
                noisy = rules.measure(references, estimates, track.sample_rate, self.sdr_only, noise=_NOISE)
                reported = [index for index, name in enumerate(parts) if name in self.estimates.sources]
                sensitivity = _largest_change(values, noisy, reported)
            rows[row] = {name: {measure: x[index] for measure, x in values.items()} for index, name in enumerate(parts)}
            silence = leakage(references, estimates, track.sample_rate, rules.window, rules.hop)
            leaked[row] = dict(zip(parts, silence, strict=True))
        seconds = track.samples / track.sample_rate
        return TrackResult(_improved(rows, rules.improvements), leaked, seconds, sensitivity)

    def _rows(self, track, mixture, stems, targets) -> dict[str, Callable[[], dict[str, np.ndarray]]]:
        """What makes the estimates of each row, one after another: all together take much memory."""
        mixtures = mixture_estimates(mixture, targets, tuple(stems))
        transform = protocol(self.protocol).stft
        return {
            # What the model lacks is filled up.
            "model": lambda: {**mixtures, **self.estimates.read(track)},
            "mixture": lambda: mixtures,
            **{name: partial(oracle, name, mixture, stems, targets, transform) for name in self.oracles},
        }


def _stems(track, mixture, targets) -> dict[str, np.ndarray]:
    """Reads a track's stems; what they do not explain of the mixture is one more, if it is much or all that is left.

    Stems of which one is the sum of what is left, such as MUSDB18's, are all there is of a song.
    """
    stems = track.read_sources(track.sources)
    if stems.keys() & {*LEFT_OVER, RESIDUAL}:
        return stems
    residual = mixture - sum(stems.values())
    unexplained, whole = windows.energies(np.stack([residual, mixture]))
    lacking = set(targets) - stems.keys()
    all_that_is_left = unexplained > 0 and lacking & set(LEFT_OVER) and stems.keys() <= set(targets)
    if unexplained > _UNEXPLAINED * whole or all_that_is_left:
        stems[RESIDUAL] = residual
    return stems


def _references(targets, sources) -> dict[str, tuple[str, ...]]:
    """Says which stems add up to each reference."""
    parts = components(targets, sources)  # raises where the track lacks one
    if set(targets) <= set(sources):
        return components(sources, sources)
    return parts  # with a sum of all that the others leave


def _largest_change(values, noisy, targets) -> float:
    """The most by which SIR or SAR of a target differ in any window, in dB."""
    with np.errstate(invalid="ignore"):  # infinite for perfect estimates
        changes = [np.abs(values[measure][targets] - noisy[measure][targets]) for measure in ("SIR", "SAR")]
    return float(np.max(changes, where=np.isfinite(changes), initial=0.0))


def _improved(rows: dict[str, Frames], improvements) -> dict[str, Frames]:
    """Adds measures that are differences to the mixture row; NaN for a perfect estimate beside a perfect mixture."""
    with np.errstate(invalid="ignore"):
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
