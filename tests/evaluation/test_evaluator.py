import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from evaluation_material import RATE, STEMS, FakeTrack

from tfsep.audio import AudioError
from tfsep.evaluation import MEASURES, bss_eval, evaluate, mixture_estimates, oracle, read_results
from tfsep.evaluation.result_files import summary


@pytest.fixture
def separate(monkeypatch):
    """A stand-in for the engine: every estimate is the mixture times 0.4; the calls are kept."""
    calls = []

    def fake(mixture, model, sample_rate=None, **options):
        calls.append(dict(mixture=mixture, model=model, sample_rate=sample_rate, **options))
        return {source: np.float32(0.4) * mixture for source in model.sources}

    module = ModuleType("tfsep.separation")
    module.separate = fake
    monkeypatch.setitem(sys.modules, "tfsep.separation", module)
    return calls


def _model(*sources):
    return SimpleNamespace(name="net", sources=sources)


def _frames(references, estimates):
    return bss_eval(np.stack(list(references.values())), np.stack(list(estimates.values())), RATE, sdr_only=True)["SDR"]


def test_the_engine_gets_the_whole_mixture_at_the_datasets_own_rate(separate):
    track, model = FakeTrack("a"), _model(*STEMS)
    evaluate(model, [track], sdr_only=True)
    evaluate(model, [track], sdr_only=True, overlap=0.5)
    np.testing.assert_array_equal(separate[0]["mixture"], track.stems["mixture"])
    assert (separate[0]["model"], separate[0]["sample_rate"]) == (model, RATE)
    assert "overlap" not in separate[0]
    assert separate[1]["overlap"] == 0.5


def test_a_model_given_by_name_is_loaded_once_and_names_its_row(separate, monkeypatch):
    model, asked = _model("vocals"), []
    monkeypatch.setattr("tfsep.models.load_model", lambda name: asked.append(name) or model)
    scores = evaluate("some-preset", [FakeTrack("a"), FakeTrack("bb")], sdr_only=True)
    assert asked == ["some-preset"]
    assert [call["model"] for call in separate] == [model, model]
    assert scores.model == "some-preset"


def test_sources_that_the_model_lacks_count_in_the_windows_and_are_not_reported(separate):
    track = FakeTrack("a")
    track.stems["bass"][:RATE] = 0  # silent in the first window: NaN for all, also for a model without bass
    scores = evaluate(_model("drums", "vocals"), [track], sdr_only=True)
    references = {name: track.stems[name] for name in STEMS}
    mixture = track.stems["mixture"]
    mixtures = mixture_estimates(mixture, STEMS, STEMS)
    separated = dict.fromkeys(STEMS, np.float32(0.4) * mixture)
    assert scores.targets == ("drums", "vocals")
    for row, estimates in {
        "model": separated,
        "mixture": mixtures,
        "IRM1": oracle("IRM1", mixture, references),
    }.items():
        expected = _frames(references, estimates)
        assert np.isnan(expected[:, 0]).all()
        assert set(scores.rows[row]["a"]) == {"drums", "vocals"}
        np.testing.assert_allclose(scores.rows[row]["a"]["vocals"]["SDR"], expected[0], atol=1e-5)
        np.testing.assert_allclose(scores.rows[row]["a"]["drums"]["SDR"], expected[1], atol=1e-5)
    assert scores.windows() == (2, 1)


def test_what_the_model_lacks_is_filled_with_the_mixture_row(separate, monkeypatch):
    track = FakeTrack("a")
    track.stems["mixture"][:RATE] = 0  # so the fill is silent there, unlike the model's estimate
    monkeypatch.setattr(
        sys.modules["tfsep.separation"],
        "separate",
        lambda mixture, model, sample_rate: {"vocals": mixture + np.float32(0.1)},
    )
    scores = evaluate(_model("vocals"), [track], sdr_only=True)
    assert np.isnan(scores.rows["model"]["a"]["vocals"]["SDR"]).tolist() == [True, False]


def test_all_rows_have_the_same_measures(separate):
    tracks = [FakeTrack("a", sources=("vocals", "drums"))]
    scores = evaluate(_model("vocals"), tracks, oracles=("IRM2", "IBM1", "IRM2"))
    assert list(scores.rows) == ["model", "mixture", "IRM2", "IBM1"]
    assert {scores.measures(row) for row in scores.rows} == {MEASURES}
    assert evaluate(_model("vocals"), tracks, sdr_only=True).measures() == ("SDR",)
    assert list(evaluate(_model("vocals"), tracks, oracles=(), sdr_only=True).rows) == ["model", "mixture"]


def test_accompaniment_is_the_sum_of_all_other_stems(separate):
    track = FakeTrack("a")
    scores = evaluate(_model("vocals", "accompaniment"), [track], sdr_only=True)
    mixture, stems = track.stems["mixture"], {name: track.stems[name] for name in STEMS}
    references = {
        "vocals": stems["vocals"],
        "accompaniment": stems["drums"] + stems["bass"] + stems["other"],
    }
    rows = {
        "model": dict.fromkeys(references, np.float32(0.4) * mixture),
        "mixture": {"vocals": 0.25 * mixture, "accompaniment": 0.75 * mixture},
        "IRM1": oracle("IRM1", mixture, stems, ("vocals", "accompaniment")),
    }
    for row, estimates in rows.items():
        expected = _frames(references, estimates)
        for index, name in enumerate(references):
            np.testing.assert_allclose(scores.rows[row]["a"][name]["SDR"], expected[index], atol=1e-4)


def test_tracks_with_a_stem_named_accompaniment(separate):
    track = FakeTrack("a", sources=("vocals", "accompaniment"))
    scores = evaluate(_model("vocals", "accompaniment"), [track], sdr_only=True)
    half = 0.5 * track.stems["mixture"]
    references = {name: track.stems[name] for name in track.sources}
    expected = _frames(references, dict.fromkeys(references, half))
    np.testing.assert_allclose(scores.rows["mixture"]["a"]["accompaniment"]["SDR"], expected[1], atol=1e-5)


def test_output_folder(separate, tmp_path):
    scores = evaluate(_model("vocals"), [FakeTrack("a"), FakeTrack("bb")], output=tmp_path / "x" / "y", sdr_only=True)
    folder = tmp_path / "x" / "y"
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "bb.json", "summary.json"]
    content = json.loads((folder / "bb.json").read_text())
    frames = content["targets"][0]["frames"]
    assert content["targets"][0]["name"] == "vocals"
    np.testing.assert_allclose(
        [frame["metrics"]["SDR"] for frame in frames], scores.rows["model"]["bb"]["vocals"]["SDR"], atol=1e-5
    )
    assert json.loads((folder / "summary.json").read_text())["rows"].keys() == {"model", "mixture", "IRM1"}


def test_a_finished_evaluation_is_not_overwritten(separate, tmp_path):
    evaluate(_model("vocals"), [FakeTrack("a")], output=tmp_path, sdr_only=True)
    with pytest.raises(FileExistsError, match=r"summary\.json"):
        evaluate(_model("vocals"), [FakeTrack("a")], output=tmp_path, sdr_only=True)
    assert len(separate) == 1  # refused before any work


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (FakeTrack("bad", error=AudioError("bad.wav: cut off")), "bad.wav: cut off"),
        (FakeTrack("bad", error=FileNotFoundError("bad.wav is missing")), "is missing"),
        (FakeTrack("bad", samples=0), "0 samples"),
        (FakeTrack("bad", sources=("drums", "bass")), "'vocals'"),
    ],
)
def test_one_bad_track_is_reported_and_the_others_are_scored(separate, tmp_path, caplog, bad, message):
    tracks = [FakeTrack("a"), bad, FakeTrack("cc")]
    scores = evaluate(_model("vocals"), tracks, output=tmp_path, sdr_only=True)
    assert scores.tracks == ("a", "cc")
    assert list(scores.failures) == ["bad"]
    for text in (scores.failures["bad"], caplog.text, str(scores)):
        assert message in text
    assert json.loads((tmp_path / "summary.json").read_text())["failures"] == scores.failures
    assert not (tmp_path / "bad.json").exists()


def test_when_all_tracks_fail_it_is_an_error(separate):
    tracks = [FakeTrack(name, error=AudioError(f"{name} is cut off")) for name in ("a", "b")]
    with pytest.raises(RuntimeError, match=r"None of 2 tracks could be scored\. a: a is cut off"):
        evaluate(_model("vocals"), tracks)


def test_a_source_that_no_track_has_is_a_wrong_argument(separate):
    with pytest.raises(ValueError, match=r"'piano'.*vocals, drums, bass, other"):
        evaluate(_model("piano"), [FakeTrack("a")])


def test_wrong_track_lists_are_refused(separate, tmp_path):
    with pytest.raises(ValueError, match="no track"):
        evaluate(_model("vocals"), [])
    with pytest.raises(ValueError, match="2 tracks named 'a'"):
        evaluate(_model("vocals"), [FakeTrack("a"), FakeTrack("a")])
    with pytest.raises(ValueError, match="'summary'"):
        evaluate(_model("vocals"), [FakeTrack("summary")], output=tmp_path)
    assert not separate


def test_estimates_of_another_length_are_refused(separate, monkeypatch):
    monkeypatch.setattr(
        sys.modules["tfsep.separation"],
        "separate",
        lambda mixture, model, sample_rate: {source: mixture[:-1] for source in model.sources},
    )
    with pytest.raises(ValueError, match="shape"):
        evaluate(_model(*STEMS), [FakeTrack("a")])


def test_a_fault_of_the_program_is_not_taken_for_a_bad_track(separate, monkeypatch):
    def broken(mixture, model, sample_rate):
        raise TypeError("a bug")

    monkeypatch.setattr(sys.modules["tfsep.separation"], "separate", broken)
    with pytest.raises(TypeError, match="a bug"):
        evaluate(_model("vocals"), [FakeTrack("a"), FakeTrack("bb")])


def test_silent_stem_is_nan_and_no_crash(separate):
    track = FakeTrack("a")
    track.stems["bass"][:] = 0
    scores = evaluate(_model("vocals"), [track])
    assert scores.windows() == (2, 2)
    assert np.isnan(scores.median("vocals"))
    assert "nan" in str(scores)


def test_progress_bar(separate, capsys):
    evaluate(_model("vocals"), [FakeTrack("a")], sdr_only=True)
    assert capsys.readouterr().err == ""
    evaluate(_model("vocals"), [FakeTrack("a")], sdr_only=True, progress=True)
    assert "1/1" in capsys.readouterr().err


def test_what_the_stems_do_not_explain_is_a_source(separate):
    """Of the oracle, of the references and of the accompaniment, be one stem left or several."""
    for left_out in (("drums", "bass", "other"), ("bass", "other")):
        track = FakeTrack("a").without(*left_out)
        mixture = track.stems["mixture"]
        stems = {name: track.stems[name] for name in track.sources}
        stems["residual"] = mixture - sum(stems.values())
        references = {"vocals": stems["vocals"], "accompaniment": mixture - stems["vocals"]}
        for sources in (("vocals", "accompaniment"), ("vocals",)):
            scores = evaluate(_model(*sources), [track], sdr_only=True)
            true = references if "accompaniment" in sources else stems
            share = 1 / len(stems)
            for row, estimates in {
                "mixture": {name: (share if name != "accompaniment" else 1 - share) * mixture for name in true},
                "IRM1": oracle("IRM1", mixture, stems, tuple(true)),
            }.items():
                expected = dict(zip(true, _frames(true, estimates), strict=True))
                for name in sources:
                    np.testing.assert_allclose(scores.rows[row]["a"][name]["SDR"], expected[name], atol=1e-4)
            assert scores.score("vocals", row="IRM1") > scores.score("vocals", row="mixture") + 1


def test_a_codec_s_residual_is_no_source(separate):
    track = FakeTrack("a", sources=("vocals", "drums"))  # whose mixture differs by 1 % of the energy
    scores = evaluate(_model("vocals", "drums"), [track], sdr_only=True)
    expected = _frames(
        {name: track.stems[name] for name in track.sources},
        oracle("IRM1", track.stems["mixture"], {name: track.stems[name] for name in track.sources}),
    )
    np.testing.assert_allclose(scores.rows["IRM1"]["a"]["vocals"]["SDR"], expected[0], atol=1e-5)


def test_lone_vocals_without_a_mixture_file_have_no_accompaniment(separate):
    track = FakeTrack("a", sources=("vocals",))
    track.stems["mixture"] = track.stems["vocals"]
    with pytest.raises(ValueError, match="Nothing is left for 'accompaniment'"):
        evaluate(_model("vocals", "accompaniment"), [track])


def _low_passed(track):
    """A track as a lossy codec leaves it: nothing above a third of the spectrum but the decoder's rounding."""
    for name in track.sources:
        spectrum = np.fft.rfft(track.stems[name], axis=0)
        spectrum[len(spectrum) // 3 :] = 0
        track.stems[name] = np.fft.irfft(spectrum, len(track.stems[name]), axis=0).astype(np.float32)
    track.stems["mixture"] = sum(track.stems[name] for name in track.sources)
    return track


def _rounded(track):
    track.stems = {name: np.rint(stem * 2**15).astype(np.float32) / 2**15 for name, stem in track.stems.items()}
    return track


def test_scores_that_depend_on_inaudible_detail_are_warned_of_once(separate, monkeypatch, tmp_path, caplog):
    """Lossy stems as floats; in 16 bits they are fine."""
    noise = np.random.default_rng(0).standard_normal((2 * RATE, 1)).astype(np.float32)
    monkeypatch.setattr(
        sys.modules["tfsep.separation"],
        "separate",
        lambda mixture, model, sample_rate: {"vocals": mixture + 0.1 * noise},
    )
    options = {"sources": ("vocals", "drums"), "channels": 1}
    floats = [_low_passed(FakeTrack(name, **options)) for name in ("a", "bb", "ccc")]
    tracks = [_rounded(floats[0]), *floats[1:]]
    scores = evaluate(_model("vocals"), tracks, output=tmp_path / "x", oracles=())
    (message,) = [record.getMessage() for record in caplog.records]
    assert "of 2 of 3 tracks depend on inaudible detail" in message
    summary = json.loads((tmp_path / "x" / "summary.json").read_text())
    assert summary["settings"]["precision"] == "float32"
    assert summary["sensitivity"] == scores.sensitivity == read_results([tmp_path / "x"])[0].sensitivity
    assert scores.sensitivity["a"] < 0.5 < min(scores.sensitivity["bb"], scores.sensitivity["ccc"])
    assert json.loads((tmp_path / "x" / "a.json").read_text())["sensitivity"] == scores.sensitivity["a"]


def test_what_is_no_track_is_refused_in_a_line(separate):
    track = FakeTrack("a")
    for tracks in (np.zeros((2, 100)), ["a"], "songs", 5, (item for item in [track, 1])):
        with pytest.raises(
            ValueError, match=r"^tracks (is|holds) a .*Expected a dataset of tfsep\.datasets or a list of"
        ):
            evaluate(_model("vocals"), tracks)
    assert len(evaluate(_model("vocals"), (item for item in [track]), sdr_only=True).tracks) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("protocol", ["bsseval_v4", "si_sdr"])
def test_perfect_estimates_are_no_reason_to_warn(separate, monkeypatch, protocol):
    """Of a song that is one stem even the mixture is perfect."""
    track = FakeTrack("a", sources=("vocals",))
    track.stems["mixture"] = track.stems["vocals"]
    monkeypatch.setattr(
        sys.modules["tfsep.separation"], "separate", lambda mixture, model, sample_rate: {"vocals": mixture.copy()}
    )
    scores = evaluate(_model("vocals"), [track], protocol=protocol)
    assert np.isnan(scores.score("vocals"))
    str(scores), summary(scores)


def test_the_representation_of_scores_is_short(separate):
    scores = evaluate(_model("vocals"), [FakeTrack("a")], sdr_only=True)
    assert repr(scores) == "Scores('net', targets=('vocals',), protocol='bsseval_v4', tracks=1)"
