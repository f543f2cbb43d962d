"""Reads what `tfsep evaluate -o` wrote: the summary and the frame scores of each track."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfsep.evaluation.result_files import SUMMARY


@dataclass(frozen=True)
class Results:
    """Scores of one model as a report shows them.

    Args:
        label: str, the model's name.
        folder: path of the folder that was read.
        summary: dict, the content of `summary.json`.
        medians: track -> target -> measure -> median over the frames, in dB; NaN where no frame has a score.
    """

    label: str
    folder: Path
    summary: dict
    medians: dict[str, dict[str, dict[str, float]]]

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the sources that are reported."""
        return tuple(self.summary["targets"])

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the measures that the model's row holds."""
        return tuple(self.summary["rows"]["model"]["scores"][self.targets[0]])

    @property
    def protocol(self) -> str:
        """How the scores were made, in words."""
        if self.summary["window"] is None:
            return f"{self.summary['protocol']}, whole tracks"
        return f"{self.summary['protocol']}, {self.summary['window']:g}-s windows, hop {self.summary['hop']:g} s"

    @property
    def aggregation(self) -> str:
        """How the score of a corpus was made of those of its tracks, in words."""
        return self.summary["aggregation"]

    def row_tracks(self, row: str, target: str, measure: str) -> list[float]:
        """One value a track of the model or of a bound; empty where the file holds none for it."""
        if row == "model":
            return [self.medians[track][target].get(measure, math.nan) for track in self.medians]
        stored = self.summary["rows"][row].get("track_medians", {})
        return [math.nan if value is None else value for value in stored.get(target, {}).get(measure, [])]

    def mean(self, track: str, measure: str) -> float:
        """Mean over the sources of a track's medians."""
        return float(np.mean([self.medians[track][target].get(measure, math.nan) for target in self.targets]))


def read_results(folders: Sequence[str | Path]) -> list[Results]:
    """Reads results folders and checks that they can stand beside each other.

    Args:
        folders: paths of folders that `tfsep evaluate -o` wrote.

    Returns:
        One `Results` a folder, with labels that differ.

    Raises:
        FileNotFoundError: if a folder, its summary or a track's file is missing.
        ValueError: if a file is damaged, or the folders differ in protocol or tracks.
    """
    if not folders:
        raise ValueError("A report needs at least one results folder. Received none.")
    results = [_read_folder(Path(folder)) for folder in folders]
    _check_comparable(results)
    return _with_distinct_labels(results)


def corpus_score(values: dict) -> float | None:
    """The score of a corpus, as its protocol makes it: a median, or a mean."""
    return values["median"] if "median" in values else values["mean"]


def _read_folder(folder: Path) -> Results:
    if not (folder / SUMMARY).is_file():
        raise FileNotFoundError(
            f"{folder} has no {SUMMARY}. Expected a folder that a finished `tfsep evaluate --output` wrote."
        )
    summary = _read_json(folder / SUMMARY)
    try:
        medians = {track: _track_medians(folder / f"{track}.json", summary["targets"]) for track in summary["tracks"]}
        results = Results(summary["model"], folder, summary, medians)
        # Asked for once here, so that a field that is missing is found where its file is known.
        _ = results.protocol, results.aggregation, results.measures, summary["failures"].items()
        for row in summary["rows"].values():
            _ = [corpus_score(values) for target in results.targets for values in row["scores"][target].values()]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(_damaged(folder / SUMMARY, error)) from error
    if not medians:
        raise ValueError(f"{folder / SUMMARY} lists no track. Expected at least one.")
    return results


def _track_medians(path: Path, targets: Sequence[str]) -> dict[str, dict[str, float]]:
    scores = _read_json(path)
    try:
        frames = {target["name"]: [frame["metrics"] for frame in target["frames"]] for target in scores["targets"]}
        return {
            target: {
                measure: _nanmedian([metrics[measure] for metrics in frames[target]]) for measure in frames[target][0]
            }
            for target in targets
        }
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(_damaged(path, error)) from error


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing, though the summary beside it names the track.") from None
    except ValueError as error:
        raise ValueError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is not a result file of tfsep ({type(error).__name__}: {error}). Evaluate again."


def _nanmedian(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def _check_comparable(results: list[Results]) -> None:
    protocols = sorted({result.protocol for result in results})
    if len(protocols) > 1:
        raise ValueError(f"A report cannot mix protocols. Received: {' and '.join(protocols)}.")
    if len({frozenset(result.medians) for result in results}) > 1:
        counts = ", ".join(f"{result.folder} ({len(result.medians)} tracks)" for result in results)
        raise ValueError(f"A report needs scores on the same tracks. Received different ones: {counts}.")


def _with_distinct_labels(results: list[Results]) -> list[Results]:
    """Models of the same name are told apart by the names of their folders."""
    counts = Counter(result.label for result in results)
    named = [
        replace(result, label=f"{result.label} ({result.folder.name})") if counts[result.label] > 1 else result
        for result in results
    ]
    label, count = Counter(result.label for result in named).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} results folders are both called {label!r}. Rename one, or leave it out.")
    return named
