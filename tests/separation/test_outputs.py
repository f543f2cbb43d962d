"""Stems made of a model's estimates."""

import re

import numpy as np
import pytest

from tfsep.separation import Outputs, Separation, separate, separate_file

SOURCES = ("vocals", "drums", "bass")


@pytest.fixture
def song():
    """(estimates, mixture): the estimates do not add up to the mixture."""
    generator = np.random.default_rng(0)
    estimates = generator.normal(size=(20, 3, 2)).astype("float32")
    return estimates, estimates.sum(axis=1) + generator.normal(size=(20, 2)).astype("float32")


def test_all_sources_by_default(song):
    estimates, _ = song
    outputs = Outputs(SOURCES)
    assert outputs.names == SOURCES
    assert not outputs.needs_mixture
    np.testing.assert_array_equal(outputs(estimates), estimates)


def test_chosen_stems_in_their_order(song):
    estimates, _ = song
    outputs = Outputs(SOURCES, ["bass", "vocals"])
    assert outputs.names == ("bass", "vocals")
    np.testing.assert_array_equal(outputs(estimates), estimates[:, [2, 0]])


def test_groups_replace_their_members(song):
    estimates, _ = song
    outputs = Outputs(SOURCES, groups={"rhythm": ["drums", "bass"]})
    assert outputs.names == ("vocals", "rhythm")
    np.testing.assert_allclose(outputs(estimates)[:, 1], estimates[:, 1] + estimates[:, 2], atol=1e-6)
    assert Outputs(SOURCES, ["rhythm", "bass"], {"rhythm": ["drums", "bass"]}).names == ("rhythm", "bass")


def test_residual_completes_the_stems_to_the_mixture(song):
    estimates, mixture = song
    for stems in (None, ["vocals"]):
        outputs = Outputs(SOURCES, stems, residual="rest")
        assert outputs.needs_mixture
        np.testing.assert_allclose(outputs(estimates, mixture).sum(axis=1), mixture, atol=1e-5)


def test_consistent_estimates_share_the_difference_equally(song):
    estimates, mixture = song
    stems = Outputs(("a", "b", "c"), consistent=True)(estimates, mixture)
    np.testing.assert_allclose(stems.sum(axis=1), mixture, atol=1e-5)
    difference = stems - estimates
    np.testing.assert_allclose(difference, np.repeat(difference[:, :1], 3, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stems": ["piano"]}, r"No stem 'piano'. Choose of vocals, drums, bass"),
        ({"stems": "vocals"}, "stems must be a list"),
        ({"stems": []}, "stems must be a list"),
        ({"stems": ["vocals", "vocals"]}, "stems must be a list of different names"),
        ({"groups": {"drums": ["bass"]}}, "a stem 'drums' already"),
        ({"groups": {"../x": ["bass"]}}, "name that a file can have"),
        ({"groups": {"band": ["bass", "piano"]}}, "No stem 'piano'"),
        ({"groups": {"band": "bass"}}, "Group 'band' must list"),
        ({"residual": "bass"}, "a stem 'bass' already"),
        ({"residual": "a/b"}, "name that a file can have"),
        ({"consistent": True}, "vocals, drums, bass alone; consistent would share all else"),
    ],
)
def test_names_that_do_not_fit_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        Outputs(SOURCES, **options)


def test_consistent_stems_leave_no_residual():
    with pytest.raises(ValueError, match="leave no residual 'rest'"):
        Outputs(("vocals", "other"), residual="rest", consistent=True)


def test_sums_tell_their_terms():
    outputs = Outputs(SOURCES, ["vocals", "band"], groups={"band": ["drums", "bass"]}, residual="rest")
    assert outputs.formulas == {"band": "drums+bass", "rest": "mixture-vocals-band"}


def test_songs_and_files_have_the_chosen_stems(identity, noise, tmp_path):
    from tfsep import audio

    song = noise(1000)
    stems = separate(song, identity(), 8000, stems=["plain"], residual="minus")
    np.testing.assert_allclose(stems["minus"], 0, atol=1e-6)
    audio.write(tmp_path / "song.wav", song, 8000)
    paths = separate_file(tmp_path / "song.wav", tmp_path / "stems", identity(), groups={"both": ["plain", "minus"]})
    assert list(paths) == ["both"]


def test_an_excerpt_is_separated(identity, noise, tmp_path):
    from tfsep import audio

    song = noise(8000)
    audio.write(tmp_path / "song.wav", song, 8000)
    paths = separate_file(tmp_path / "song.wav", tmp_path / "stems", identity(), start=0.25, duration=0.5)
    np.testing.assert_allclose(audio.read(paths["plain"])[0], song[2000:6000], atol=1e-6)
    with pytest.raises(ValueError, match=r"start must be before its end, at 1\.00 s"):
        separate_file(tmp_path / "song.wav", tmp_path / "late", identity(), start=1)


def test_a_separation_serves_many_songs_and_loads_at_the_first(small_preset, noise):
    separation = Separation(small_preset, stems=["vocals"], residual="rest")
    assert separation.names == ("vocals", "rest")
    assert "model" not in vars(separation)
    first, second = (separation.separate(noise(900, seed=seed), 8000) for seed in (0, 1))
    assert not np.allclose(first["vocals"], second["vocals"])
    again = separation.separate(noise(900), 8000)
    np.testing.assert_array_equal(again["vocals"], first["vocals"])


def test_a_stem_file_holds_the_song_and_its_stems(identity, tmp_path):
    from tfsep import audio

    song = 0.5 * np.sin(2 * np.pi * 440 / 44100 * np.arange(44100, dtype="float32"))[:, np.newaxis].repeat(2, axis=1)
    audio.write(tmp_path / "song.wav", song, 44100, tags=audio.Tags(title="Song", artist="Nobody"))
    model = identity(segment=9000, sample_rate=44100)
    paths = separate_file(tmp_path / "song.wav", tmp_path / "out", model, suffix=".stem.mp4")
    assert set(paths.values()) == {tmp_path / "out" / "song.stem.mp4"}
    assert audio.info(paths["plain"]).streams == 5
    for stream, sign in enumerate((1, 1, -1)):
        np.testing.assert_allclose(audio.read(paths["plain"], stream=stream)[0], sign * song, atol=0.05)
    assert audio.read_tags(paths["plain"]).artist == "Nobody"
    for options in ({"plot": True}, {"name": "{stem}"}):
        with pytest.raises(ValueError, match=r"STEM file"):
            separate_file(tmp_path / "song.wav", tmp_path / "other", model, suffix=".stem.mp4", **options)


def test_tags_go_with_the_stems_and_bitrates_are_given(identity, noise, tmp_path):
    from tfsep import audio

    audio.write(tmp_path / "song.flac", noise(8000), 8000, tags=audio.Tags(title="Song", album="Songs", comment="new"))
    paths = separate_file(tmp_path / "song.flac", tmp_path / "out", identity(), suffix=".flac")
    tags = audio.read_tags(paths["plain"])
    assert (tags.title, tags.album) == ("Song", "Songs")
    assert re.fullmatch("Stem 'plain' from song [0-9a-f]{8}, separated by tfsep", tags.comment)
    with pytest.raises(ValueError, match="takes no bitrate"):
        separate_file(tmp_path / "song.flac", tmp_path / "out2", identity(), bitrate=128000)


@pytest.mark.parametrize("most", [1, 700, 10_000])
def test_what_waits_for_a_slow_model_lies_on_disk(noise, monkeypatch, most):
    from tfsep.separation import song
    from tfsep.separation.song import Delay

    monkeypatch.setattr(song, "_MOST_KEPT", most)
    audio, generator = noise(5000), np.random.default_rng(0)
    delay = Delay(np.split(audio, np.sort(generator.integers(1, 5000, 20))))
    taken, read = [], 0
    for block in delay:
        read += len(block)
        count = int(generator.integers(0, read - sum(map(len, taken)) + 1))
        taken.append(delay.take(count))
    taken.append(delay.take(5000 - sum(map(len, taken))))
    np.testing.assert_array_equal(np.concatenate(taken), audio)
