"""Other people's folders of estimates."""

import numpy as np
import pytest
import soundfile
from evaluation_material import RATE, STEMS, FakeTrack, noisy_stem, save_estimates

from tfsep import audio
from tfsep.evaluation import Estimates, bss_eval, evaluate

TRACKS = (FakeTrack("a"), FakeTrack("bb"))


@pytest.fixture
def folder(tmp_path):
    return save_estimates(tmp_path / "net", TRACKS, ("drums", "vocals"))


def test_they_are_scored_as_a_models_would_be(folder):
    scores = evaluate(None, TRACKS, estimates=folder)
    assert (scores.model, scores.targets, scores.tracks) == ("net", ("vocals", "drums"), ("a", "bb"))
    assert evaluate("u-net", TRACKS, estimates=folder, sdr_only=True).model == "u-net"
    track = TRACKS[0]
    fill = np.float32(0.25) * track.stems["mixture"]
    expected = bss_eval(
        np.stack([track.stems[name] for name in STEMS]),
        np.stack([noisy_stem(track, "vocals"), noisy_stem(track, "drums"), fill, fill]),
        RATE,
    )
    for measure, values in expected.items():
        np.testing.assert_allclose(scores.rows["model"]["a"]["vocals"][measure], values[0], atol=1e-4)
        np.testing.assert_allclose(scores.rows["model"]["a"]["drums"][measure], values[1], atol=1e-4)


def test_folders_as_museval_has_them(tmp_path, folder):
    folder.rename(tmp_path / "test")
    estimates = Estimates(tmp_path, TRACKS)
    assert estimates.sources == ("vocals", "drums")
    np.testing.assert_array_equal(estimates.read(TRACKS[1])["drums"], noisy_stem(TRACKS[1], "drums"))


def test_accompaniment_beside_one_source(tmp_path):
    folder = save_estimates(tmp_path / "net", TRACKS, ("vocals", "accompaniment"))
    assert evaluate(None, TRACKS, estimates=folder, sdr_only=True).targets == ("vocals", "accompaniment")


def test_accompaniment_beside_several_sources_is_left_out(tmp_path, caplog):
    folder = save_estimates(tmp_path / "net", TRACKS, STEMS)
    for track in TRACKS:
        audio.write(folder / track.name / "accompaniment.wav", noisy_stem(track, "bass"), RATE)
    assert Estimates(folder, TRACKS).sources == STEMS
    assert "left out: accompaniment" in caplog.text


def test_what_has_no_name_of_the_data_is_left_out_and_said(folder, caplog):
    audio.write(folder / "a" / "vokals.wav", noisy_stem(TRACKS[0], "vocals"), RATE)
    audio.write(folder / "a" / "mixture.wav", TRACKS[0].stems["mixture"], RATE)
    (folder / "b").mkdir()
    (folder / "a" / "notes.txt").write_text("loud")
    assert Estimates(folder, TRACKS).sources == ("vocals", "drums")
    assert "left out: b." in caplog.text
    assert "left out: vokals." in caplog.text


def test_a_folder_that_is_no_folder_of_estimates(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        evaluate(None, TRACKS, estimates=tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no folder named after one of 2 tracks.*a/vocals\.wav"):
        evaluate(None, TRACKS, estimates=tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=r"no estimate of a source of the data\. Received: no audio.*vocals, drums"):
        evaluate(None, TRACKS, estimates=tmp_path)
    audio.write(tmp_path / "a" / "vokals.wav", noisy_stem(TRACKS[0], "vocals"), RATE)
    with pytest.raises(ValueError, match="Received: vokals"):
        evaluate(None, TRACKS, estimates=tmp_path)


def shorten(path, stem):
    audio.write(path, stem[:-2305], RATE, overwrite=True)
    return f"has {2 * RATE - 2305} samples, the track {2 * RATE}"


def change_rate(path, stem):
    audio.write(path, stem, 2 * RATE, overwrite=True)
    return f"has {2 * RATE} Hz, the track {RATE}"


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
def test_a_track_with_bad_estimates_is_left_out_and_named(folder, harm):
    message = harm(folder / "bb" / "drums.wav", noisy_stem(TRACKS[1], "drums"))
    scores = evaluate(None, TRACKS, estimates=folder, sdr_only=True)
    assert scores.tracks == ("a",)
    assert message in scores.failures["bb"]


@pytest.mark.parametrize("difference", [-2304, -1, 1, 2304])
def test_an_estimate_of_nearly_the_track_s_length_is_fitted_and_the_first_one_named(tmp_path, caplog, difference):
    for track in TRACKS:
        (tmp_path / track.name).mkdir()
        for source in STEMS:
            estimate = noisy_stem(track, source)
            estimate = np.pad(estimate, ((0, 2304), (0, 0)), constant_values=0.1)[: 2 * RATE + difference]
            audio.write(tmp_path / track.name / f"{source}.wav", estimate, RATE)
    estimates = Estimates(tmp_path, TRACKS)
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
