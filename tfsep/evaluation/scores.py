"""Scores of a model and its bounds on many tracks: how they are aggregated."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfsep.evaluation import result_files
from tfsep.evaluation.protocols import DEFAULT_PROTOCOL, protocol
from tfsep.evaluation.result_files import Frames, Leaked, TrackResult

_RESAMPLES = 1000
_DECIMALS = 5  # of all scores, as in museval's result files


@dataclass(repr=False)
class Scores:
    """Scores of one model over many tracks, with the rows that bound it.

    The score of a track is the median over its windows. That of a corpus is made as the protocol says: by
    `"bsseval_v4"` and `"si_sdr"` the median over tracks, by `"bsseval_v3"` the mean weighted by their length. NaN
    windows are left out. A score is held to 1e-5 dB and an infinite one (a perfect estimate) as NaN, as in museval's
    result files, so that what is read back is the same.

    Args:
        model: str, the model's name in tables.
        targets: names of the sources that are reported.
        window: float, length of a window in seconds. Defaults to the protocol's.
        hop: float, distance between the starts of windows in seconds. Defaults to the protocol's.
        protocol: str, how the scores were made; a table takes one protocol only. Defaults to `"bsseval_v4"`.
        settings: dict, what else decides about the scores; stored in files.

    Raises:
        ValueError: if there is no such protocol.

    Example:

    >>> scores = tfsep.evaluate(model, tracks)
    >>> scores.score("vocals")
    >>> print(scores)
    """

    model: str
    targets: tuple[str, ...]
    window: float | None = None
    hop: float | None = None
    protocol: str = DEFAULT_PROTOCOL
    settings: dict = field(default_factory=dict)
    # row ("model", "mixture", "IRM1") -> track -> target -> measure -> [windows]
    rows: dict[str, dict[str, Frames]] = field(default_factory=dict)
    # row -> track -> target -> [windows], NaN where the target is not silent
    leaked: dict[str, dict[str, Leaked]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    # track -> the most by which noise of 1e-6 on the references moves the model's SIR or SAR, in dB
    sensitivity: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        rules = protocol(self.protocol)
        self.window = rules.window if self.window is None else self.window
        self.hop = rules.hop if self.hop is None else self.hop

    def __repr__(self) -> str:
        return f"Scores({self.model!r}, targets={self.targets}, protocol={self.protocol!r}, tracks={len(self.tracks)})"

    def __str__(self) -> str:
        from tfsep.evaluation.tables import table  # which imports this module

        return table(self)

    @classmethod
    def load(cls, folder: str | Path) -> Scores:
        """Reads a results folder that `tfsep.evaluate` finished.

        Raises:
            FileNotFoundError: if the folder has no summary, or lacks the file of a track.
            ValueError: if a file is damaged, or they do not belong together.
        """
        content = result_files.load_summary(folder)
        scores = cls(
            content["model"],
            tuple(content["targets"]),
            content["window"],
            content["hop"],
            content["protocol"],
            content["settings"],
            failures=content["failures"],
        )
        for track in content["tracks"]:
            scores.load_track(track, folder)
        return scores

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks that have scores."""
        return tuple(self.rows.get("model", {}))

    @property
    def windows_in_words(self) -> str:
        """What was scored as one, such as `"1-s windows, hop 1 s"`."""
        if math.isinf(self.window):
            return "whole tracks"
        return f"{self.window:g}-s windows, hop {self.hop:g} s"

    def add(
        self,
        row: str,
        track: str,
        frames: Mapping[str, Mapping[str, np.ndarray]],
        leaked: Mapping[str, np.ndarray] | None = None,
        seconds: float = 1.0,
    ) -> None:
        """Adds the scores of a track.

        Args:
            row: str, `"model"`, `"mixture"` or the name of an oracle.
            track: str, the track's name.
            frames: dict from target to dict from measure to `[windows]`, in dB.
            leaked: dict from target to `[windows]` of `tfsep.evaluation.leakage`, or None.
            seconds: float, length of the track, its weight in means. Defaults to 1.0.
        """
        self.rows.setdefault(row, {})[track] = {
            target: {measure: _stored(np.where(np.isinf(x), np.nan, x)) for measure, x in frames[target].items()}
            for target in self.targets
        }
        self.leaked.setdefault(row, {})[track] = {target: _stored(leaked[target]) for target in self.targets if leaked}
        self.seconds[track] = float(seconds)

    def add_track(self, track: str, result: TrackResult) -> None:
        """Adds all rows of a track."""
        for row, frames in result.rows.items():
            self.add(row, track, frames, result.leaked[row], result.seconds)
        self.sensitivity[track] = round(result.sensitivity, _DECIMALS)

    def sort(self, tracks: Sequence[str]) -> None:
        """Brings the tracks into the order of `tracks`."""
        for rows in (self.rows, self.leaked):
            for row, scores in rows.items():
                rows[row] = {track: scores[track] for track in tracks if track in scores}
        self.failures = {track: self.failures[track] for track in tracks if track in self.failures}

    def measures(self, row: str = "model") -> tuple[str, ...]:
        """Names of the measures that a row holds."""
        return tuple(next(iter(self.rows[row].values()))[self.targets[0]])

    def track_medians(self, target: str, measure: str | None = None, row: str = "model") -> np.ndarray:
        """Medians over the windows of each track, `[tracks]`, in dB; NaN for a track of NaN windows only."""
        measure = measure or protocol(self.protocol).main
        return np.array([_nanmedian(frames[target][measure]) for frames in self.rows[row].values()])

    def score(self, target: str | None = None, measure: str | None = None, row: str = "model") -> float:
        """The corpus's score by the protocol, in dB.

        Args:
            target: str, or None for the mean over the targets.
            measure: str, or None for the protocol's first: `"SDR"`, `"NSDR"` or `"SI-SDR"`.
            row: str, `"model"` or a bound. Defaults to `"model"`.
        """
        return float(np.mean(self._aggregate(self._matrix(target, measure, row), self._weights(row))))

    def median(self, target: str | None = None, measure: str | None = None, row: str = "model") -> float:
        """Median over windows, then over tracks, whatever the protocol; the arguments are those of `score`."""
        return float(np.mean(_nanmedian(self._matrix(target, measure, row), axis=0)))

    def interval(
        self, target: str | None = None, measure: str | None = None, row: str = "model", seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap interval (95 %, percentiles of 1000 resamples of the tracks) of `score`.

        Returns:
            Lower and upper end in dB; NaN where fewer than two tracks, or none of a target's, have a score.
        """
        matrix, weights = self._matrix(target, measure, row), self._weights(row)
        known = ~np.isnan(matrix).all(axis=1)
        matrix, weights = matrix[known], weights[known]
        if len(matrix) < 2 or np.isnan(matrix).all(axis=0).any():
            return math.nan, math.nan
        picks = np.random.default_rng(seed).integers(len(matrix), size=(_RESAMPLES, len(matrix)))
        resampled = self._aggregate(matrix[picks], weights[picks]).mean(axis=-1)
        low, high = np.percentile(resampled[~np.isnan(resampled)], [2.5, 97.5])
        return float(low), float(high)

    def pooled(self, target: str, measure: str | None = None, row: str = "model") -> tuple[float, float]:
        """Median over the windows of all tracks together, and their median absolute deviation, in dB."""
        measure = measure or protocol(self.protocol).main
        frames = np.concatenate([frames[target][measure] for frames in self.rows[row].values()])
        median = _nanmedian(frames)
        return float(median), float(_nanmedian(np.abs(frames - median)))

    def windows(self, row: str = "model") -> tuple[int, int]:
        """Numbers of windows and of those where a target has no score: silence, or a perfect estimate."""
        first = self.measures(row)[0]
        frames = [np.stack([scores[first] for scores in targets.values()]) for targets in self.rows[row].values()]
        return sum(values.shape[1] for values in frames), int(sum(np.isnan(x).any(axis=0).sum() for x in frames))

    def leakage(self, target: str, row: str = "model") -> tuple[int, float]:
        """Number of windows in which a target is silent, and the median of what its estimates let through there.

        In dB relative to the mixture; see `tfsep.evaluation.leakage`. -inf for estimates that are silent as well,
        NaN where there is no such window.
        """
        tracks = [targets[target] for targets in self.leaked.get(row, {}).values() if target in targets]
        leaked = np.concatenate([*tracks, []])
        leaked = leaked[~np.isnan(leaked)]
        # Sorted and not averaged: the mean of -inf and a number is -inf.
        return len(leaked), float(np.sort(leaked)[len(leaked) // 2]) if len(leaked) else math.nan

    def track_json(self, track: str) -> dict:
        """Scores of a track, the model's in museval's schema; see `tfsep.evaluation.result_files`."""
        return result_files.track_json(self, track)

    def summary(self) -> dict:
        """Everything aggregated, ready for JSON; null stands for a score that is not defined."""
        return result_files.summary(self)

    def save_track(self, track: str, folder: str | Path) -> None:
        """Writes `FOLDER/<track>.json`, atomically."""
        result_files.save_track(self, track, folder)

    def load_track(self, track: str, folder: str | Path) -> None:
        """Adds a track from what `save_track` wrote.

        Raises:
            ValueError: if the file is damaged, or was made of another model, of other targets or in another way.
        """
        self.add_track(track, result_files.load_track(self, track, folder))

    def save_summary(self, folder: str | Path) -> None:
        """Writes `FOLDER/summary.json`, atomically."""
        result_files.save_summary(self, folder)

    def _matrix(self, target, measure, row):
        targets = self.targets if target is None else (target,)
        return np.stack([self.track_medians(name, measure, row) for name in targets], axis=1)

    def _weights(self, row):
        return np.array([self.seconds[track] for track in self.rows[row]])

    def _aggregate(self, matrix, weights):
        """`[..., tracks, targets]` with weights `[..., tracks]` -> `[..., targets]`, NaN where no track has a score."""
        if not protocol(self.protocol).weighted_mean:
            return _nanmedian(matrix, axis=-2)
        weights = np.where(np.isnan(matrix), 0, weights[..., np.newaxis])
        with np.errstate(invalid="ignore"):
            return np.nansum(weights * matrix, axis=-2) / weights.sum(axis=-2)


def _stored(values):
    return np.round(np.asarray(values, np.float64), _DECIMALS)


def _nanmedian(values, axis=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.nanmedian(values, axis=axis)
