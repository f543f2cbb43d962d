import json

import numpy as np
import pytest
from evaluation_material import RATE, STEMS, FakeModel, FakeTrack

from tfsep.audio import AudioError
from tfsep.evaluation import MEASURES, bss_eval, evaluate, mixture_estimates, oracle, read_results
from tfsep.evaluation.result_files import summary


def _frames(references, estimates):
    return bss_eval(np.stack(list(references.values())), np.stack(list(estimates.values())), RATE, sdr_only=True)["SDR"]


def test_the_engine_receives_the_whole_mixture_at_the_rate_of_the_data():
    track, model = FakeTrack("a"), FakeModel(*STEMS)
    evaluate(model, [track], sdr_only=True)
    ((song, rate),) = model.calls
    np.testing.assert_array_equal(song, track.stems["mixture"])
    assert rate == RATE


def test_the_engine_receives_the_overlap():
    with pytest.raises(ValueError, match=r"overlap.*1\.5"):
        evaluate(FakeModel("vocals"), [FakeTrack("a")], overlap=1.5)


def test_a_model_given_by_name_is_loaded_once_and_names_its_row(monkeypatch):
    model, asked = FakeModel("vocals"), []
    monkeypatch.setattr(
        "tfsep.loading.load_model", lambda name, *_: name if name is model else asked.append(name) or model
    )
    scores = evaluate("some-preset", [FakeTrack("a"), FakeTrack("bb")], sdr_only=True)
    assert (asked, len(model.calls)) == (["some-preset"], 2)
    assert scores.model == "some-preset"
    assert evaluate("some-preset", [FakeTrack("a")], sdr_only=True, name="ours").model == "ours"


def test_missing_sources_affect_which_windows_count_and_are_not_reported():
    track = FakeTrack("a")
    track.stems["bass"][:RATE] = 0  # silent in the first window: NaN for all, also for a model without bass
    scores = evaluate(FakeModel("drums", "vocals"), [track], sdr_only=True)
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


def test_the_mixture_row_replaces_missing_estimates():
    track = FakeTrack("a")
    track.stems["mixture"][:RATE] = 0  # so the mixture row is silent there, unlike the model's estimate
    scores = evaluate(FakeModel("vocals", separate=lambda mixture: mixture + np.float32(0.1)), [track], sdr_only=True)
    assert np.isnan(scores.rows["model"]["a"]["vocals"]["SDR"]).tolist() == [True, False]


def test_all_rows_have_the_same_measures():
    tracks = [FakeTrack("a", sources=("vocals", "drums"), channels=1)]
    scores = evaluate(FakeModel("vocals"), tracks, oracles=("IRM2", "IBM1", "IRM2"))
    assert list(scores.rows) == ["model", "mixture", "IRM2", "IBM1"]
    assert {scores.measures(row) for row in scores.rows} == {MEASURES}
    assert evaluate(FakeModel("vocals"), tracks, sdr_only=True).measures() == ("SDR",)
    assert list(evaluate(FakeModel("vocals"), tracks, oracles=(), sdr_only=True).rows) == ["model", "mixture"]


def test_accompaniment_is_the_sum_of_all_other_stems():
    track = FakeTrack("a")
    scores = evaluate(FakeModel("vocals", "accompaniment"), [track], sdr_only=True)
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


def test_tracks_with_a_stem_named_accompaniment():
    track = FakeTrack("a", sources=("vocals", "accompaniment"))
    scores = evaluate(FakeModel("vocals", "accompaniment"), [track], sdr_only=True)
    half = 0.5 * track.stems["mixture"]
    references = {name: track.stems[name] for name in track.sources}
    expected = _frames(references, dict.fromkeys(references, half))
    np.testing.assert_allclose(scores.rows["mixture"]["a"]["accompaniment"]["SDR"], expected[1], atol=1e-5)


def test_output_folder(tmp_path):
    scores = evaluate(
        FakeModel("vocals"), [FakeTrack("a"), FakeTrack("bb")], output=tmp_path / "x" / "y", sdr_only=True
    )
    folder = tmp_path / "x" / "y"
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "bb.json", "summary.json"]
    content = json.loads((folder / "bb.json").read_text())
    frames = content["targets"][0]["frames"]
    assert content["targets"][0]["name"] == "vocals"
    np.testing.assert_allclose(
        [frame["metrics"]["SDR"] for frame in frames], scores.rows["model"]["bb"]["vocals"]["SDR"], atol=1e-5
    )
    assert json.loads((folder / "summary.json").read_text())["rows"].keys() == {"model", "mixture", "IRM1"}


def test_a_finished_evaluation_is_not_overwritten(tmp_path):
    model = FakeModel("vocals")
    evaluate(model, [FakeTrack("a")], output=tmp_path, sdr_only=True)
    with pytest.raises(FileExistsError, match=r"summary\.json"):
        evaluate(model, [FakeTrack("a")], output=tmp_path, sdr_only=True)
    assert len(model.calls) == 1  # refused before any work


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (FakeTrack("bad", error=AudioError("bad.wav: cut off")), "bad.wav: cut off"),
        (FakeTrack("bad", error=FileNotFoundError("bad.wav is missing")), "is missing"),
        (FakeTrack("bad", samples=0), "0 samples"),
        (FakeTrack("bad", sources=("drums", "bass")), "'vocals'"),
    ],
)
def test_a_bad_track_is_reported_and_the_others_are_scored(tmp_path, caplog, bad, message):
    tracks = [FakeTrack("a"), bad, FakeTrack("cc")]
    scores = evaluate(FakeModel("vocals"), tracks, output=tmp_path, sdr_only=True)
    assert scores.tracks == ("a", "cc")
    assert list(scores.failures) == ["bad"]
    for text in (scores.failures["bad"], caplog.text, str(scores)):
        assert message in text
    assert json.loads((tmp_path / "summary.json").read_text())["failures"] == scores.failures
    assert not (tmp_path / "bad.json").exists()


def test_failure_of_all_tracks_is_an_error():
    tracks = [FakeTrack(name, error=AudioError(f"{name} is cut off")) for name in ("a", "b")]
    with pytest.raises(RuntimeError, match=r"None of 2 tracks could be scored\. a: a is cut off"):
        evaluate(FakeModel("vocals"), tracks)


def test_a_source_that_no_track_has_is_a_wrong_argument():
    with pytest.raises(ValueError, match=r"'piano'.*vocals, drums, bass, other"):
        evaluate(FakeModel("piano"), [FakeTrack("a")])


@pytest.mark.parametrize(
    ("names", "message"), [((), "no track"), (("a", "a"), "2 tracks named 'a'"), (("summary",), "'summary'")]
)
def test_wrong_track_lists_are_refused(tmp_path, names, message):
    model = FakeModel("vocals")
    with pytest.raises(ValueError, match=message):
        evaluate(model, [FakeTrack(name) for name in names], output=tmp_path)
    assert not model.calls


def test_estimates_of_another_length_are_refused():
    with pytest.raises(ValueError, match="shape"):
        evaluate(FakeModel(*STEMS, separate=lambda mixture: mixture[:-1]), [FakeTrack("a")])


def test_a_bug_in_the_model_is_not_reported_as_a_bad_track():
    def broken(mixture):
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        evaluate(FakeModel("vocals", separate=broken), [FakeTrack("a"), FakeTrack("bb")])


def test_silent_stem_is_nan_and_no_crash():
    track = FakeTrack("a")
    track.stems["bass"][:] = 0
    scores = evaluate(FakeModel("vocals"), [track])
    assert scores.windows() == (2, 2)
    assert np.isnan(scores.median("vocals"))
    assert "nan" in str(scores)


def test_progress_bar(capsys):
    evaluate(FakeModel("vocals"), [FakeTrack("a")], sdr_only=True)
    assert capsys.readouterr().err == ""
    evaluate(FakeModel("vocals"), [FakeTrack("a")], sdr_only=True, progress=True)
    assert "1/1" in capsys.readouterr().err


def test_the_residual_of_incomplete_stems_is_a_source():
    """For the oracle, the references and the accompaniment, with one stem or several."""
    for left_out in (("drums", "bass", "other"), ("bass", "other")):
        track = FakeTrack("a").without(*left_out)
        mixture = track.stems["mixture"]
        stems = {name: track.stems[name] for name in track.sources}
        stems["residual"] = mixture - sum(stems.values())
        references = {"vocals": stems["vocals"], "accompaniment": mixture - stems["vocals"]}
        for sources in (("vocals", "accompaniment"), ("vocals",)):
            scores = evaluate(FakeModel(*sources), [track], sdr_only=True)
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


def test_the_residual_of_a_codec_is_no_source():
    track = FakeTrack("a", sources=("vocals", "drums"))  # whose mixture differs by 1 % of the energy
    scores = evaluate(FakeModel("vocals", "drums"), [track], sdr_only=True)
    expected = _frames(
        {name: track.stems[name] for name in track.sources},
        oracle("IRM1", track.stems["mixture"], {name: track.stems[name] for name in track.sources}),
    )
    np.testing.assert_allclose(scores.rows["IRM1"]["a"]["vocals"]["SDR"], expected[0], atol=1e-5)


def test_lone_vocals_without_a_mixture_file_have_no_accompaniment():
    track = FakeTrack("a", sources=("vocals",))
    track.stems["mixture"] = track.stems["vocals"]
    with pytest.raises(ValueError, match="Nothing is left for 'accompaniment'"):
        evaluate(FakeModel("vocals", "accompaniment"), [track])


def _low_passed(track):
    """A track like a lossy codec's: only rounding noise above a third of the spectrum."""
    for name in track.sources:
        spectrum = np.fft.rfft(track.stems[name], axis=0)
        spectrum[len(spectrum) // 3 :] = 0
        track.stems[name] = np.fft.irfft(spectrum, len(track.stems[name]), axis=0).astype(np.float32)
    track.stems["mixture"] = sum(track.stems[name] for name in track.sources)
    return track


def _rounded(track):
    track.stems = {name: np.rint(stem * 2**15).astype(np.float32) / 2**15 for name, stem in track.stems.items()}
    return track


def test_a_warning_names_scores_that_depend_on_inaudible_detail(tmp_path, caplog):
    """Those of lossy stems as floats, not in 16 bits."""
    noise = np.random.default_rng(0).standard_normal((2 * RATE, 1)).astype(np.float32)
    model = FakeModel("vocals", separate=lambda mixture: mixture + 0.1 * noise)
    options = {"sources": ("vocals", "drums"), "channels": 1}
    floats = [_low_passed(FakeTrack(name, **options)) for name in ("a", "bb", "ccc")]
    tracks = [_rounded(floats[0]), *floats[1:]]
    scores = evaluate(model, tracks, output=tmp_path / "x", oracles=())
    (message,) = [record.getMessage() for record in caplog.records]
    assert "of 2 of 3 tracks depend on inaudible detail" in message
    summary = json.loads((tmp_path / "x" / "summary.json").read_text())
    assert summary["settings"]["precision"] == "float32"
    assert summary["sensitivity"] == scores.sensitivity == read_results([tmp_path / "x"])[0].sensitivity
    assert scores.sensitivity["a"] < 0.5 < min(scores.sensitivity["bb"], scores.sensitivity["ccc"])
    assert json.loads((tmp_path / "x" / "a.json").read_text())["sensitivity"] == scores.sensitivity["a"]


def test_wrong_tracks_are_refused():
    track = FakeTrack("a")
    for tracks in (np.zeros((2, 100)), ["a"], "songs", 5, (item for item in [track, 1])):
        with pytest.raises(
            ValueError, match=r"^tracks must be a corpus such as MUSDB18\(root\), or a list of Track\. Received: a "
        ):
            evaluate(FakeModel("vocals"), tracks)
    assert len(evaluate(FakeModel("vocals"), (item for item in [track]), sdr_only=True).tracks) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("protocol", ["bsseval_v4", "si_sdr"])
def test_perfect_estimates_raise_no_warning(protocol):
    """The mixture of a song of one stem is perfect too."""
    track = FakeTrack("a", sources=("vocals",))
    track.stems["mixture"] = track.stems["vocals"]
    scores = evaluate(FakeModel("vocals", separate=np.copy), [track], protocol=protocol)
    assert np.isnan(scores.score("vocals"))
    str(scores), summary(scores)


def test_the_representation_of_scores_is_short():
    scores = evaluate(FakeModel("vocals"), [FakeTrack("a")], sdr_only=True)
    assert repr(scores) == "Scores('net', targets=('vocals',), protocol='bsseval_v4', tracks=1)"
