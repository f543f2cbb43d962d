"""Tables of scores for a terminal or a page of text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator

from tfsep.evaluation.protocols import protocol

MEAN = "mean"  # over targets


def table(scores, markdown: bool = False) -> str:
    """Format scores as a table: rows are models and bounds, columns are sources and their mean.

    A cell contains the score of the corpus and, in brackets, its bootstrap interval over tracks. A protocol with
    several measures gets a table for each. The lines below say how scores were aggregated, how many windows have none,
    and how much energy estimates contain where their source is silent.

    Args:
        scores: `Scores`, or several to compare.
        markdown: bool, format as Markdown instead of aligned text. Defaults to False.

    Returns:
        str, several lines.

    Raises:
        ValueError: if the scores are of different protocols or tracks.

    Example:

    >>> scores = tfsep.evaluation.Scores("unet", ("vocals",))
    >>> for track, value in {"song 1": 4.0, "song 2": 6.0}.items():
    ...     scores.add("model", track, {"vocals": {"SDR": np.array([value])}})
    >>> print(tfsep.evaluation.table(scores, markdown=True))
    |      |            vocals |              mean |
    | ---- | ----------------: | ----------------: |
    | unet | 5.00 [4.00, 6.00] | 5.00 [4.00, 6.00] |
    ...
    """
    scores = list(scores) if isinstance(scores, Iterable) else [scores]
    check_comparable(scores)
    columns = protocol(scores[0].protocol).columns
    blocks = [
        _block(scores, measure, label if len(columns) > 1 else "", markdown) for measure, label in columns.items()
    ]
    return "\n\n".join([*blocks, "\n".join(_caption(scores))])


def csv_text(scores) -> str:
    """Format the scores of all windows as CSV, one score a line, with a head.

    Args:
        scores: list of `Scores`.

    Returns:
        str with the columns `model`, `protocol`, `row`, `track`, `target`, `measure`, `time` (start of the window in
        seconds) and `score`; an undefined score is empty.

    Example:

    >>> scores = tfsep.evaluation.Scores("unet", ("vocals",), protocol="mdx")
    >>> scores.add("model", "song", {"vocals": {"uSDR": np.array([4.5])}})
    >>> print(tfsep.evaluation.csv_text([scores]), end="")
    model,protocol,row,track,target,measure,time,score
    unet,mdx,model,song,vocals,uSDR,0.0,4.5
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("model", "protocol", "row", "track", "target", "measure", "time", "score"))
    for result in scores:
        for row in result.rows:
            for *place, score in result.lines(row):
                writer.writerow((result.model, result.protocol, row, *place, "" if math.isnan(score) else score))
    return text.getvalue()


def check_comparable(scores) -> None:
    """Check that scores can be compared.

    Args:
        scores: list of `Scores`.

    Raises:
        ValueError: if there are none, or if they are of different protocols or tracks.

    Example:

    >>> scores = [tfsep.evaluation.Scores(name, ("vocals",)) for name in ("unet", "htdemucs")]
    >>> tfsep.evaluation.check_comparable(scores)
    """
    if not scores:
        raise ValueError("There are no scores to compare. Expected at least one results folder or Scores.")
    protocols = {f"{result.protocol} ({result.windows_in_words})" for result in scores}
    if len(protocols) > 1:
        raise ValueError(f"Results cannot mix protocols. Received: {', '.join(sorted(protocols))}.")
    if len({frozenset(result.tracks) for result in scores}) > 1:
        counts = ", ".join(f"{result.model} ({len(result.tracks)} tracks)" for result in scores)
        raise ValueError(f"Results need scores on the same tracks. Received different ones: {counts}.")


def _block(scores, measure, title, markdown):
    columns = tuple(dict.fromkeys(target for result in scores for target in result.targets))
    rows = dict.fromkeys(row for result in scores for row in result.rows)
    # Models with the same sources have equal bounds, which are shown once.
    lines = dict.fromkeys(
        _line(result, row, columns, measure) for row in rows for result in scores if row in result.rows
    )
    return layout([(title, *columns, MEAN), *lines], markdown)


def _line(result, row, columns, measure):
    cells = [_cell(result, row, column, measure) if column in result.targets else "-" for column in columns]
    mean = _cell(result, row, None, measure) if set(columns) == set(result.targets) else "-"
    return (result.model if row == "model" else row, *cells, mean)


def _cell(result, row, target, measure):
    low, high = result.interval(target, measure, row)
    interval = "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]"
    return f"{result.score(target, measure, row):.2f}{interval}"


def layout(lines: list[tuple[str, ...]], markdown: bool) -> str:
    """Align the cells of lines, the first of which is the head."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    padded = [
        [cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(pairs)]
        for pairs in (tuple(zip(line, widths, strict=True)) for line in lines)
    ]
    if not markdown:
        return "\n".join("  ".join(cells).rstrip() for cells in padded)
    rule = [f"{'-' * (width - 1)}{':' if index else '-'}" for index, width in enumerate(widths)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (padded[0], rule, *padded[1:]))


def _caption(scores) -> Iterator[str]:
    first = scores[0]
    rules = protocol(first.protocol)
    unit = f" in {rules.unit}" if rules.unit else ""
    yield (
        f"{', '.join(rules.columns.values())}{unit}, {first.protocol}: {first.windows_in_words}; {rules.aggregation} "
        f"(here {len(first.tracks)}) [95 % bootstrap interval over tracks]."
    )
    for result in scores:
        total, nan = result.windows()
        unit = "tracks" if math.isinf(result.window) else "windows"
        yield f"{result.model}: {nan} of {total} {unit} have no {rules.main} (silent source or perfect estimate)."
        silent = [_silence(result, target, unit) for target in result.targets if result.leakage(target)[0]]
        if silent:
            yield f"{result.model}: where a source is silent, the estimate against the mixture: {', '.join(silent)}."
        for track, message in result.failures.items():
            yield f"{result.model}: {track} failed: {message}"


def _silence(result, target, unit):
    count, level = result.leakage(target)
    return f"{target} {level:.1f} dB (median of {count} {unit})"
