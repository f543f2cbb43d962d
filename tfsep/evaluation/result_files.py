"""Result files: one for each track, in museval's schema with entries of our own, and the summary."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tfsep import __version__
from tfsep.evaluation.bsseval import MEASURES
from tfsep.evaluation.museval_files import museval_files, read_museval
from tfsep.evaluation.protocols import PROTOCOLS, protocol
from tfsep.evaluation.scores import Scores, TrackResult
from tfsep.files import file_name, write_text

SUMMARY = "summary.json"
_SUMMARY_FIELDS = ("protocol", "window", "hop", "model", "settings", "targets", "tracks", "failures")


def read_results(folders: str | Path | Sequence[str | Path]) -> list[Scores]:
    """Read results folders that `tfsep.evaluate` wrote, such as for `tfsep.evaluation.table`.

    Folders of museval's JSON files are read as they are, `<model>/<track>.json`, or `<model>/test/<track>.json` as in
    the repository of SiSEC 2018: as scores by `"bsseval_v4"` of a model of the folder's name. Folders of models of the
    same name are distinguished by their own names.

    Args:
        folders: path of a results folder, or several.

    Returns:
        List of `Scores`.

    Raises:
        FileNotFoundError: if a folder has no summary, or lacks the file of a track.
        ValueError: if a file is damaged, files of a folder do not match, a folder is given twice, or two folders have
            the same name.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split=None)[:1]
    >>> _ = tfsep.evaluate("hpss", tracks, output="scores/hpss", sdr_only=True)
    >>> tfsep.evaluation.read_results("scores/hpss")
    [Scores('hpss', targets=(...), protocol='bsseval_v4', tracks=1)]
    """
    folders = [folders] if isinstance(folders, (str, Path)) else folders
    scores = [_read_folder(folder) for folder in folders]
    for folder, count in Counter(Path(folder).resolve() for folder in folders).items():
        if count > 1:
            raise ValueError(f"{folder} is given {count} times. Name each results folder once.")
    counts = Counter(map(_name_and_protocol, scores))
    for result, folder in zip(scores, folders, strict=True):
        if counts[_name_and_protocol(result)] > 1:
            result.model = f"{result.model} ({_own_name(Path(folder), result.protocol)})"
    for (name, _), count in Counter(map(_name_and_protocol, scores)).items():
        if count > 1:
            raise ValueError(f"{count} results folders are both called {name!r}. Rename one, or leave it out.")
    return scores


def result_groups(folders: Sequence[str | Path]) -> list[list[Path]]:
    """Return the folders to compare with each other: one group for each protocol that they contain.

    Args:
        folders: paths of results folders, of one protocol, or of several with a folder for each.

    Raises:
        ValueError: if folders contain different protocols.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split=None)[:1]
    >>> for name in ("hpss", "repet-sim"):
    ...     _ = tfsep.evaluate(name, tracks, output=f"scores/{name}", protocol=["mdx", "si_sdr"])
    >>> [[str(path) for path in group] for group in tfsep.evaluation.result_groups(["scores/hpss", "scores/repet-sim"])]
    [['scores/hpss/si_sdr', 'scores/repet-sim/si_sdr'], ['scores/hpss/mdx', 'scores/repet-sim/mdx']]
    """
    found = [_by_protocol(Path(folder)) for folder in folders]
    for folder, places in zip(folders, found, strict=True):
        if places.keys() != found[0].keys():
            raise ValueError(f"{folder} has other protocols than {folders[0]}. Name folders of one protocol.")
    return [[places[name] for places in found] for name in (found[0] if found else ())]


def _name_and_protocol(result):
    return result.model, result.protocol


def _by_protocol(folder):
    if not (folder / SUMMARY).exists():
        places = {name: folder / name for name in PROTOCOLS if (folder / name / SUMMARY).exists()}
        if places:
            return places
    return {"": folder}


def _own_name(folder, protocol_name):
    folder = folder.resolve()
    return folder.parent.name if folder.name == protocol_name else folder.name


def _read_folder(folder):
    folder = Path(folder)
    if not (folder / SUMMARY).exists():
        if list(_by_protocol(folder)) != [""]:
            names = ", ".join(str(place) for place in _by_protocol(folder).values())
            raise ValueError(f"{folder} contains results of several protocols. Name one of: {names}.")
        files = museval_files(folder)
        if files:
            return read_museval(folder, files)
    content = _read_summary(folder / SUMMARY)
    scores = Scores(
        content["model"],
        tuple(content["targets"]),
        content["window"],
        content["hop"],
        content["protocol"],
        content["settings"],
        failures=content["failures"],
    )
    for track in content["tracks"]:
        load_track(scores, track, folder)
    return scores


def header(scores: Scores) -> dict:
    """Return how the scores were computed, without versions; results that differ in it are not comparable."""
    return {
        "protocol": scores.protocol,
        "window": _finite(scores.window),  # null: whole tracks
        "hop": _finite(scores.hop),
        "model": scores.model,
        "settings": scores.settings,
    }


def track_json(scores: Scores, track: str) -> dict:
    """Return a track's scores for JSON, those of the model in museval's schema, which its `EvalStore` reads."""
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
    """Write `FOLDER/<track>.json` atomically."""
    # Not strict JSON: museval's schema requires a number, so its files contain the literal NaN.
    write_text(track_path(folder, track), json.dumps(track_json(scores, track), indent=2))


def load_track(scores: Scores, track: str, folder: str | Path) -> None:
    """Add a track to scores from the file that `save_track` wrote.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the file is damaged, or is of another model, other targets or other settings.
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
    scores.add_track(track, result)


def _check_made_alike(path, found, expected):
    found, expected = ({**facts, **facts["settings"], "settings": None} for facts in (found, expected))
    for name in expected | found:
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"{path} was made with {name} {found.get(name)!r}, while now it is {expected.get(name)!r}. "
                "Choose another output folder."
            )


def track_path(folder: str | Path, track: str) -> Path:
    """Return the path of a track's result file."""
    return Path(folder) / f"{file_name(track)}.json"


def summary(scores: Scores) -> dict:
    """Return all aggregated scores for strict JSON; null is an undefined score."""
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


def _read_summary(path):
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
    """Write `FOLDER/summary.json` atomically."""
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
        "median" if rules.aggregate == "median" else "mean": _finite(scores.score(target, measure, row)),
        "interval": [_finite(end) for end in scores.interval(target, measure, row)],
    }
    if target is not None and not math.isinf(scores.window):
        median, deviation = scores.pooled(target, measure, row)
        score.update(pooled_median=_finite(median), pooled_mad=_finite(deviation))
    return score


def _leakage(scores, target, row):
    count, level = scores.leakage(target, row)
    return {"windows": count, "median": _finite(level)}  # null: no such window, or silent estimates


def _frames(measures, scores, seconds) -> Iterator[dict]:
    """museval's entries of a target, with all measures that museval expects and our own."""
    names = dict.fromkeys((*MEASURES, *measures))
    for index in range(len(next(iter(measures.values())))):
        yield {
            "time": scores.start_of(index),
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
