"""Two models compared track by track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfsep.evaluation.aggregation import aggregate, bootstrap_interval
from tfsep.evaluation.protocols import protocol
from tfsep.evaluation.tables import MEAN, check_comparable, layout


@dataclass(frozen=True)
class Difference:
    """How a model differs from another one in the scores of one target.

    Args:
        value: float, the differences of all tracks, aggregated as the protocol does.
        low, high: float, ends of the 95 % bootstrap interval of `value`; NaN for fewer than two tracks.
        p: float, of the two-sided Wilcoxon signed-rank test; NaN without tracks.
        better: int, number of tracks with a higher score.
        values: float array `[tracks]`, the differences; NaN where either has no score.

    Example:

    >>> difference = tfsep.evaluation.Difference(0.4, 0.3, 0.5, p=0.5, better=2, values=np.array([0.3, 0.5]))
    >>> difference.low > 0
    True
    """

    value: float
    low: float
    high: float
    p: float
    better: int
    values: np.ndarray


def compare(first, second, measure: str | None = None) -> dict[str, Difference]:
    """Compare the scores of two models on the same tracks: those of the second minus those of the first.

    Args:
        first: `Scores` of the model to compare with.
        second: `Scores` of the other model.
        measure: str. Defaults to the protocol's main measure.

    Returns:
        dict from target that both have, and `"mean"` over these targets, to `Difference`.

    Raises:
        ValueError: if the scores are of different protocols or tracks, or share no target.

    Example:

    >>> old, new = (tfsep.evaluation.Scores(name, ("vocals",)) for name in ("old", "new"))
    >>> for track, (one, other) in {"song 1": (4.0, 4.5), "song 2": (6.0, 6.3)}.items():
    ...     old.add("model", track, {"vocals": {"SDR": np.array([one])}})
    ...     new.add("model", track, {"vocals": {"SDR": np.array([other])}})
    >>> difference = tfsep.evaluation.compare(old, new)["vocals"]
    >>> round(difference.value, 2), difference.better, difference.p
    (0.4, 2, 0.5)

    Reference:

    - [Wilcoxon, 1945, Individual comparisons by ranking methods](https://doi.org/10.2307/3001968)
    """
    check_comparable([first, second])
    targets = [target for target in first.targets if target in second.targets]
    if not targets:
        raise ValueError(f"{first.model} and {second.model} have no target in common.")
    order = [second.tracks.index(track) for track in first.tracks]
    columns = {
        target: second.track_medians(target, measure)[order] - first.track_medians(target, measure)
        for target in targets
    }
    columns[MEAN] = np.mean(list(columns.values()), axis=0)
    weights, how = first.track_weights(), protocol(first.protocol).aggregate
    return {target: _difference(values, weights, how) for target, values in columns.items()}


def comparison_table(scores, markdown: bool = False) -> str:
    """Format the differences of each model from the first one as a table.

    Args:
        scores: list of `Scores`, of the same protocol and tracks.
        markdown: bool, format as Markdown instead of aligned text. Defaults to False.

    Returns:
        str, several lines.

    Raises:
        ValueError: as `compare`, and for fewer than two models.

    Example:

    >>> old, new = (tfsep.evaluation.Scores(name, ("vocals",)) for name in ("old", "new"))
    >>> for track, (one, other) in {"song 1": (4.0, 4.5), "song 2": (6.0, 6.3)}.items():
    ...     old.add("model", track, {"vocals": {"SDR": np.array([one])}})
    ...     new.add("model", track, {"vocals": {"SDR": np.array([other])}})
    >>> print(tfsep.evaluation.comparison_table([old, new]))
    SDR        target         difference  better    p
    new - old  vocals  0.40 [0.30, 0.50]  2 of 2  0.5
    ...
    """
    if len(scores) < 2:
        raise ValueError(f"A comparison needs two models or more. Received: {len(scores)}.")
    rules = protocol(scores[0].protocol)
    blocks = [_block(scores, measure, title, markdown) for measure, title in rules.columns.items()]
    caption = (
        f"{scores[0].protocol}, {scores[0].windows_in_words}: differences over {len(scores[0].tracks)} tracks, "
        f"{rules.aggregate} [95 % bootstrap interval]; p of the two-sided Wilcoxon signed-rank test."
    )
    return "\n\n".join([*blocks, caption])


def _difference(values, weights, how):
    known = values[~np.isnan(values)]
    column = values[:, np.newaxis]
    return Difference(
        float(aggregate(column, weights, how)[0]),
        *bootstrap_interval(column, weights, how),
        _p(known),
        int(np.sum(known > 0)),
        values,
    )


def _p(values):
    import scipy.stats  # takes longer to import than all the rest

    if not len(values):
        return np.nan
    return float(scipy.stats.wilcoxon(values).pvalue) if values.any() else 1.0


def _block(scores, measure, title, markdown):
    first, *others = scores
    lines = [(title, "target", "difference", "better", "p")]
    for other in others:
        for target, found in compare(first, other, measure).items():
            interval = "" if np.isnan(found.low) else f" [{found.low:.2f}, {found.high:.2f}]"
            count = int(np.sum(~np.isnan(found.values)))
            row = (f"{other.model} - {first.model}", target, f"{found.value:.2f}{interval}")
            lines.append((*row, f"{found.better} of {count}", f"{found.p:.2g}"))
    return layout(lines, markdown)
