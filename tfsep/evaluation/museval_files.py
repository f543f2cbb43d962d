"""Result files that museval wrote, such as those that SiSEC 2018 published.

Tests read museval's own regression case, and files that are made in the layout and the schema of SiSEC's repository, as
they are at https://github.com/sigsep/sigsep-mus-2018; they do not read that repository itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tfsep.datasets.folders import SPLITS, visible
from tfsep.evaluation.scores import Scores


def museval_files(folder: Path) -> dict[str, Path]:
    """Return the JSON files of a folder, or of its splits, by track; none if one of them is not museval's."""
    places = [folder, *(folder / split for split in SPLITS)]
    files = {path.stem: path for place in places if place.is_dir() for path in visible(place) if path.suffix == ".json"}
    return files if all(_is_museval(path) for path in files.values()) else {}


def read_museval(folder: Path, files: dict[str, Path]) -> Scores:
    """Read museval's files as scores of a model of the folder's name.

    Raises:
        ValueError: if a file is damaged, or has other targets or windows than the first.
    """
    place = folder.resolve()
    name = place.parent.name if place.name in SPLITS else place.name
    scores = None
    for track, path in files.items():
        try:
            targets = {target["name"]: target["frames"] for target in json.loads(path.read_text("utf-8"))["targets"]}
            frames = next(iter(targets.values()))
            window = float(frames[0]["duration"])
            hop = float(frames[1]["time"] - frames[0]["time"]) if len(frames) > 1 else window
            measures = {
                target: {name: np.array([frame["metrics"][name] for frame in frames]) for name in frames[0]["metrics"]}
                for target, frames in targets.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration) as error:
            raise ValueError(f"{path} is not a result file of museval. Remove it.") from error
        if scores is None:
            scores = Scores(name, tuple(targets), window, hop)
        if (targets.keys(), window, hop) != (set(scores.targets), scores.window, scores.hop):
            raise ValueError(f"{path} has other targets or windows than the other files of {folder}.")
        scores.add("model", track, measures, seconds=float(frames[-1]["time"]) + window)
    return scores


def _is_museval(path):
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError:
        return False
    return isinstance(content, dict) and "targets" in content and "protocol" not in content
