"""Results folders, whole and damaged."""

import json
import math

import numpy as np
import pytest
from report_material import TARGETS, TRACKS, save_results

from tfsep.report.results import read_results


def test_reads_what_evaluate_writes(results):
    (read,) = read_results([results])
    assert (read.label, read.targets, read.measures) == ("unet", TARGETS, ("SDR",))
    assert list(read.medians) == list(TRACKS)
    frames = json.loads((results / "beta.json").read_text())["targets"][0]["frames"]
    assert read.medians["beta"]["vocals"]["SDR"] == np.median([frame["metrics"]["SDR"] for frame in frames])
    assert read.mean("beta", "SDR") == np.mean([read.medians["beta"][target]["SDR"] for target in TARGETS])
    assert np.median(read.row_tracks("model", "vocals", "SDR")) == pytest.approx(
        read.summary["rows"]["model"]["scores"]["vocals"]["SDR"]["median"], abs=1e-4
    )
    assert np.median(read.row_tracks("IRM1", "vocals", "SDR")) == pytest.approx(
        read.summary["rows"]["IRM1"]["scores"]["vocals"]["SDR"]["median"], abs=1e-4
    )
    assert read.row_tracks("IRM1", "vocals", "SIR") == []


def test_windows_without_score_are_left_out(results):
    path = results / "beta.json"
    scores = json.loads(path.read_text())
    for frame, value in zip(scores["targets"][0]["frames"], (math.nan, 1.0, 2.0, 6.0, None), strict=True):
        frame["metrics"]["SDR"] = value
    for frame in scores["targets"][1]["frames"]:
        frame["metrics"]["SDR"] = math.nan
    path.write_text(json.dumps(scores))
    (read,) = read_results([results])
    assert read.medians["beta"]["vocals"]["SDR"] == 2.0
    assert math.isnan(read.medians["beta"]["drums"]["SDR"])


def test_models_of_one_name_are_told_apart(tmp_path):
    folders = [save_results(tmp_path / name / "scores", "best") for name in ("a", "b")]
    with pytest.raises(ValueError, match=r"2 results folders are both called 'best \(scores\)'"):
        read_results(folders)
    folders[1] = folders[1].rename(tmp_path / "later")
    assert [result.label for result in read_results(folders)] == ["best (scores)", "best (later)"]


def damage_summary(folder):
    (folder / "summary.json").write_text('{"protocol":')
    return ValueError, "summary.json is not a result file"


def damage_track(folder):
    (folder / "beta.json").write_text("[1, 2")
    return ValueError, "beta.json is not a result file"


def empty_track(folder):
    (folder / "beta.json").write_text('{"targets": []}')
    return ValueError, r"beta.json is not a result file of tfsep \(KeyError: 'vocals'\)"


def strip_summary(folder):
    (folder / "summary.json").write_text('{"targets": ["vocals"], "tracks": []}')
    return ValueError, "summary.json is not a result file"


def list_as_summary(folder):
    (folder / "summary.json").write_text("[]")
    return ValueError, "summary.json is not a result file"


def binary_summary(folder):
    (folder / "summary.json").write_bytes(b"\xff\xfe\x00")
    return ValueError, "summary.json is not a result file"


def remove_summary(folder):
    (folder / "summary.json").unlink()
    return FileNotFoundError, "has no summary.json. Expected a folder"


def remove_track(folder):
    (folder / "beta.json").unlink()
    return FileNotFoundError, "beta.json is missing"


@pytest.mark.parametrize(
    "harm",
    [
        damage_summary,
        damage_track,
        empty_track,
        strip_summary,
        list_as_summary,
        binary_summary,
        remove_summary,
        remove_track,
    ],
)
def test_damage_is_named(results, harm):
    kind, message = harm(results)
    with pytest.raises(kind, match=message):
        read_results([results])


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere has no summary"):
        read_results([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="at least one results folder"):
        read_results([])


def test_what_cannot_stand_side_by_side(results, tmp_path):
    other = save_results(tmp_path / "hop", "other", hop=0.5)
    with pytest.raises(ValueError, match=r"cannot mix protocols.*hop 0.5 s"):
        read_results([results, other])
    other = save_results(tmp_path / "tracks", "other", tracks=TRACKS[:2])
    with pytest.raises(ValueError, match=r"same tracks.*tracks \(2 tracks\)"):
        read_results([results, other])
