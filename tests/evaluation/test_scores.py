import json
import math
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep.evaluation import Scores, read_results, table
from tfsep.evaluation.result_files import save_summary, save_track, summary

NAN = math.nan


def _frames(**targets):
    return {target: {"SDR": np.array(values, float)} for target, values in targets.items()}


def _scores(model="net", **options):
    scores = Scores(model, ("vocals", "drums"), **options)
    scores.add("model", "a", _frames(vocals=[1, NAN, 3, 8], drums=[2, NAN, 2, 2], other=[0, NAN, 0, 0]))
    scores.add("model", "b", _frames(vocals=[5, 7], drums=[4, 4], other=[0, 0]))
    scores.add("model", "c", _frames(vocals=[NAN, NAN], drums=[NAN, NAN], other=[NAN, NAN]))
    scores.add("mixture", "a", _frames(vocals=[1, NAN, 1, 1], drums=[0, NAN, 0, 0]))
    return scores


def _full_scores():
    scores = Scores("net", ("vocals",), window=0.5, hop=0.25)
    measures = {"SDR": [1.123456789, NAN, np.inf], "ISR": [2, NAN, 5], "SIR": [3, NAN, 6], "SAR": [4, NAN, 7]}
    scores.add("model", "Some - Song", {"vocals": {name: np.array(x, float) for name, x in measures.items()}})
    return scores


def test_median_over_frames_then_over_tracks():
    scores = _scores()
    np.testing.assert_array_equal(scores.track_medians("vocals"), [3, 6, NAN])
    assert scores.median("vocals") == 4.5
    assert scores.median("drums") == 3
    assert scores.median() == 3.75
    assert scores.median("vocals", row="mixture") == 1


def test_pooled_median_and_mad():
    # Frames 1 3 8 5 7: median 5, deviations 4 2 3 0 2.
    assert _scores().pooled("vocals") == (5, 2)


def test_windows_count_the_nan_ones():
    assert _scores().windows() == (8, 3)
    assert _scores().windows("mixture") == (4, 1)


def test_only_reported_targets_are_kept():
    assert tuple(_scores().rows["model"]["a"]) == ("vocals", "drums")


def test_interval_is_seeded_and_covers_95_percent_of_the_resampled_medians():
    scores = Scores("net", ("vocals",))
    for index in range(101):
        scores.add("model", str(index), _frames(vocals=[index]))
    low, high = scores.interval("vocals")
    assert (low, high) == scores.interval("vocals") == scores.interval()
    assert any(scores.interval("vocals", seed=seed) != (low, high) for seed in range(1, 20))
    # A resampled median is at most k where at least 51 of 101 draws are: a binomial tail.
    tail = scipy.stats.binom.sf(50, 101, np.arange(1, 102) / 101)
    assert low == pytest.approx(np.searchsorted(tail, 0.025), abs=1)
    assert high == pytest.approx(np.searchsorted(tail, 0.975), abs=1)


def test_interval_of_the_mean_resamples_the_targets_together():
    scores = Scores("net", ("vocals", "drums"))
    for index in range(15):
        scores.add("model", str(index), _frames(vocals=[index], drums=[-index]))
    assert scores.interval("vocals")[0] < scores.median("vocals")
    assert scores.interval() == (0, 0)


def test_a_target_without_any_score_leaves_the_mean_undefined():
    scores = Scores("net", ("vocals", "drums"))
    for track in "abc":
        scores.add("model", track, _frames(vocals=[1, 2], drums=[np.inf, np.inf]))  # perfect drums
    assert scores.median("vocals") == 1.5
    assert math.isnan(scores.median())
    assert all(map(math.isnan, scores.interval()))
    assert "nan" in str(scores)


def test_one_track_has_no_interval():
    scores = _full_scores()
    assert all(map(math.isnan, scores.interval("vocals")))
    assert "nan" not in str(scores)


def test_track_file_has_musevals_schema_and_rounding(museval, tmp_path):
    import jsonschema

    scores = _full_scores()
    save_track(scores, "Some - Song", tmp_path / "test")
    content = json.loads((tmp_path / "test" / "Some - Song.json").read_text())
    store = museval.TrackStore("Some - Song", win=0.5, hop=0.25)
    jsonschema.validate(content, store.schema)
    measures = scores.rows["model"]["Some - Song"]["vocals"]
    store.add_target("vocals", {**measures, "SDR": [1.123456789, NAN, np.inf]})
    np.testing.assert_equal(content["targets"], json.loads(store.json)["targets"])
    assert content["protocol"] == "bsseval_v4"


@pytest.mark.parametrize("protocol", ["bsseval_v4", "bsseval_v3"])
def test_eval_store_reads_the_files_and_finds_the_same_medians(museval, tmp_path, protocol):
    scores = {"bsseval_v4": _scores, "bsseval_v3": _weighted}[protocol]()
    for track in scores.tracks:
        save_track(scores, track, tmp_path / "test")
    store = museval.EvalStore()
    store.add_eval_dir(tmp_path)
    found = store.agg_frames_tracks_scores()
    assert all(found[target, "SDR"] == scores.median(target, "SDR") for target in scores.targets)
    assert math.isnan(found["vocals", "ISR"])  # not computed


def test_data_frame_equals_museval_s(museval):
    scores = _full_scores()
    store = museval.TrackStore("Some - Song", win=0.5, hop=0.25)
    measures = scores.rows["model"]["Some - Song"]["vocals"]
    store.add_target("vocals", measures)
    expected = store.df[["track", "time", "target", "metric", "score"]]
    order = ["metric", "time"]
    found, expected = (frame.sort_values(order).reset_index(drop=True) for frame in (scores.to_pandas(), expected))
    museval.aggregate.pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_eval_store_has_the_same_medians_and_prints_them(museval):
    scores = _scores()
    store = scores.to_museval()
    found = store.agg_frames_tracks_scores()
    assert (found["vocals", "SDR"], found["drums", "SDR"]) == (scores.median("vocals"), scores.median("drums"))
    assert "vocals          ==> SDR:   4.500  SIR:     nan" in repr(store)
    assert scores.to_museval("mixture").agg_frames_tracks_scores()["vocals", "SDR"] == 1


def test_eval_store_of_other_measures_is_refused():
    scores = Scores("net", ("vocals",), protocol="mdx")
    scores.add("model", "a", {"vocals": {"uSDR": np.array([1.0])}})
    with pytest.raises(ValueError, match=r"museval knows SDR, .* Received: scores by mdx\. Use to_pandas"):
        scores.to_museval()


def test_eval_store_without_museval_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "museval", None)
    with pytest.raises(RuntimeError, match=r"museval needs ffmpeg and ffprobe.*to_pandas"):
        _scores().to_museval()


def test_data_frame_of_whole_tracks_starts_at_0():
    pytest.importorskip("pandas")
    frame = _weighted().to_pandas()
    assert frame["time"].tolist() == [0] * 6
    assert frame[frame["metric"] == "NSDR"].set_index("track")["score"].dropna().to_dict() == {"a": 1, "b": 4}


def test_summary_is_strict_json_and_complete(tmp_path):
    scores = _scores()
    scores.failures["d"] = "broken"
    save_summary(scores, tmp_path)
    content = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert content["protocol"] == "bsseval_v4"
    assert (content["window"], content["hop"]) == (1.0, 1.0)
    assert content["model"] == "net"
    assert content["targets"] == ["vocals", "drums"]
    assert {"tfsep", "numpy", "scipy"} <= set(content["versions"])
    assert content["tracks"] == ["a", "b", "c"]
    assert content["failures"] == {"d": "broken"}
    row = content["rows"]["model"]
    assert (row["windows"], row["nan_windows"]) == (8, 3)
    vocals = row["scores"]["vocals"]["SDR"]
    assert (vocals["median"], vocals["pooled_median"], vocals["pooled_mad"]) == (4.5, 5, 2)
    assert vocals["interval"] == [3, 6]
    assert row["scores"]["mean"]["SDR"]["median"] == 3.75
    assert content["rows"]["mixture"]["scores"]["vocals"]["SDR"]["interval"] == [None, None]


def test_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        save_summary(_scores(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_table_as_text():
    lines = table(_scores()).splitlines()
    assert lines[0].split() == ["vocals", "drums", "mean"]
    assert lines[1].startswith("net ")
    assert "4.50 [3.00, 6.00]" in lines[1]
    assert lines[2].split() == ["mixture", "1.00", "0.00", "0.50"]
    assert {len(line) for line in lines[:3]} == {len(lines[0])}
    assert "bsseval_v4" in lines[4]
    assert "(here 3)" in lines[4]
    assert lines[5].startswith("net: 3 of 8 windows have no SDR")


def test_table_as_markdown():
    lines = table(_scores(), markdown=True).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:4]]
    assert cells[0] == ["", "vocals", "drums", "mean"]
    assert cells[1][0].strip("-") == ""
    assert all(cell.strip("-") == ":" for cell in cells[1][1:])
    assert cells[3] == ["mixture", "1.00", "0.00", "0.50"]


def test_table_of_two_models_prints_equal_bounds_once_and_leaves_gaps_open():
    vocals = Scores("voice", ("vocals",))
    for track, frames in _scores().rows["model"].items():
        vocals.add("model", track, frames)
    lines = table([_scores("one"), _scores("two"), vocals]).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["one", "two", "voice", "mixture"]
    assert lines[3].split()[-2:] == ["-", "-"]


@pytest.mark.parametrize("difference", [{"protocol": "si_sdr"}, {"window": 2.0}, {"hop": 0.5}])
def test_table_refuses_to_mix_protocols(difference):
    with pytest.raises(ValueError, match="mix protocols"):
        table([_scores(), _scores(**difference)])


def test_table_refuses_different_tracks_and_none():
    more = _scores("more")
    more.add("model", "d", _frames(vocals=[1], drums=[1]))
    with pytest.raises(ValueError, match=r"same tracks.*net \(3 tracks\), more \(4 tracks\)"):
        table([_scores(), more])
    with pytest.raises(ValueError, match="at least one"):
        table([])


def test_failures_are_named_under_the_table():
    scores = _scores()
    scores.failures["d"] = "d.wav cannot be read"
    assert "net: d failed: d.wav cannot be read" in table(scores)


def _weighted(**options):
    scores = Scores("net", ("vocals",), protocol="bsseval_v3", **options)
    for track, (value, seconds) in {"a": (1.0, 10), "b": (4.0, 20), "c": (NAN, 30)}.items():
        scores.add("model", track, {"vocals": {"NSDR": np.array([value]), "SDR": np.array([2 * value])}}, None, seconds)
    return scores


def test_mean_weighted_by_length_leaves_nan_out():
    scores = _weighted()
    assert scores.score("vocals") == scores.score() == pytest.approx((10 * 1 + 20 * 4) / 30)
    assert scores.score("vocals", "SDR") == pytest.approx(6)
    assert scores.median("vocals") == 2.5
    low, high = scores.interval("vocals")
    assert (low, high) == (1, 4)
    assert scores.windows() == (3, 1)
    assert math.isinf(scores.window) and scores.windows_in_words == "whole tracks"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 1000), st.booleans()), min_size=1, max_size=8))
def test_weighted_mean_is_numpys(tracks):
    scores = Scores("net", ("vocals",), protocol="bsseval_v3")
    for index, (value, seconds, silent) in enumerate(tracks):
        frames = {"vocals": {"NSDR": np.array([NAN if silent else value])}}
        scores.add("model", str(index), frames, None, seconds)
    active = [(value, seconds) for value, seconds, silent in tracks if not silent]
    if not active:
        assert math.isnan(scores.score())
        return
    values, weights = np.transpose(active)
    assert scores.score() == pytest.approx(np.average(values, weights=weights), abs=2e-5)
    low, high = scores.interval()
    assert math.isnan(low) if len(active) < 2 else values.min() - 1e-4 <= low <= high <= values.max() + 1e-4


def test_summary_of_a_mean_is_called_mean():
    content = json.loads(json.dumps(summary(_weighted()), allow_nan=False))
    assert content["rows"]["model"]["scores"]["vocals"]["NSDR"] == {"mean": 3.0, "interval": [1.0, 4.0]}
    assert content["aggregation"] == "mean over tracks, weighted by their length"
    assert (content["window"], content["hop"]) == (None, None)


def test_leakage_is_counted_and_stated():
    scores = Scores("net", ("vocals",))
    leaked = {"a": [NAN, -20.0, -np.inf], "b": [-10.0, NAN, -30.0]}
    for track, values in leaked.items():
        scores.add("model", track, _frames(vocals=[NAN, NAN, NAN]), {"vocals": np.array(values)})
    assert scores.leakage("vocals") == (4, -20)
    assert "where a source is silent, the estimate against the mixture: vocals -20.0 dB (median of 4 windows)" in str(
        scores
    )
    assert summary(scores)["rows"]["model"]["leakage"]["vocals"] == {"windows": 4, "median": -20}
    assert _scores().leakage("vocals")[0] == 0
    assert "silent, the estimate" not in str(_scores())


def test_table_of_folders(tmp_path):
    for name, model in (("one", "best"), ("two", "best"), ("three", "last")):
        scores = Scores(model, ("vocals",))
        for track in "ab":
            scores.add("model", track, _frames(vocals=[len(name)]))
            save_track(scores, track, tmp_path / name)
        save_summary(scores, tmp_path / name)
    lines = table(read_results([tmp_path / "one", tmp_path / "two", tmp_path / "three"])).splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["best (one)", "best (two)", "last"]
    assert [line.split()[-1] for line in lines[3:4]] == ["5.00]"]
