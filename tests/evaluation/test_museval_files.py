"""museval's own result files, such as SiSEC 2018's, as scores."""

import json
import math

import numpy as np
import pytest
from evaluation_material import FakeModel, FakeTrack

from tfsep.evaluation import bss_eval, evaluate, read_results, table

RATE = 4000


def _write(path, frames):
    """Write windows of a track by target, as museval does."""
    targets = [
        {
            "name": target,
            "frames": [
                {
                    "time": float(time),
                    "duration": 1.0,
                    "metrics": {"SDR": value, "SIR": 9.0, "SAR": 8.0, "ISR": math.nan},
                }
                for time, value in enumerate(values)
            ],
        }
        for target, values in frames.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"targets": targets}))


@pytest.mark.parametrize("split", ["", "test"])
def test_a_folder_of_museval_s_files(tmp_path, split):
    _write(tmp_path / "UMX" / split / "A - Song.json", {"vocals": [1.0, math.nan, 5.0], "drums": [2.0, math.nan, 2.0]})
    _write(tmp_path / "UMX" / split / "B - Song.json", {"vocals": [7.0], "drums": [4.0]})
    for folder in {tmp_path / "UMX", tmp_path / "UMX" / split}:
        (scores,) = read_results([folder])
        assert (scores.model, scores.protocol, scores.windows_in_words) == ("UMX", "bsseval_v4", "1-s windows, hop 1 s")
        assert scores.tracks == ("A - Song", "B - Song")
        assert scores.score("vocals") == 5
        assert scores.score("vocals", "SIR") == 9
        assert scores.windows() == (4, 1)
        assert scores.seconds["A - Song"] == 3


def test_museval_s_own_case_is_read_as_it_is(real_data, tmp_path):
    path = real_data("peers/museval") / "Music Delta - 80s Rock.json"
    (tmp_path / path.name).write_text(path.read_text())
    (scores,) = read_results([tmp_path])
    content = json.loads(path.read_text())
    for target in content["targets"]:
        for measure in ("SDR", "ISR", "SIR", "SAR"):
            expected = np.nanmedian([frame["metrics"][measure] for frame in target["frames"]])
            assert scores.score(target["name"], measure) == pytest.approx(expected, abs=1e-5)


def test_stands_in_one_table_with_ours(tmp_path):
    track = FakeTrack("a", sources=("vocals", "drums"))
    ours = evaluate(FakeModel("vocals", "drums"), [track], sdr_only=True)
    references = np.stack([track.stems[name] for name in track.sources])
    sdr = bss_eval(references, np.stack([0.4 * track.stems["mixture"]] * 2), RATE, sdr_only=True)["SDR"]
    _write(tmp_path / "theirs" / "a.json", dict(zip(track.sources, sdr.tolist(), strict=True)))
    lines = table([ours, *read_results([tmp_path / "theirs"])]).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:5]}
    assert rows["theirs"] == rows["net"]


@pytest.mark.parametrize(
    ("content", "message"),
    [({"targets": [{"name": "vocals"}]}, "not a result file of museval"), ({"vocals": 3}, "summary.json is missing")],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_results([tmp_path])


def test_the_layout_of_sisec_2018(tmp_path):
    # <method>/description.md and <method>/test/<track>.json, with targets in any order.
    frames = {"vocals": [1.0], "accompaniment": [2.0]}
    _write(tmp_path / "2DFT" / "test" / "A.json", frames)
    _write(tmp_path / "2DFT" / "test" / "B.json", dict(reversed(frames.items())))
    (tmp_path / "2DFT" / "description.md").write_text("# 2DFT")
    (scores,) = read_results([tmp_path / "2DFT"])
    assert (scores.model, scores.score("vocals"), scores.score("accompaniment")) == ("2DFT", 1, 2)


def test_files_of_other_targets_are_refused(tmp_path):
    _write(tmp_path / "a.json", {"vocals": [1.0]})
    _write(tmp_path / "b.json", {"drums": [1.0]})
    with pytest.raises(ValueError, match=r"b\.json has other targets"):
        read_results([tmp_path])
