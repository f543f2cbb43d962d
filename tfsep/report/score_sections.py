"""Scores for a page: for each measure the box plots, the table with bounds and the table of tracks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfsep.evaluation import Scores, compare
from tfsep.evaluation.protocols import protocol
from tfsep.report.figures import Box, box_plot, difference_plot

MEAN = "mean"


@dataclass(frozen=True)
class Score:
    """Score of a corpus and the ends of its interval; NaN if undefined."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        return not math.isnan(self.low)


@dataclass(frozen=True)
class Line:
    """A model or a bound: a line of figure and table.

    Args:
        label: str, name in the page.
        result: the `Scores` that it belongs to.
        row: str, `"model"` or the name of a bound.
        series: int, number of the page's colour; None for a bound.
        scores: dict from target, and `"mean"`, to `Score`.
    """

    label: str
    result: Scores
    row: str
    series: int | None
    scores: dict[str, Score]

    @property
    def is_model(self) -> bool:
        return self.series is not None

    @property
    def color(self) -> str:
        return "bound" if self.series is None else f"series-{self.series % 6}"


def score_sections(scores: Sequence[Scores], playable: Sequence[str]) -> dict:
    """Prepare scores for the template `scores.html.j2`.

    Args:
        scores: the results to show side by side, all of the same protocol and tracks.
        playable: names of the tracks that have a player in the page, in its order.

    Returns:
        dict of the template's variables.
    """
    measures = dict.fromkeys(measure for result in scores for measure in result.measures())
    first = scores[0]
    return {
        "sections": [_section(scores, measure) for measure in measures],
        "protocol": f"{first.protocol}, {first.windows_in_words}",
        "aggregation": protocol(first.protocol).aggregation,
        "windows": " ".join(map(_windows, scores)),
        "windowed": not math.isinf(first.window),
        "tracks": list(first.tracks),
        "playable": list(playable),
        "failures": [(result.model, *failure) for result in scores for failure in result.failures.items()],
    }


def headline(scores: Sequence[Scores]) -> str:
    """Summarize in one line the best model, its score, and the second best or the baselines."""
    measure = scores[0].measures()[0]
    targets, shared = _targets(scores)
    if not shared:
        return f"{len(scores)} models without a common target"
    unit = protocol(scores[0].protocol).unit_after
    lines = _ranked(_lines(scores, measure, [*targets, MEAN]), shared)
    best, *others = [line for line in lines if line.is_model]
    value = best.scores[MEAN].value
    if others:
        found = compare(others[0].result, best.result, measure)[MEAN]
        ahead = f"{value - others[0].scores[MEAN].value:.2f}{unit} ahead of {others[0].label}"
        how = f"{ahead}, better on {found.better} of {np.sum(~np.isnan(found.values))} tracks"
    else:
        how = ", ".join(f"{line.label} {line.scores[MEAN].value:.2f}" for line in lines if not line.is_model)
    return f"{best.label}: {measure} {value:.2f}{unit}" + (f", {how}" if how else "")


def shared_in_words(scores: Sequence[Scores]) -> str:
    """Return what the headline's scores are of, such as `"Mean over vocals, drums"`."""
    shared = _targets(scores)[1]
    return f"Mean over {', '.join(shared)}" if len(shared) > 1 else "".join(shared)


def _targets(scores: Sequence[Scores]) -> tuple[list[str], list[str]]:
    """Return all targets, and those that all models have."""
    targets = list(dict.fromkeys(target for result in scores for target in result.targets))
    return targets, [target for target in targets if all(target in result.targets for result in scores)]


def _section(scores: Sequence[Scores], measure: str) -> dict:
    targets, shared = _targets(scores)
    columns = [*targets, MEAN] if shared else targets
    lines = _ranked(_lines(scores, measure, columns), shared)
    rules = protocol(scores[0].protocol)
    unit = f"{measure} in {rules.unit}" if rules.unit else measure
    return {
        "measure": measure,
        "unit": unit,
        "columns": columns,
        "mean_name": MEAN if shared == targets else "mean of shared",
        "lines": lines,
        "order": f"Ordered by the mean over {', '.join(shared)}." if shared else "",
        "figures": _figures(lines, targets, measure, unit),
        "difference": _difference(lines, measure, unit) if shared else None,
        "track_columns": _track_columns(scores, targets, shared, measure),
    }


def _difference(lines: Sequence[Line], measure: str, unit: str) -> dict | None:
    """Draw the paired comparison of the best two models, the better minus the other; None for one model."""
    models = [line.result for line in lines if line.is_model]
    if len(models) < 2:
        return None
    second, first = models[:2]
    found = compare(first, second, measure)
    rows = [(target, one.values, one.value, one.low, one.high) for target, one in found.items()]
    counts = [
        f"{target} {one.better} of {np.sum(~np.isnan(one.values))} (p = {one.p:.2g})" for target, one in found.items()
    ]
    title = f"{second.model} − {first.model}"  # noqa: RUF001
    words = f"Tracks on which {second.model} is better than {first.model}: {', '.join(counts)}."
    return {"words": words, "svg": difference_plot(rows, title, f"difference of {unit}")}


def _lines(scores: Sequence[Scores], measure: str, columns: Sequence[str]) -> list[Line]:
    """Return the lines of models and bounds. A bound that models share is shown once."""
    shared = _targets(scores)[1]
    lines = []
    for series, result in enumerate(scores):
        for row in result.rows:
            if measure not in result.measures(row):
                continue
            found = {column: _score(result, row, column, shared, measure) for column in columns}
            if row == "model":
                lines.append(Line(result.model, result, row, series, found))
            else:
                _add_bound(lines, Line(row, result, row, None, found))
    return _with_distinct_labels(lines)


def _add_bound(lines: list[Line], line: Line) -> None:
    """Add a bound, or what it knows of further targets to one that agrees with it."""
    for place, other in enumerate(lines):
        if other.row == line.row and all(_agree(line.scores[column], other.scores[column]) for column in line.scores):
            merged = {
                column: score if math.isnan(other.scores[column].value) else other.scores[column]
                for column, score in line.scores.items()
            }
            lines[place] = replace(other, scores=merged)
            return
    lines.append(line)


def _agree(one: Score, other: Score) -> bool:
    return math.isnan(one.value) or math.isnan(other.value) or one.value == other.value


def _score(result: Scores, row: str, column: str, shared: Sequence[str], measure: str) -> Score:
    """Return a cell of the table. Means are over the targets that all models have."""
    if column == MEAN and set(result.targets) == set(shared):
        return Score(result.score(None, measure, row), *result.interval(None, measure, row))
    if column == MEAN:
        return Score(float(np.mean([result.score(target, measure, row) for target in shared] or [math.nan])))
    if column in result.targets:
        return Score(result.score(column, measure, row), *result.interval(column, measure, row))
    return Score()


def _ranked(lines: list[Line], shared: Sequence[str]) -> list[Line]:
    """Order lines by their mean over the targets that all models have, best first."""
    means = {id(line): np.mean([line.scores[target].value for target in shared]) if shared else 0.0 for line in lines}
    return sorted(lines, key=lambda line: (math.isnan(means[id(line)]), -means[id(line)]))


def _with_distinct_labels(lines: list[Line]) -> list[Line]:
    """Add the model's name to bounds that differ between models of other sources."""
    counts = Counter(line.label for line in lines)
    return [
        replace(line, label=f"{line.label} of {line.result.model}") if counts[line.label] > 1 else line
        for line in lines
    ]


def _figures(lines: Sequence[Line], targets: Sequence[str], measure: str, unit: str) -> list[dict]:
    """Draw a box plot of the models for each target, all on one scale, with the bounds as lines."""
    known = {target: [line for line in lines if not math.isnan(line.scores[target].value)] for target in targets}
    boxes = {
        target: [
            Box(line.label, line.result.track_medians(target, measure, line.row), line.series)
            for line in known[target]
            if line.is_model
        ]
        for target in targets
    }
    # Once each: a model of other sources may have another oracle, which the table names.
    bounds = {
        target: {line.row: line.scores[target].value for line in reversed(known[target]) if not line.is_model}
        for target in targets
    }
    drawn = [value for group in boxes.values() for box in group for value in box.values]
    unit_after = protocol(lines[0].result.protocol).unit_after
    limits = _limits(drawn + [value for group in bounds.values() for value in group.values()])
    return [
        {
            "target": target,
            "words": _words(target, lines, measure, unit_after),
            "svg": box_plot(group, target, unit, limits, list(bounds[target].items())),
        }
        for target, group in boxes.items()
        if group
    ]


def _limits(values: Sequence[float]) -> tuple[float, float]:
    values = [value for value in values if not math.isnan(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * max(high - low, 1.0)
    return low - margin, high + margin


def _words(target: str, lines: Sequence[Line], measure: str, unit: str) -> str:
    """Describe a figure for those who cannot see it."""
    found = [(line.label, line.scores[target].value) for line in lines if not math.isnan(line.scores[target].value)]
    return f"{measure} of {target} over tracks: {', '.join(f'{label} {value:.2f}{unit}' for label, value in found)}."


def _track_columns(scores: Sequence[Scores], targets: Sequence[str], shared: Sequence[str], measure: str) -> list[dict]:
    """Return the columns of the table of tracks: medians for each target, and their mean over shared targets."""
    columns = [(target, [target]) for target in targets] + ([(MEAN, shared)] if shared else [])
    return [
        {
            "target": title,
            "model": result.model if len(scores) > 1 else "",
            "medians": dict(zip(result.tracks, mean_of_medians(result, parts, measure), strict=True)),
        }
        for title, parts in columns
        for result in scores
        if measure in result.measures() and set(parts) <= set(result.targets)
    ]


def mean_of_medians(result: Scores, targets: Sequence[str], measure: str) -> np.ndarray:
    """Return the mean over targets of each track's median over windows, `[tracks]`."""
    return np.mean([result.track_medians(target, measure) for target in targets], axis=0)


def _windows(result: Scores) -> str:
    total, missing = result.windows()
    unit = "tracks" if math.isinf(result.window) else "windows"
    return f"{result.model}: {missing} of {total} {unit} have no score (a silent source, or a perfect estimate)."
