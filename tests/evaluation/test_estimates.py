"""Estimates of folders, functions and any other provider."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from evaluation_material import RATE, STEMS, FakeTrack, noisy_stem, save_estimates

from tfsep import audio
from tfsep.evaluation import FolderEstimates, bss_eval, evaluate

TRACKS = (FakeTrack("a"), FakeTrack("bb"))


@pytest.fixture
def folder(tmp_path):
    return save_estimates(tmp_path / "net", TRACKS, ("drums", "vocals"))


def test_folders_are_scored_like_models(tmp_path):
    track = FakeTrack("a", channels=1)
    folder = save_estimates(tmp_path / "net", [track], ("drums", "vocals"))
    scores = evaluate(FolderEstimates(folder, [track]), [track])
    assert (scores.model, scores.targets, scores.tracks) == ("net", ("vocals", "drums"), ("a",))
    fill = np.float32(0.25) * track.stems["mixture"]
    expected = bss_eval(
        np.stack([track.stems[name] for name in STEMS]),
        np.stack([noisy_stem(track, "vocals"), noisy_stem(track, "drums"), fill, fill]),
        RATE,
    )
    for measure, values in expected.items():
        np.testing.assert_allclose(scores.rows["model"]["a"]["vocals"][measure], values[0], atol=1e-4)
        np.testing.assert_allclose(scores.rows["model"]["a"]["drums"][measure], values[1], atol=1e-4)


def test_the_provider_and_the_older_argument_score_alike(folder):
    scores = evaluate(FolderEstimates(folder, TRACKS), TRACKS, sdr_only=True, name="u-net")
    older = evaluate("u-net", TRACKS, estimates=folder, sdr_only=True)
    assert (scores.model, older.model) == ("u-net", "u-net")
    np.testing.assert_equal(scores.rows, older.rows)


def test_sources_without_estimates_are_named(folder, caplog):
    assert FolderEstimates(folder, TRACKS).sources == ("vocals", "drums")
    missing = [name for name in TRACKS[0].sources if name not in ("vocals", "drums")]
    assert f"no estimates of {', '.join(missing)}, not scored." in caplog.text


def test_folders_in_the_layout_of_museval(tmp_path, folder):
    folder.rename(tmp_path / "test")
    estimates = FolderEstimates(tmp_path, TRACKS)
    assert estimates.sources == ("vocals", "drums")
    np.testing.assert_array_equal(estimates.read(TRACKS[1])["drums"], noisy_stem(TRACKS[1], "drums"))


def test_accompaniment_beside_one_source(tmp_path):
    folder = save_estimates(tmp_path / "net", TRACKS, ("vocals", "accompaniment"))
    assert evaluate(None, TRACKS, estimates=folder, sdr_only=True).targets == ("vocals", "accompaniment")


def test_accompaniment_beside_several_sources_is_skipped(tmp_path, caplog):
    folder = save_estimates(tmp_path / "net", TRACKS, STEMS)
    for track in TRACKS:
        audio.write(folder / track.name / "accompaniment.wav", noisy_stem(track, "bass"), RATE)
    assert FolderEstimates(folder, TRACKS).sources == STEMS
    assert "left out: accompaniment" in caplog.text


def test_unknown_names_are_skipped_with_a_warning(folder, caplog):
    audio.write(folder / "a" / "vokals.wav", noisy_stem(TRACKS[0], "vocals"), RATE)
    audio.write(folder / "a" / "mixture.wav", TRACKS[0].stems["mixture"], RATE)
    (folder / "b").mkdir()
    audio.write(folder / "b" / "vocals.wav", noisy_stem(TRACKS[0], "vocals"), RATE)
    (folder / "a" / "notes.txt").write_text("loud")
    assert FolderEstimates(folder, TRACKS).sources == ("vocals", "drums")
    assert "left out: b." in caplog.text
    assert "left out: vokals." in caplog.text


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        evaluate(None, TRACKS, estimates=tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no estimate of one of 2 tracks\. Received: no audio.*a/vocals\.wav"):
        evaluate(None, TRACKS, estimates=tmp_path)
    (tmp_path / "a").mkdir()
    audio.write(tmp_path / "a" / "vokals.wav", noisy_stem(TRACKS[0], "vocals"), RATE)
    with pytest.raises(ValueError, match=r"no estimate of a source of the data\. Received: vokals.*vocals, drums"):
        evaluate(None, TRACKS, estimates=tmp_path)


def shorten(path, stem):
    audio.write(path, stem[:-2305], RATE, overwrite=True)
    return f"has {2 * RATE - 2305} samples, while the track has {2 * RATE}"


def change_rate(path, stem):
    audio.write(path, stem, 2 * RATE, overwrite=True)
    return f"has {2 * RATE} Hz, while the track has {RATE}"


def make_mono(path, stem):
    audio.write(path, stem[:, :1], RATE, overwrite=True)
    return "has 1 channels, the track 2"


def spoil(path, stem):
    stem = stem.copy()
    stem[7] = np.nan
    soundfile.write(path, stem, RATE, subtype="FLOAT")
    return "sample 7 is NaN"


def remove(path, stem):
    path.unlink()
    return "bb has no estimate of drums"


def damage(path, stem):
    path.write_bytes(b"RIFF and nothing more")
    return "drums.wav"


def remove_track(path, stem):
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    return "bb is missing"


def write_twice(path, stem):
    audio.write(path.with_suffix(".flac"), stem, RATE)
    return "two files for 'drums'"


@pytest.mark.parametrize("harm", [shorten, change_rate, make_mono, spoil, remove, damage, remove_track])
def test_a_track_with_bad_estimates_is_a_failure_of_that_track_alone(folder, harm):
    message = harm(folder / "bb" / "drums.wav", noisy_stem(TRACKS[1], "drums"))
    scores = evaluate(None, TRACKS, estimates=folder, sdr_only=True)
    assert scores.tracks == ("a",)
    assert message in scores.failures["bb"]


@pytest.mark.parametrize("difference", [-2304, -1, 1, 2304])
def test_estimates_of_nearly_the_right_length_are_fitted_with_one_warning(tmp_path, caplog, difference):
    for track in TRACKS:
        (tmp_path / track.name).mkdir()
        for source in STEMS:
            estimate = noisy_stem(track, source)
            estimate = np.pad(estimate, ((0, 2304), (0, 0)), constant_values=0.1)[: 2 * RATE + difference]
            audio.write(tmp_path / track.name / f"{source}.wav", estimate, RATE)
    estimates = FolderEstimates(tmp_path, TRACKS)
    for track in TRACKS:
        for source, estimate in estimates.read(track).items():
            expected = noisy_stem(track, source)
            expected[2 * RATE + min(difference, 0) :] = 0
            np.testing.assert_array_equal(estimate, expected)
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"vocals.wav is {abs(difference)} samples {'longer' if difference > 0 else 'shorter'} than" in message


def test_two_files_for_one_source(folder):
    message = write_twice(folder / "bb" / "drums.wav", noisy_stem(TRACKS[1], "drums"))
    with pytest.raises(ValueError, match=message):
        evaluate(None, TRACKS, estimates=folder)


def halve(mixture):
    return {"vocals": np.float32(0.5) * mixture}


class TestFunction:
    def test_is_scored_as_a_folder_of_its_estimates(self, tmp_path):
        for track in TRACKS:
            (tmp_path / "halve" / track.name).mkdir(parents=True)
            audio.write(tmp_path / "halve" / track.name / "vocals.wav", halve(track.stems["mixture"])["vocals"], RATE)
        scores = evaluate(halve, TRACKS, sdr_only=True)
        folder = evaluate(FolderEstimates(tmp_path / "halve", TRACKS), TRACKS, sdr_only=True)
        assert (scores.model, scores.targets) == ("halve", ("vocals",))
        np.testing.assert_equal(scores.rows, folder.rows)

    def test_receives_the_sample_rate_if_it_requires_two_arguments(self):
        rates = []

        def one(mixture, gain=0.5):
            return {"vocals": gain * mixture}

        def two(mixture, sample_rate, gain=0.5):
            rates.append(sample_rate)
            return one(mixture, gain)

        values = [evaluate(function, TRACKS, sdr_only=True).score("vocals") for function in (one, two)]
        assert values[0] == values[1]
        assert set(rates) == {RATE}

    def test_runs_in_processes(self):
        one, two = (evaluate(halve, TRACKS, sdr_only=True, jobs=jobs) for jobs in (1, 2))
        np.testing.assert_allclose(one.track_medians("vocals"), two.track_medians("vocals"), atol=1e-4)

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda mixture: mixture, "must return a dict from source to array. Received: "),
            (lambda mixture: {"vocals": mixture[:-1]}, "'vocals' of a must be floats of shape (8000, 2)"),
            (lambda mixture: {"vocals": mixture.astype(np.int16)}, "Received: int16 of shape (8000, 2)"),
            (lambda mixture: {"voice": mixture}, "No source 'voice'"),
        ],
    )
    def test_wrong_results_are_refused(self, function, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            evaluate(function, TRACKS, sdr_only=True)

    def test_an_unreadable_track_is_a_failure_of_that_track_alone(self):
        bad = FakeTrack("ccc", error=OSError("cut off"))
        scores = evaluate(halve, [bad, *TRACKS], sdr_only=True)
        assert (scores.tracks, scores.failures) == (("a", "bb"), {"ccc": "cut off"})
        with pytest.raises(ValueError, match="None of 1 tracks can be read"):
            evaluate(halve, [bad])


def test_a_provider_that_lacks_a_source_is_refused():
    provider = SimpleNamespace(name="p", sources=("vocals", "drums"), read=lambda track: halve(track.read("mixture")))
    with pytest.raises(ValueError, match=r"a has no estimate of 'drums'\. Received: vocals\."):
        evaluate(provider, TRACKS, sdr_only=True)
