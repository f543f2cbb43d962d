import itertools
import logging
from pathlib import Path

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import ArrayStem, Corpus, FileStem, Track, components
from tfsep.datasets.track import track_list

SOURCES = ("vocals", "drums", "bass")


@pytest.fixture
def stems(noise):
    return {source: noise(1000, seed=seed) for seed, source in enumerate(SOURCES)}


@pytest.fixture
def folder(tmp_path, stems, write_song):
    mixture = sum(stems.values()) + 0.01
    files = {f"{source}.wav": samples for source, samples in stems.items()}
    return write_song(tmp_path / "song", {**files, "mixture.wav": mixture})


@pytest.fixture
def track(folder):
    return Track("song", {source: FileStem(folder / f"{source}.wav") for source in SOURCES})


def test_rate_length_and_channels_are_known_without_decoding(track, monkeypatch):
    monkeypatch.setattr(audio, "read", None)
    assert (track.name, track.sources) == ("song", SOURCES)
    assert (track.sample_rate, track.samples, track.channels) == (8000, 1000, 2)


def test_whole_sources_are_the_files(track, stems):
    for source, samples in stems.items():
        excerpt = track.read(source)
        assert excerpt.dtype == np.float32
        np.testing.assert_array_equal(excerpt, samples)


@pytest.mark.parametrize("source", [*SOURCES, "mixture"])
@pytest.mark.parametrize(("start", "samples"), [(0, 1), (0, 1000), (123, 456), (999, 1), (500, None), (1000, 0)])
def test_excerpt_equals_slice(track, source, start, samples):
    stop = None if samples is None else start + samples
    np.testing.assert_array_equal(track.read(source, start, samples), track.read(source)[start:stop])


def test_excerpt_decodes_no_more_than_asked(track, monkeypatch):
    calls = []
    read = audio.read_streams

    def spy(path, streams, start=0, samples=None):
        calls.append((path.name, start, samples))
        return read(path, streams, start, samples)

    monkeypatch.setattr(audio, "read_streams", spy)
    track.read("drums", 100, 50)
    assert calls == [("drums.wav", 100, 50)]


def test_mixture_without_a_file_is_the_sum(track, stems):
    np.testing.assert_allclose(track.read("mixture"), sum(stems.values()), atol=1e-7)


def test_mixture_with_a_file_is_the_file(folder, track, stems):
    track = Track("song", track.stems, FileStem(folder / "mixture.wav"))
    np.testing.assert_allclose(track.read("mixture", 10, 20), sum(stems.values())[10:30] + 0.01, atol=1e-7)


@pytest.mark.parametrize(("start", "samples"), [(-1, 5), (0, 1001), (990, 11), (1001, None), (0, -1)])
def test_excerpt_beyond_the_ends_is_an_error(track, start, samples):
    with pytest.raises(ValueError, match="song has 1000 samples"):
        track.read("vocals", start, samples)


def test_unknown_source_is_an_error_that_lists_the_known(track):
    with pytest.raises(ValueError, match=r"song has no source 'piano'.*vocals.*drums.*bass"):
        track.read("piano")
    with pytest.raises(ValueError, match=r"'piano'.*vocals, drums, bass"):
        track.read_sources(["vocals", "piano"])


def test_read_sources_keeps_the_order_of_the_names(track, stems):
    read = track.read_sources(("bass", "vocals"), 5, 10)
    assert list(read) == ["bass", "vocals"]
    np.testing.assert_array_equal(read["vocals"], stems["vocals"][5:15])
    np.testing.assert_array_equal(read["bass"], stems["bass"][5:15])


def test_accompaniment_is_the_sum_of_the_other_stems(folder, track, stems):
    # Not the mixture minus the vocals: the file's residual belongs to no stem.
    track = Track("song", track.stems, FileStem(folder / "mixture.wav"))
    read = track.read_sources(("vocals", "accompaniment"))
    np.testing.assert_allclose(read["accompaniment"], stems["drums"] + stems["bass"], atol=1e-7)


@pytest.mark.parametrize(
    ("names", "sources", "expected"),
    [
        (("vocals",), SOURCES, {"vocals": ("vocals",)}),
        (("accompaniment", "vocals"), SOURCES, {"accompaniment": ("drums", "bass"), "vocals": ("vocals",)}),
        (("drums", "accompaniment"), SOURCES, {"drums": ("drums",), "accompaniment": ("vocals", "bass")}),
        (("vocals", "accompaniment"), ("vocals", "accompaniment"), {n: (n,) for n in ("vocals", "accompaniment")}),
        (("vocals", "rest"), SOURCES, {"vocals": ("vocals",), "rest": ("drums", "bass")}),
        (("vocals", "drums", "other"), SOURCES, {"vocals": ("vocals",), "drums": ("drums",), "other": ("bass",)}),
        (("vocals", "other"), ("vocals", "drums", "other"), {"vocals": ("vocals",), "other": ("other",)}),
    ],
)
def test_components(names, sources, expected):
    assert components(names, sources) == expected


@pytest.mark.parametrize("name", ["accompaniment", "other", "rest"])
def test_sum_of_no_sources_is_an_error(name):
    with pytest.raises(ValueError, match=f"Nothing is left for '{name}'. Available: vocals, drums, bass"):
        components((*SOURCES, name), SOURCES)


@pytest.mark.parametrize("name", ["accompaniment", "other", "rest"])
def test_residual_of_the_mixture_file_is_what_is_left(folder, track, name):
    assert components(("vocals", name), ("vocals",), residual=True) == {"vocals": ("vocals",), name: ("residual",)}
    voice = Track("song", {"vocals": track.stems["vocals"]}, FileStem(folder / "mixture.wav"))
    read = voice.read_sources(("vocals", name), 10, 20)
    np.testing.assert_array_equal(read["vocals"], voice.read("vocals", 10, 20))
    np.testing.assert_array_equal(read[name], voice.read("mixture", 10, 20) - voice.read("vocals", 10, 20))


def test_error_for_an_unknown_name_lists_the_names_of_sums():
    with pytest.raises(
        ValueError, match=r"sources, or accompaniment or rest for the sum .*'piano'.*: vocals, other\.$"
    ):
        components(("piano",), ("vocals", "other"))
    with pytest.raises(ValueError, match="accompaniment and rest are the same sum"):
        components(("vocals", "accompaniment", "rest"), SOURCES)


def test_anything_but_tracks_is_refused_at_the_first_element(track):
    assert track_list(item for item in [track, track]) == [track, track]
    endless = itertools.repeat(np.zeros(10))  # as a tf.data.Dataset that repeats
    for tracks, received in (
        (track, r"a Track\. Write \[track\]\."),
        ("songs", r"a str\."),
        (5, r"a int\."),
        (endless, r"a repeat that contains a ndarray\."),
        (["songs/a"], r"a list that contains a str\."),
    ):
        with pytest.raises(ValueError, match=rf"tracks must be .*Received: {received}$"):
            track_list(tracks)


def test_missing_stem_is_silence_and_logged_once(track, caplog):
    with caplog.at_level(logging.WARNING, "tfsep"):
        track = Track("song", {**track.stems, "other": None})
        for _ in range(3):
            silence = track.read("other", 10, 20)
    assert silence.shape == (20, 2)
    assert not silence.any()
    assert [record.getMessage() for record in caplog.records] == ["song has no other: silence is used instead."]


def test_shorter_stem_is_padded_with_silence_and_logged_once(track, folder, noise, caplog):
    short = noise(300, seed=9)
    audio.write(folder / "other.wav", short, 8000)
    track = Track("song", {**track.stems, "other": FileStem(folder / "other.wav")})
    with caplog.at_level(logging.WARNING, "tfsep"):
        assert track.samples == 1000
        np.testing.assert_array_equal(track.read("other"), np.pad(short, ((0, 700), (0, 0))))
    np.testing.assert_array_equal(track.read("other", 290, 20), np.pad(short[290:], ((0, 10), (0, 0))))
    assert not track.read("other", 600, 100).any()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["song: stems of 300 to 1000 samples; the shorter ones are padded with silence."]


def test_mono_stem_of_a_stereo_song_is_duplicated(track, folder, noise, stems):
    mono = noise(1000, channels=1, seed=9)
    audio.write(folder / "other.wav", mono, 8000)
    track = Track("song", {**track.stems, "other": FileStem(folder / "other.wav")})
    assert track.channels == 2
    np.testing.assert_array_equal(track.read("other"), np.repeat(mono, 2, axis=1))
    np.testing.assert_allclose(track.read("mixture"), sum(stems.values()) + mono, atol=1e-7)


def test_stem_of_another_rate_is_an_error_that_names_it(track, folder, noise):
    audio.write(folder / "other.wav", noise(1000), 16000)
    track = Track("song", {**track.stems, "other": FileStem(folder / "other.wav")})
    with pytest.raises(audio.AudioError, match=r"other\.wav has 16000 Hz.*vocals\.wav.*8000 Hz"):
        track.read("vocals")


def test_stem_of_other_channels_is_an_error_that_names_it(track, folder, noise):
    audio.write(folder / "other.wav", noise(1000, channels=3), 8000)
    track = Track("song", {**track.stems, "other": FileStem(folder / "other.wav")})
    with pytest.raises(audio.AudioError, match=r"vocals\.wav has 2 channels, while song has 3"):
        track.read("other")


@pytest.mark.parametrize("content", [b"", b"this is no audio at all, but some text"])
def test_unreadable_stem_is_an_error_that_names_it(track, folder, content):
    (folder / "drums.wav").write_bytes(content)
    with pytest.raises(audio.AudioError, match=r"drums\.wav"):
        track.read("vocals")


def test_lost_stem_is_an_error_that_names_it(track, folder):
    (folder / "drums.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"drums\.wav"):
        track.read("vocals")


def test_track_without_a_stem_is_an_error():
    with pytest.raises(ValueError, match="'song' has no stem"):
        Track("song", {"vocals": None})


def test_corpus_is_a_sequence_of_tracks(track):
    other = Track("other", {"piano": track.stems["vocals"]})
    corpus = Corpus("two songs", [track, other])
    assert len(corpus) == 2
    assert list(corpus) == [track, other]
    assert corpus[1] is other
    assert corpus.sources == (*SOURCES, "piano")


def test_corpus_without_tracks_is_an_error():
    with pytest.raises(ValueError, match="nothing contains no tracks"):
        Corpus("nothing", [])


def test_source_with_the_name_of_the_mixture_is_an_error(track):
    with pytest.raises(ValueError, match="source 'mixture'"):
        Track("song", {"mixture": track.stems["vocals"]})


def test_track_of_arrays(stems):
    track = Track("song", {source: ArrayStem(samples, 8000) for source, samples in stems.items()})
    assert (track.sample_rate, track.samples, track.channels) == (8000, 1000, 2)
    np.testing.assert_allclose(track.read("mixture", 5, 50), sum(stems.values())[5:55], atol=1e-6)


@pytest.mark.parametrize(
    "stem", [np.zeros((9, 2), np.float32), "vocals.wav", Path("vocals.wav"), (np.zeros(9), 8000), 0], ids=repr
)
def test_error_for_anything_but_a_stem_says_what_to_pass(stem, track):
    kind = type(stem).__name__
    for stems, mixture in ({"vocals": stem}, None), (track.stems, stem):
        source = "vocals" if mixture is None else "mixture"
        with pytest.raises(ValueError, match=rf"'song' has a {kind} as '{source}'.*ArrayStem.*FileStem\(path\)"):
            Track("song", stems, mixture)


def test_stems_without_names_are_an_error(track):
    with pytest.raises(ValueError, match="dict from source to stem"):
        Track("song", list(track.stems.values()))
