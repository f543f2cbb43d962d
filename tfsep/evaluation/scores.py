"""Frame scores of a model and its bounds: aggregation, files in museval's schema, tables."""

from __future__ import annotations

import importlib.metadata
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfsep import __version__
from tfsep.evaluation.bss_eval import MEASURES
from tfsep.files import write_text

PROTOCOL = "bsseval_v4"
SUMMARY = "summary.json"
_RESAMPLES = 1000


@dataclass
class Scores:
    """Scores of one model over many tracks, with the rows that bound it.

    A track's score is the median over its frames, and a corpus's the median over its tracks. NaN windows are
    left out of both. An infinite score (a perfect estimate) is stored as NaN, as in museval's result files.

    Args:
        model: str, the model's name in tables.
        targets: names of the sources that are reported.
        window: float, length of a window in seconds. Defaults to 1.0.
        hop: float, distance between the starts of windows in seconds. Defaults to 1.0.
        protocol: str, how the scores were made; a table takes one protocol only. Defaults to `"bsseval_v4"`.

    Example:

    >>> scores = tfsep.evaluate(model, tracks)
    >>> scores.median("vocals")
    >>> print(scores)
    """

    model: str
    targets: tuple[str, ...]
    window: float = 1.0
    hop: float = 1.0
    protocol: str = PROTOCOL
    # row ("model", "mixture", "IRM1") -> track -> target -> measure -> [frames]
    rows: dict[str, dict[str, dict[str, dict[str, np.ndarray]]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return table(self)

    @property
    def tracks(self) -> tuple[str, ...]:
        """Names of the tracks that have scores."""
        return tuple(self.rows.get("model", {}))

    def add(self, row: str, track: str, frames: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Adds the frame scores of a track.

        Args:
            row: str, `"model"`, `"mixture"` or `"IRM1"`.
            track: str, the track's name.
            frames: dict from target to dict from measure to `[frames]`, in dB.
        """
        self.rows.setdefault(row, {})[track] = {
            target: {measure: np.where(np.isinf(values), np.nan, values) for measure, values in frames[target].items()}
            for target in self.targets
        }

    def measures(self, row: str = "model") -> tuple[str, ...]:
        """Names of the measures that a row holds."""
        return tuple(next(iter(self.rows[row].values()))[self.targets[0]])

    def track_medians(self, target: str, measure: str = "SDR", row: str = "model") -> np.ndarray:
        """Medians over the frames of each track, `[tracks]`, in dB; NaN for a track of NaN windows only."""
        return np.array([_nanmedian(frames[target][measure]) for frames in self.rows[row].values()])

    def median(self, target: str | None = None, measure: str = "SDR", row: str = "model") -> float:
        """Median over frames, then over tracks, in dB; without a target the mean of that over the targets."""
        return float(np.mean(_nanmedian(self._matrix(target, measure, row), axis=0)))

    def interval(
        self, target: str | None = None, measure: str = "SDR", row: str = "model", seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap interval (95 %, percentiles of 1000 resamples of the tracks) of `median`.

        Returns:
            Lower and upper end in dB; NaN where fewer than two tracks, or none of a target's, have a score.
        """
        matrix = self._matrix(target, measure, row)
        matrix = matrix[~np.isnan(matrix).all(axis=1)]
        if len(matrix) < 2 or np.isnan(matrix).all(axis=0).any():
            return math.nan, math.nan
        picks = np.random.default_rng(seed).integers(len(matrix), size=(_RESAMPLES, len(matrix)))
        medians = _nanmedian(matrix[picks], axis=1).mean(axis=1)
        low, high = np.percentile(medians[~np.isnan(medians)], [2.5, 97.5])
        return float(low), float(high)

    def pooled(self, target: str, measure: str = "SDR", row: str = "model") -> tuple[float, float]:
        """Median over the frames of all tracks together, and their median absolute deviation, in dB."""
        frames = np.concatenate([frames[target][measure] for frames in self.rows[row].values()])
        median = _nanmedian(frames)
        return float(median), float(_nanmedian(np.abs(frames - median)))

    def windows(self, row: str = "model") -> tuple[int, int]:
        """Numbers of windows and of those without SDR, where a source is silent or the estimate perfect."""
        frames = [targets[self.targets[0]]["SDR"] for targets in self.rows[row].values()]
        return sum(map(len, frames)), int(sum(np.isnan(values).sum() for values in frames))

    def track_json(self, track: str) -> dict:
        """Frame scores of the model on a track in museval's schema, which its `EvalStore` reads."""
        targets = [
            {"name": target, "frames": self._frames(measures)} for target, measures in self.rows["model"][track].items()
        ]
        return {"targets": targets, **self._header()}

    def summary(self) -> dict:
        """Everything aggregated, ready for JSON; null stands for a score that is not defined."""
        return {
            **self._header(),
            "targets": list(self.targets),
            "tracks": list(self.tracks),
            "failures": dict(self.failures),
            "rows": {row: self._row_summary(row) for row in self.rows},
        }

    def save_track(self, track: str, folder: str | Path) -> None:
        """Writes `FOLDER/<track>.json`, atomically."""
        # Not strict JSON: museval's schema wants a number, and so its files hold the literal NaN.
        write_text(Path(folder) / f"{track}.json", json.dumps(self.track_json(track), indent=2))

    def save_summary(self, folder: str | Path) -> None:
        """Writes `FOLDER/summary.json`, atomically."""
        write_text(Path(folder) / SUMMARY, json.dumps(self.summary(), indent=2, allow_nan=False))

    def _matrix(self, target, measure, row):
        targets = self.targets if target is None else (target,)
        return np.stack([self.track_medians(name, measure, row) for name in targets], axis=1)

    def _frames(self, measures):
        missing = np.full_like(measures["SDR"], np.nan)
        return [
            {
                "time": index * self.hop,
                "duration": self.window,
                "metrics": {name: round(float(measures.get(name, missing)[index]), 5) for name in MEASURES},
            }
            for index in range(len(measures["SDR"]))
        ]

    def _row_summary(self, row):
        total, nan = self.windows(row)
        scores = {}
        for target in (*self.targets, None):
            scores[target or "mean"] = {
                measure: {
                    "median": _finite(self.median(target, measure, row)),
                    "interval": [_finite(end) for end in self.interval(target, measure, row)],
                }
                for measure in self.measures(row)
            }
        for target in self.targets:
            for measure, values in scores[target].items():
                median, deviation = self.pooled(target, measure, row)
                values.update(pooled_median=_finite(median), pooled_mad=_finite(deviation))
        return {"windows": total, "nan_windows": nan, "scores": scores}

    def _header(self):
        return {
            "protocol": self.protocol,
            "window": self.window,
            "hop": self.hop,
            "model": self.model,
            "versions": _versions(),
        }


def table(scores: Scores | Sequence[Scores], markdown: bool = False) -> str:
    """Prints SDRs side by side: rows are models and bounds, columns are sources and their mean.

    A cell is the median over frames, then over tracks, and in brackets its bootstrap interval over tracks.

    Args:
        scores: one `Scores`, or several to compare.
        markdown: bool, a Markdown table in the place of plain aligned text. Defaults to False.

    Returns:
        str, several lines.

    Raises:
        ValueError: if the scores were made by different protocols or on different tracks.
    """
    scores = [scores] if isinstance(scores, Scores) else list(scores)
    _check_comparable(scores)
    columns = tuple(dict.fromkeys(target for result in scores for target in result.targets))
    rows = dict.fromkeys(row for result in scores for row in result.rows)
    # The bounds of models with the same sources are the same: one line is enough.
    lines = dict.fromkeys(_line(result, row, columns) for row in rows for result in scores if row in result.rows)
    text = _layout([("", *columns, "mean"), *lines], markdown)
    return "\n".join([text, "", *_caption(scores)])


def _check_comparable(scores):
    if not scores:
        raise ValueError("A table needs at least one Scores. Received none.")
    protocols = {f"{result.protocol} (window {result.window} s, hop {result.hop} s)" for result in scores}
    if len(protocols) > 1:
        raise ValueError(f"A table cannot mix protocols. Received: {', '.join(sorted(protocols))}.")
    if len({frozenset(result.tracks) for result in scores}) > 1:
        counts = ", ".join(f"{result.model} ({len(result.tracks)} tracks)" for result in scores)
        raise ValueError(f"A table needs scores on the same tracks. Received different ones: {counts}.")


def _line(result, row, columns):
    cells = [_cell(result, row, column) if column in result.targets else "-" for column in columns]
    mean = _cell(result, row, None) if set(columns) == set(result.targets) else "-"
    return (result.model if row == "model" else row, *cells, mean)


def _cell(result, row, target):
    low, high = result.interval(target, row=row)
    interval = "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]"
    return f"{result.median(target, row=row):.2f}{interval}"


def _layout(lines, markdown):
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    padded = [
        [cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(pairs)]
        for pairs in (tuple(zip(line, widths, strict=True)) for line in lines)
    ]
    if not markdown:
        return "\n".join("  ".join(cells).rstrip() for cells in padded)
    rule = [f"{'-' * (width - 1)}{':' if index else '-'}" for index, width in enumerate(widths)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (padded[0], rule, *padded[1:]))


def _caption(scores):
    first = scores[0]
    yield (
        f"SDR in dB, {first.protocol}: {first.window:g}-s windows, hop {first.hop:g} s; median over frames, "
        f"then over tracks (here {len(first.tracks)}) [95 % bootstrap interval over tracks]."
    )
    for result in scores:
        total, nan = result.windows()
        yield f"{result.model}: {nan} of {total} windows have no SDR (silent source or perfect estimate)."
        for track, message in result.failures.items():
            yield f"{result.model}: {track} failed: {message}"


def _nanmedian(values, axis=None):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        return np.nanmedian(values, axis=axis)


def _finite(value):
    return None if math.isnan(value) else round(value, 5)


def _versions():
    versions = {"tfsep": __version__}
    for name in ("keras", "museval", "numpy", "scipy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
