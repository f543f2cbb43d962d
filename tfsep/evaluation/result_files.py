"""Result files: one a track, in museval's schema with our own entries beside it, and the summary."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfsep import __version__
from tfsep.evaluation.bsseval import MEASURES
from tfsep.evaluation.protocols import protocol
from tfsep.files import file_name, write_text

if TYPE_CHECKING:
    from tfsep.evaluation.scores import Scores

SUMMARY = "summary.json"
_SUMMARY_FIELDS = ("protocol", "window", "hop", "model", "settings", "targets", "tracks", "failures")

Frames = dict[str, dict[str, np.ndarray]]  # target -> measure -> [windows]
Leaked = dict[str, np.ndarray]  # target -> [windows]


@dataclass(frozen=True)
class TrackResult:
    """What was found out about one track.

    Args:
        rows: dict from row (`"model"`, `"mixture"`, `"IRM1"`, ...) to target to measure to `[windows]`, in dB.
        leaked: dict from row to target to `[windows]` of `tfsep.evaluation.leakage`.
        seconds: float, length of the track.
        sensitivity: float, the most by which noise of 1e-6 on the references moves the model's SIR or SAR in any
            window, in dB.
    """

    rows: dict[str, Frames]
    leaked: dict[str, Leaked]
    seconds: float
    sensitivity: float


def header(scores: Scores) -> dict:
    """How the scores were made, apart from the versions; results that differ in it are not comparable."""
    return {
        "protocol": scores.protocol,
        "window": _finite(scores.window),  # null: whole tracks
        "hop": _finite(scores.hop),
        "model": scores.model,
        "settings": scores.settings,
    }


def track_json(scores: Scores, track: str) -> dict:
    """A track's scores, the model's in museval's schema, which its `EvalStore` reads."""
    frames = scores.rows["model"][track]
    seconds = scores.seconds[track]
    return {
        "targets": [{"name": name, "frames": list(_frames(frames[name], scores, seconds))} for name in scores.targets],
        **header(scores),
        "versions": _versions(),
        "seconds": seconds,
        "sensitivity": scores.sensitivity.get(track, 0.0),
        "measures": list(scores.measures()),
        "bounds": {
            row: _lists(tracks[track]) for row, tracks in scores.rows.items() if row != "model" and track in tracks
        },
        "leakage": {row: _lists(tracks[track]) for row, tracks in scores.leaked.items() if track in tracks},
    }


def save_track(scores: Scores, track: str, folder: str | Path) -> None:
    """Writes `FOLDER/<track>.json`, atomically."""
    # Not strict JSON: museval's schema wants a number, and so its files hold the literal NaN.
    write_text(track_path(folder, track), json.dumps(track_json(scores, track), indent=2))


def load_track(scores: Scores, track: str, folder: str | Path) -> TrackResult:
    """Reads what `save_track` wrote.

    Raises:
        ValueError: if the file is damaged, or was made of another model, of other targets or in another way.
    """
    path = track_path(folder, track)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {name: content[name] for name in header(scores)}
        found["targets"] = [target["name"] for target in content["targets"]]
        model = {
            target["name"]: {
                measure: [frame["metrics"][measure] for frame in target["frames"]] for measure in content["measures"]
            }
            for target in content["targets"]
        }
        result = TrackResult(
            _arrays({"model": model, **content["bounds"]}),
            _arrays(content["leakage"]),
            float(content["seconds"]),
            float(content["sensitivity"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a result file of this version. Remove it to score the track again.") from error
    _check_made_alike(path, found, {**header(scores), "targets": list(scores.targets)})
    return result


def _check_made_alike(path, found, wanted):
    found, wanted = ({**facts, **facts["settings"], "settings": None} for facts in (found, wanted))
    for name in wanted | found:
        if found.get(name) != wanted.get(name):
            raise ValueError(
                f"{path} was made with {name} {found.get(name)!r}, while now it is {wanted.get(name)!r}. "
                "Choose another output folder."
            )


def track_path(folder: str | Path, track: str) -> Path:
    """Where the scores of a track are."""
    return Path(folder) / f"{file_name(track)}.json"


def summary(scores: Scores) -> dict:
    """Everything aggregated, ready for strict JSON; null stands for a score that is not defined."""
    return {
        **header(scores),
        "aggregation": protocol(scores.protocol).aggregation,
        "versions": _versions(),
        "targets": list(scores.targets),
        "tracks": list(scores.tracks),
        "failures": dict(scores.failures),
        "sensitivity": dict(scores.sensitivity),
        "rows": {row: _row_summary(scores, row) for row in scores.rows},
    }


def load_summary(folder: str | Path) -> dict:
    """Reads what `save_summary` wrote.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    path = Path(folder) / SUMMARY
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Expected a folder that a finished `tfsep evaluate -o` wrote.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for name in _SUMMARY_FIELDS if name not in content]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Evaluate again.") from error
    if missing:
        raise ValueError(f"{path} is no summary of this version: it lacks {missing[0]!r}. Evaluate again.")
    return content


def save_summary(scores: Scores, folder: str | Path) -> None:
    """Writes `FOLDER/summary.json`, atomically."""
    write_text(Path(folder) / SUMMARY, json.dumps(summary(scores), indent=2, allow_nan=False))


def _row_summary(scores, row):
    total, nan = scores.windows(row)
    measures = scores.measures(row)
    return {
        "windows": total,
        "nan_windows": nan,
        "scores": {
            target or "mean": {measure: _score(scores, target, measure, row) for measure in measures}
            for target in (*scores.targets, None)
        },
        "track_medians": {
            target: {
                measure: [_finite(value) for value in scores.track_medians(target, measure, row)]
                for measure in measures
            }
            for target in scores.targets
        },
        "leakage": {target: _leakage(scores, target, row) for target in scores.targets},
    }


def _score(scores, target, measure, row):
    rules = protocol(scores.protocol)
    score = {
        "mean" if rules.weighted_mean else "median": _finite(scores.score(target, measure, row)),
        "interval": [_finite(end) for end in scores.interval(target, measure, row)],
    }
    if target is not None and not math.isinf(scores.window):
        median, deviation = scores.pooled(target, measure, row)
        score.update(pooled_median=_finite(median), pooled_mad=_finite(deviation))
    return score


def _leakage(scores, target, row):
    count, level = scores.leakage(target, row)
    return {"windows": count, "median": _finite(level)}  # null: no such window, or estimates silent as well


def _frames(measures, scores, seconds) -> Iterator[dict]:
    """museval's entries of a target, with all measures that it expects, and our own."""
    names = dict.fromkeys((*MEASURES, *measures))
    for index in range(len(next(iter(measures.values())))):
        yield {
            "time": 0.0 if math.isinf(scores.hop) else index * scores.hop,
            "duration": min(scores.window, seconds),
            "metrics": {name: float(measures[name][index]) if name in measures else math.nan for name in names},
        }


def _lists(tree):
    return {name: _lists(value) if isinstance(value, dict) else value.tolist() for name, value in tree.items()}


def _arrays(tree):
    return {
        name: _arrays(value) if isinstance(value, dict) else np.array(value, np.float64) for name, value in tree.items()
    }


def _finite(value):
    return round(float(value), 5) if math.isfinite(value) else None


def _versions():
    versions = {"tfsep": __version__}
    for name in ("keras", "museval", "numpy", "scipy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
