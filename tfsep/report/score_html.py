"""Scores as HTML: for each measure the box plots, the table with bounds and the table of tracks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from tfsep.report.figures import Box, box_plot
from tfsep.report.results import Results, corpus_score

_MISSING = "-"


@dataclass(frozen=True)
class _Line:
    """A model or a bound, as a line of figure and table."""

    label: str
    result: Results
    row: str
    series: int | None

    def aggregate(self, target: str, measure: str) -> tuple[float, float, float]:
        """The corpus's score and the ends of its interval; NaN where there is none."""
        scores = self.result.summary["rows"][self.row]["scores"].get(target, {}).get(measure)
        values = [corpus_score(scores), *scores["interval"]] if scores else [None] * 3
        return tuple(math.nan if value is None else value for value in values)


def scores_html(scores: Sequence[Results], heard: Sequence[str]) -> str:
    """Makes the part of a report that holds scores.

    Args:
        scores: the results to show side by side.
        heard: names of the tracks that have a player in the page, in its order.

    Returns:
        HTML, one section a measure with a choice between them, and what failed.
    """
    measures = list(dict.fromkeys(measure for result in scores for measure in result.measures))
    sections = [_section(scores, measure, heard, first=measure == measures[0]) for measure in measures]
    return "\n".join([_choice(measures), *sections, _failures(scores)])


def _choice(measures: list[str]) -> str:
    if len(measures) == 1:
        return ""
    buttons = "".join(
        f'<label><input type="radio" name="measure" value="{escape(measure)}"{" checked" * (measure == measures[0])}>'
        f"<span>{escape(measure)}</span></label>"
        for measure in measures
    )
    return f'<fieldset class="choice"><legend>Measure</legend>{buttons}</fieldset>'


def _section(scores: Sequence[Results], measure: str, heard: Sequence[str], first: bool) -> str:
    lines = _lines(scores, measure)
    targets = list(dict.fromkeys(target for result in scores for target in result.targets))
    return f"""<div class="measure" data-measure="{escape(measure)}"{"" if first else " hidden"}>
<section><h2>{escape(measure)} over tracks</h2>
{_figures(lines, targets, measure)}
<p class="caption">Of a model every dot is a track (the median over its windows); the box holds the middle half of
them around their median, the whiskers reach to the last track within 1.5 boxes. {_bounds_caption(lines, measure)}
Lines are in the order of their means.</p></section>
<section><h2>Table</h2>
{_table(lines, targets, measure)}
<p class="caption">{escape(measure)} in dB, {escape(scores[0].protocol)}: {escape(scores[0].aggregation)}; in
brackets its 95 % bootstrap interval over tracks. {_windows(scores)}</p></section>
<section><h2>Tracks</h2>
{_track_table(scores, targets, measure, heard)}
<p class="caption">{escape(measure)} in dB, median over the track's windows. A heading sorts.</p></section>
</div>"""


def _lines(scores: Sequence[Results], measure: str) -> list[_Line]:
    """Models and bounds by their mean, best first. A bound that models share is shown once."""
    lines = []
    for series, result in enumerate(scores):
        rows = {row: summary["scores"] for row, summary in result.summary["rows"].items()}
        rows = {row: found for row, found in rows.items() if any(measure in found[name] for name in result.targets)}
        for row, found in rows.items():
            shown = [line.result.summary["rows"][row]["scores"] for line in lines if line.row == row]
            if row == "model":
                lines.append(_Line(result.label, result, row, series))
            elif found not in shown:
                lines.append(_Line(row, result, row, None))
    means = [-line.aggregate("mean", measure)[0] for line in lines]
    order = sorted(range(len(lines)), key=lambda place: (math.isnan(means[place]), means[place]))
    return _with_distinct_labels([lines[place] for place in order])


def _with_distinct_labels(lines: list[_Line]) -> list[_Line]:
    """Bounds that models do not share, having other sources, say whose they are."""
    counts = Counter(line.label for line in lines)
    return [
        replace(line, label=f"{line.label} of {line.result.label}") if counts[line.label] > 1 else line
        for line in lines
    ]


def _figures(lines: list[_Line], targets: list[str], measure: str) -> str:
    boxes = {
        target: [
            Box(line.label, line.result.row_tracks(line.row, target, measure), median, (low, high), line.series)
            for line in lines
            for median, low, high in [line.aggregate(target, measure)]
            if not math.isnan(median)
        ]
        for target in targets
    }
    limits = _limits([box for group in boxes.values() for box in group])
    figures = "".join(
        f'<figure role="img" aria-label="{escape(_spoken(target, group, measure))}">'
        f"{box_plot(group, target, f'{measure} in dB', limits)}</figure>"
        for target, group in boxes.items()
        if group
    )
    return f'<div class="figures">{figures}</div>'


def _limits(boxes: list[Box]) -> tuple[float, float]:
    values = [value for box in boxes for value in (*box.values, box.median, *box.interval) if not math.isnan(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * max(high - low, 1.0)
    return low - margin, high + margin


def _spoken(target: str, boxes: list[Box], measure: str) -> str:
    medians = ", ".join(f"{box.label} {box.median:.2f} dB" for box in boxes)
    return f"{measure} of {target} over tracks: {medians}."


def _bounds_caption(lines: list[_Line], measure: str) -> str:
    bounds = [line for line in lines if line.row != "model"]
    if not any(line.result.row_tracks(line.row, line.result.targets[0], measure) == [] for line in bounds):
        return ""
    return "Of a bound the median is a diamond and its 95 % interval a bar."


def _table(lines: list[_Line], targets: list[str], measure: str) -> str:
    columns = [*targets, "mean"]
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    rows = "".join(
        f'<tr class="{"model" if line.row == "model" else "bound"}"><th scope="row">{_swatch(line)}{escape(line.label)}'
        f"</th>{''.join(_cell(*line.aggregate(column, measure)) for column in columns)}</tr>"
        for line in lines
    )
    return f'<div class="scroll"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _swatch(line: _Line) -> str:
    color = "bound" if line.series is None else f"series-{line.series % 6}"
    return f'<i class="swatch" style="background: var(--{color})"></i>'


def _cell(median: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f' <span class="interval">[{low:.2f}, {high:.2f}]</span>'
    return f"<td>{_number(median)}{interval}</td>"


def _number(value: float) -> str:
    return _MISSING if math.isnan(value) else f"{value:.2f}"


def _windows(scores: Sequence[Results]) -> str:
    counts = [
        f"{result.label}: {result.summary['rows']['model']['nan_windows']} of "
        f"{result.summary['rows']['model']['windows']} windows have no score (a silent source, or a perfect estimate)."
        for result in scores
    ]
    return escape(" ".join(counts))


def _track_table(scores: Sequence[Results], targets: list[str], measure: str, heard: Sequence[str]) -> str:
    columns = [(target, result) for target in targets for result in scores if target in result.targets]
    several = len(scores) > 1
    heads = "".join(_heading(target, result.label if several else "") for target, result in columns)
    means = "".join(_heading("mean", result.label if several else "") for result in scores)
    rows = "".join(
        f'<tr><th scope="row">{_track_name(track, heard)}</th>'
        + "".join(_score(result.medians[track][target].get(measure, math.nan)) for target, result in columns)
        + "".join(_score(result.mean(track, measure)) for result in scores)
        + "</tr>"
        for track in scores[0].medians
    )
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr>{_heading("Track")}{heads}{means}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _heading(label: str, model: str = "") -> str:
    below = f"<small>{escape(model)}</small>" if model else ""
    return f'<th scope="col" aria-sort="none"><button type="button"><span>{escape(label)}</span>{below}</button></th>'


def _score(value: float) -> str:
    return f'<td data-value="{value:.5f}">{_number(value)}</td>'


def _track_name(track: str, heard: Sequence[str]) -> str:
    if track not in heard:
        return escape(track)
    return f'<a href="#song-{heard.index(track)}" title="Listen">{escape(track)}</a>'


def _failures(scores: Sequence[Results]) -> str:
    failures = [
        f"<li><b>{escape(result.label)}</b>, {escape(track)}: {escape(message)}</li>"
        for result in scores
        for track, message in result.summary["failures"].items()
    ]
    return f"<section><h2>Failed</h2><ul>{''.join(failures)}</ul></section>" if failures else ""
