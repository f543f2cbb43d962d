"""Scores of a model and its bounds on many tracks, and how they are aggregated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tfsep.evaluation.aggregation import aggregate, bootstrap_interval, nanmedian
from tfsep.evaluation.bsseval import MEASURES
from tfsep.evaluation.protocols import DEFAULT_PROTOCOL, protocol
from tfsep.evaluation.tables import table

if TYPE_CHECKING:
    import museval
    import pandas

_DECIMALS = 5  # of all scores, as in museval's result files

Frames = dict[str, dict[str, np.ndarray]]  # target -> measure -> [windows]
Leaked = dict[str, np.ndarray]  # target -> [windows]


@dataclass(frozen=True)
class TrackResult:
    """Scores of one track.

    Args:
        rows: dict from row (`"model"`, `"mixture"`, `"IRM1"`, ...) to target to measure to `[windows]`.
        leaked: dict from row to target to `[windows]` of `tfsep.evaluation.leakage`.
        seconds: float, length of the track.
        sensitivity: float, largest change in dB of the model's SIR or SAR in any window when noise of 1e-6 is added
            to the references.
    """

    rows: dict[str, Frames]
    leaked: dict[str, Leaked]
    seconds: float
    sensitivity: float


@dataclass(repr=False)
class Scores:
    """Scores of one model on many tracks, with those of the bounds beside it.

    `print(scores)` prints a table. The score of a track is the median over its windows. The protocol decides how the
    tracks are combined, such as the median for `"bsseval_v4"` and the mean for `"mdx"`. NaN windows are left out.
    Scores are rounded to 1e-5 and infinite ones (perfect estimates) become NaN, as in museval's result files, so that
    reading them back gives the same values.

    Args:
        model: str, the model's name in tables.
        targets: names of the sources that are reported.
        window: float, length of a window in seconds. Defaults to the protocol's.
        hop: float, distance between the starts of windows in seconds. Defaults to the protocol's.
        protocol: str, how the scores were computed. Defaults to `"bsseval_v4"`.
        settings: dict, further settings that affect the scores; saved in result files. Defaults to none.

    Raises:
        ValueError: if the protocol is unknown.

    Example:

    >>> scores = tfsep.evaluation.Scores("unet", ("vocals",))
    >>> for track, values in {"song 1": [3.0, 5.0], "song 2": [6.0, np.nan]}.items():
    ...     scores.add("model", track, {"vocals": {"SDR": np.array(values)}})
    >>> scores.track_medians("vocals")
    array([4., 6.])
    >>> scores.score("vocals")
    5.0
    """

    model: str
    targets: tuple[str, ...]
    window: float | None = None
    hop: float | None = None
    protocol: str = DEFAULT_PROTOCOL
    settings: dict = field(default_factory=dict)
    # row ("model", "mixture", "IRM1") -> track -> target -> measure -> [windows]
    rows: dict[str, dict[str, Frames]] = field(default_factory=dict)
    # row -> track -> target -> [windows]; NaN where the target is not silent
    leaked: dict[str, dict[str, Leaked]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    # track -> sensitivity, see TrackResult
    sensitivity: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        rules = protocol(self.protocol)
        self.window = rules.window if self.window is None else self.window
        self.hop = rules.hop if self.hop is None else self.hop

    def __repr__(self) -> str:
        return f"Scores({self.model!r}, targets={self.targets}, protocol={self.protocol!r}, tracks={len(self.tracks)})"

    def __str__(self) -> str:
        return table(self)

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the scored tracks."""
        return tuple(self.rows.get("model", {}))

    @property
    def windows_in_words(self) -> str:
        """The windows in words, such as `"1-s windows, hop 1 s"`."""
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
        """Add the scores of a track to one row.

        Args:
            row: str, `"model"`, `"mixture"` or the name of an oracle.
            track: str, the track's name.
            frames: dict from target to dict from measure to `[windows]`.
            leaked: dict from target to `[windows]` of `tfsep.evaluation.leakage`. Defaults to None.
            seconds: float, length of the track, its weight in means. Defaults to 1.0.
        """
        self.rows.setdefault(row, {})[track] = {
            target: {measure: _stored(np.where(np.isinf(x), np.nan, x)) for measure, x in frames[target].items()}
            for target in self.targets
        }
        self.leaked.setdefault(row, {})[track] = {target: _stored(leaked[target]) for target in self.targets if leaked}
        self.seconds[track] = float(seconds)

    def add_track(self, track: str, result: TrackResult) -> None:
        """Add all rows of a track."""
        for row, frames in result.rows.items():
            self.add(row, track, frames, result.leaked[row], result.seconds)
        self.sensitivity[track] = round(result.sensitivity, _DECIMALS)

    def sort(self, tracks: Sequence[str]) -> None:
        """Sort the tracks in the order of `tracks`."""
        for rows in (self.rows, self.leaked):
            for row, scores in rows.items():
                rows[row] = {track: scores[track] for track in tracks if track in scores}
        self.failures = {track: self.failures[track] for track in tracks if track in self.failures}

    def start_of(self, window: int) -> float:
        """Return the start of a window in seconds."""
        return 0.0 if math.isinf(self.hop) else window * self.hop

    def measures(self, row: str = "model") -> tuple[str, ...]:
        """Return the names of the measures of a row."""
        return tuple(next(iter(self.rows[row].values()))[self.targets[0]])

    def track_medians(self, target: str, measure: str | None = None, row: str = "model") -> np.ndarray:
        """Return the median over the windows of each track, `[tracks]`; NaN where all windows are NaN."""
        measure = measure or protocol(self.protocol).main
        return np.array([nanmedian(frames[target][measure]) for frames in self.rows[row].values()])

    def track_weights(self, row: str = "model") -> np.ndarray:
        """Return how much each track counts in the score of the corpus, `[tracks]`."""
        weighted = protocol(self.protocol).aggregate == "weighted mean"
        return np.array([self.seconds[track] if weighted else 1.0 for track in self.rows[row]])

    def score(self, target: str | None = None, measure: str | None = None, row: str = "model") -> float:
        """Return the score of the corpus, aggregated as the protocol does.

        Args:
            target: str. Defaults to None, the mean over the targets.
            measure: str. Defaults to the protocol's main measure, such as `"SDR"`, `"NSDR"` or `"uSDR"`.
            row: str, `"model"` or a bound. Defaults to `"model"`.
        """
        how = protocol(self.protocol).aggregate
        return float(np.mean(aggregate(self._matrix(target, measure, row), self.track_weights(row), how)))

    def median(self, target: str | None = None, measure: str | None = None, row: str = "model") -> float:
        """Return the median over windows, then over tracks, for any protocol; arguments as for `score`."""
        return float(np.mean(nanmedian(self._matrix(target, measure, row), axis=0)))

    def interval(
        self, target: str | None = None, measure: str | None = None, row: str = "model", seed: int = 0
    ) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of `score`: percentiles over 1000 resamples of the tracks.

        Args:
            target, measure, row: as for `score`.
            seed: int, seed of the resampling. Defaults to 0.

        Returns:
            Lower and upper end; NaN if fewer than two tracks have a score, or a target has none.
        """
        how = protocol(self.protocol).aggregate
        return bootstrap_interval(self._matrix(target, measure, row), self.track_weights(row), how, seed)

    def pooled(self, target: str, measure: str | None = None, row: str = "model") -> tuple[float, float]:
        """Return the median over the windows of all tracks, and their median absolute deviation."""
        measure = measure or protocol(self.protocol).main
        frames = np.concatenate([frames[target][measure] for frames in self.rows[row].values()])
        median = nanmedian(frames)
        return float(median), float(nanmedian(np.abs(frames - median)))

    def windows(self, row: str = "model") -> tuple[int, int]:
        """Return the number of windows, and of those without a score: silent source, or perfect estimate."""
        first = self.measures(row)[0]
        frames = [np.stack([scores[first] for scores in targets.values()]) for targets in self.rows[row].values()]
        return sum(values.shape[1] for values in frames), int(sum(np.isnan(x).any(axis=0).sum() for x in frames))

    def leakage(self, target: str, row: str = "model") -> tuple[int, float]:
        """Return the number of windows in which a target is silent, and the median energy of its estimates there.

        The energy is in dB relative to the mixture; see `tfsep.evaluation.leakage`. It is -inf if the estimates are
        silent as well, and NaN if there is no such window.
        """
        tracks = [targets[target] for targets in self.leaked.get(row, {}).values() if target in targets]
        leaked = np.concatenate([*tracks, []])
        leaked = leaked[~np.isnan(leaked)]
        # Not np.median: the mean of -inf and a number is -inf.
        return len(leaked), float(np.sort(leaked)[len(leaked) // 2]) if len(leaked) else math.nan

    def to_pandas(self, row: str = "model") -> pandas.DataFrame:
        """Return the scores of all windows as a data frame, one score a line.

        Args:
            row: str, `"model"`, `"mixture"` or the name of an oracle. Defaults to `"model"`.

        Returns:
            `pandas.DataFrame` with museval's columns `track`, `time` (start of the window in seconds), `target`,
            `metric` and `score`.
        """
        import pandas

        lines = [(track, time, target, measure, score) for track, target, measure, time, score in self.lines(row)]
        return pandas.DataFrame(lines, columns=["track", "time", "target", "metric", "score"])

    def lines(self, row: str = "model") -> Iterator[tuple[str, str, str, float, float]]:
        """Yield the track, target, measure, start in seconds and score of every window of a row."""
        for track, targets in self.rows[row].items():
            for target, measures in targets.items():
                for measure, values in measures.items():
                    for window, score in enumerate(values):
                        yield track, target, measure, self.start_of(window), float(score)

    def to_museval(self, row: str = "model") -> museval.EvalStore:
        """Return the scores as museval's `EvalStore`, to aggregate and compare them with museval's own functions.

        Measures that `sdr_only` left out, and ISR of `"bsseval_v3"`, are NaN.

        Args:
            row: str, `"model"`, `"mixture"` or the name of an oracle. Defaults to `"model"`.

        Raises:
            ValueError: for scores of other protocols than BSS Eval, which museval does not know.
            RuntimeError: if museval cannot be imported; it needs the programs ffmpeg and ffprobe.
        """
        if self.protocol not in ("bsseval_v4", "bsseval_v3"):
            raise ValueError(
                f"museval knows {', '.join(MEASURES)} of BSS Eval. Received: scores by {self.protocol}. Use to_pandas."
            )
        try:
            import museval
        except (ImportError, RuntimeError) as error:
            raise RuntimeError(f"museval needs ffmpeg and ffprobe ({error}). Install them or use to_pandas.") from error
        store = museval.EvalStore()
        frame = self.to_pandas(row)
        store.add_track(frame)
        known = self.measures(row)
        for measure in MEASURES:
            if measure not in known:
                store.add_track(frame[frame["metric"] == known[0]].assign(metric=measure, score=math.nan))
        return store

    def _matrix(self, target, measure, row):
        targets = self.targets if target is None else (target,)
        return np.stack([self.track_medians(name, measure, row) for name in targets], axis=1)


def _stored(values):
    return np.round(np.asarray(values, np.float64), _DECIMALS)
