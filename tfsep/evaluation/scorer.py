"""Scores of one track: the model and the rows that bound it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from tfsep.evaluation.stft import Stft

# Share of the mixture's energy above which the residual of the stems is a source of its own. The residual of a codec is
# smaller: at most -24 dB on MUSDB18's previews.
_UNEXPLAINED = 0.05
_NOISE = 1e-6  # root mean square of the noise that no score should depend on


@dataclass(frozen=True)
class Failure:
    """Why a track has no scores.

    Args:
        message: str.
        wrong_use: bool, whether the arguments of the call are at fault.
    """

    message: str
    wrong_use: bool


@dataclass(frozen=True)
class Scorer:
    """Scores tracks one by one, in any process.

    Args:
        estimates: the estimates to score.
        protocols: names of the protocols, which share the separated audio.
        oracles: names of the oracles.
        sdr_only: bool, skip ISR, SIR and SAR.
    """

    estimates: Estimates
    protocols: tuple[str, ...]
    oracles: tuple[str, ...]
    sdr_only: bool

    def __call__(self, track: Track) -> dict[str, TrackResult] | Failure:
        """Score a track by each protocol. Faults of its data are returned, those of the program raised."""
        try:
            return self._score(track)
        except (AudioError, DamagedError, OSError, ValueError) as error:
            return Failure(str(error), isinstance(error, ValueError))

    def _score(self, track):
        rules = [protocol(name) for name in self.protocols]
        _check_scorable(track, rules)
        mixture = track.read("mixture")
        stems = _stems(track, mixture, self.estimates.sources)
        parts = _references(self.estimates.sources, tuple(stems))
        references = np.stack([sum(stems[name] for name in names) for names in parts.values()])
        seconds = track.samples / track.sample_rate
        results = {name: TrackResult({}, {}, seconds, 0.0) for name in self.protocols}
        for row, estimate in self._rows(track, mixture, stems, tuple(parts)).items():
            made = {}  # estimates of each transform, which only oracles need
            for rule in rules:
                transform = rule.stft if row in self.oracles else None
                if transform not in made:
                    estimates = estimate(transform)
                    made[transform] = np.stack([estimates[name] for name in parts])
                audio = (references, made[transform], mixture, track.sample_rate)
                results[rule.name] = self._with_row(results[rule.name], rule, row, tuple(parts), audio)
        return {
            rule.name: replace(results[rule.name], rows=_improved(results[rule.name].rows, rule.improvements))
            for rule in rules
        }

    def _with_row(self, result, rule, row, names, audio):
        """Return the result with the scores of one row."""
        references, estimates, _, sample_rate = audio
        values = rule.measure(*audio, self.sdr_only)
        sensitivity = result.sensitivity
        if row == "model" and "SIR" in values:
            reported = [index for index, name in enumerate(names) if name in self.estimates.sources]
            sensitivity = _largest_change(values, rule.measure(*audio, self.sdr_only, noise=_NOISE), reported)
        scores = {name: {measure: x[index] for measure, x in values.items()} for index, name in enumerate(names)}
        silence = leakage(references, estimates, sample_rate, rule.window, rule.hop)
        return replace(
            result,
            rows={**result.rows, row: scores},
            leaked={**result.leaked, row: dict(zip(names, silence, strict=True))},
            sensitivity=sensitivity,
        )

    def _rows(self, track, mixture, stems, targets) -> dict[str, Callable[[Stft | None], dict[str, np.ndarray]]]:
        """Functions that compute the estimates of each row from a transform: one row at a time, to save memory."""
        mixtures = mixture_estimates(mixture, targets, tuple(stems))
        return {
            "model": lambda _: {**mixtures, **self._read(track, mixture)},
            "mixture": lambda _: mixtures,
            **{name: partial(oracle, name, mixture, stems, targets) for name in self.oracles},
        }

    def _read(self, track, mixture):
        """Read the estimates of a track and check them."""
        estimates = self.estimates.read(track)
        for source in self.estimates.sources:
            if source not in estimates:
                raise ValueError(f"{track.name} has no estimate of {source!r}. Received: {', '.join(estimates)}.")
            estimate = np.asarray(estimates[source])
            if estimate.shape != mixture.shape or not np.issubdtype(estimate.dtype, np.floating):
                raise ValueError(
                    f"The estimate of {source!r} of {track.name} must be floats of shape {mixture.shape}, in [-1, 1]. "
                    f"Received: {estimate.dtype} of shape {estimate.shape}."
                )
        return {source: np.asarray(estimates[source]) for source in self.estimates.sources}


def _check_scorable(track, rules):
    if not track.samples:
        raise ValueError(f"{track.name} has 0 samples. Expected a track with audio.")
    for rule in rules:
        if rule.mono and track.channels > 1:
            raise ValueError(f"{track.name} has {track.channels} channels. {rule.name} scores mono; take bsseval_v4.")


def _stems(track, mixture, targets) -> dict[str, np.ndarray]:
    """Read a track's stems, with the residual as one more if it is large or the only thing left.

    Stems with a sum of all others, such as MUSDB18's, are complete.
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
    """Return which stems add up to each reference."""
    parts = components(targets, sources)  # raises if the track lacks one
    if set(targets) <= set(sources):
        return components(sources, sources)
    return parts  # with a sum of all other stems


def _largest_change(values, noisy, targets) -> float:
    """Return the largest change of SIR or SAR of the targets in any window, in dB."""
    with np.errstate(invalid="ignore"):  # infinite for perfect estimates
        changes = [np.abs(values[measure][targets] - noisy[measure][targets]) for measure in ("SIR", "SAR")]
    return float(np.max(changes, where=np.isfinite(changes), initial=0.0))


def _improved(rows: dict[str, Frames], improvements) -> dict[str, Frames]:
    """Add the improvements over the mixture row; NaN where both are perfect."""
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
