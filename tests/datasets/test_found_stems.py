"""Stems in the layouts that separators write."""

from pathlib import Path

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import FoundStems, from_spec
from tfsep.datasets.found_stems import find_songs, find_stems, known_names

TRACKS = ("A - Song", "A - Song 2")
LAYOUTS = {
    "demucs": "htdemucs/{track}/{stem}.mp3",
    "spleeter": "{track}/{stem}.wav",
    "open-unmix": "{track}_umxl/{stem}.wav",
    "audio-separator": "{track}_({Stem})_model_bs_roformer_vocals_ep_317_sdr_12.9.flac",
    "uvr": "1_{track}_({Stem}).wav",
    "msst": "{track}_{stem}.wav",
    "by stem": "results/{STEM}/{track}.WAV",
    "museval": "test/{track}/{stem}.wav",
}


def _files(folder, layout, stems=("vocals", "drums")):
    paths = {}
    for track in TRACKS:
        for stem in stems:
            name = layout.format(track=track, stem=stem, Stem=stem.capitalize(), STEM=stem.upper())
            path = paths.setdefault(track, {})[stem] = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return paths


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_estimates_in_the_layouts_of_separators(tmp_path, layout):
    expected = _files(tmp_path, layout)
    found, trackless, sourceless = find_stems(tmp_path, TRACKS, known_names(("vocals", "drums")))
    assert found == expected
    assert (trackless, sourceless) == ([], [])


@pytest.mark.parametrize("layout", [LAYOUTS["spleeter"], LAYOUTS["audio-separator"], LAYOUTS["by stem"]])
def test_names_are_mapped(tmp_path, layout):
    paths = _files(tmp_path, layout, ("vocals", "no_vocals"))
    names = known_names(("vocals",), {"accompaniment": "No Vocals"})
    found = find_stems(tmp_path, TRACKS, names)[0]
    assert found["A - Song"] == {
        "vocals": paths["A - Song"]["vocals"],
        "accompaniment": paths["A - Song"]["no_vocals"],
    }
    found, _, left = find_stems(tmp_path, TRACKS, known_names(("vocals",)))
    assert all(list(files) == ["vocals"] for files in found.values())
    assert left


def test_what_fits_nothing_is_told(tmp_path):
    _files(tmp_path, "{track}/{stem}.wav", ("vocals", "kazoo"))
    for name in ("Elsewhere/vocals.wav", ".hidden/A - Song/vocals.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found, trackless, sourceless = find_stems(tmp_path, TRACKS, known_names(("vocals",)))
    assert (trackless, sourceless) == (["Elsewhere"], ["kazoo"])
    assert [list(stems) for stems in found.values()] == [["vocals"], ["vocals"]]


def test_two_models_in_one_folder_are_ambiguous(tmp_path):
    _files(tmp_path, "htdemucs/{track}/{stem}.wav")
    _files(tmp_path, "mdx/{track}/{stem}.flac")
    with pytest.raises(ValueError, match=r"two files for '\w+' of A - Song.*htdemucs.*mdx.*folder of one model"):
        find_stems(tmp_path, TRACKS, known_names(("vocals", "drums")))
    assert len(find_stems(tmp_path / "mdx", TRACKS, known_names(("vocals", "drums")))[0]) == 2


@pytest.mark.parametrize(
    "layout", ["{track}/{stem}.wav", "{STEM}/{track}.wav", "{track}_({Stem}).wav", "{track} - {Stem}.wav"]
)
def test_references_in_any_layout(tmp_path, noise, layout):
    for stems in _files(tmp_path, layout, ("drums", "vocals", "mixture")).values():
        for number, path in enumerate(stems.values()):
            audio.write(path, noise(500, seed=number), 8000, overwrite=True)
    corpus = from_spec(str(tmp_path), "test")
    assert [track.name for track in corpus] == list(TRACKS)
    assert corpus.sources == ("vocals", "drums")
    np.testing.assert_allclose(corpus[0].read("vocals"), noise(500, seed=1), atol=1e-6)
    np.testing.assert_allclose(corpus[0].read("mixture"), noise(500, seed=2), atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_songs_in_the_layouts_of_separators(tmp_path, layout):
    expected = _files(tmp_path, layout, ("vocals", "drums", "no_vocals", "instrumental"))
    found = find_songs(tmp_path)
    assert list(found) == sorted(found) and len(found) == 2
    for track, paths in expected.items():
        (song,) = [song for song, stems in found.items() if stems == paths]
        assert track in song


@pytest.mark.parametrize("layout", [LAYOUTS["spleeter"], LAYOUTS["audio-separator"], LAYOUTS["msst"]])
def test_a_file_of_the_song_s_name_is_its_mixture(tmp_path, layout):
    expected = _files(tmp_path, layout, ("vocals",))
    for track in TRACKS:
        expected[track]["mixture"] = tmp_path / f"{track}.mp3"
        expected[track]["mixture"].touch()
    assert find_songs(tmp_path) == expected


def test_stems_of_unknown_names_belong_to_the_song_beside(tmp_path, caplog):
    expected = _files(tmp_path, LAYOUTS["audio-separator"], ("vocals", "Lead guitar"))
    (tmp_path / "kazoo").mkdir()
    (tmp_path / "kazoo" / "A - Song.wav").touch()
    assert list(find_songs(tmp_path)["A - Song"].values()) == list(expected["A - Song"].values())
    assert "no names of sources, left out: A - Song.wav." in caplog.text


def test_words_before_a_source_are_a_song_s_name_unless_the_source_lies_beside(tmp_path):
    stems = ("vocals", "drums", "backing_vocals", "Lead guitar")
    expected = _files(tmp_path, "{track}/{stem}.wav", stems)
    assert find_songs(tmp_path) == expected
    for paths in expected.values():
        paths["vocals"].unlink()
        paths["drums"].unlink()
    assert {tuple(paths) for paths in find_songs(tmp_path / TRACKS[0]).values()} == {("vocals",), ("guitar",)}


def test_a_folder_is_a_song_on_request_where_no_name_is_known(tmp_path):
    expected = _files(tmp_path, "{track}/{stem}.wav", ("flute", "kazoo"))
    assert find_songs(tmp_path, by_folder=True) == expected
    with pytest.raises(ValueError, match="contains no stems"):
        find_songs(tmp_path)
    (tmp_path / "vocals.wav").touch()
    assert list(find_songs(tmp_path, by_folder=True)) == [tmp_path.name]


def test_files_beside_stems_are_stems_and_a_split_is_its_folder(tmp_path):
    _files(tmp_path / "test", "{track}/{stem}.wav", ("vocals", "kazoo"))
    _files(tmp_path / "train", "other {track}/{stem}.wav")
    assert FoundStems(tmp_path, "test").sources == ("vocals", "kazoo")
    assert len(FoundStems(tmp_path)) == 4


def test_a_folder_without_names_of_sources_is_refused_unless_they_are_mapped(tmp_path):
    _files(tmp_path, "{track}_({Stem}).wav", ("voice",))
    with pytest.raises(ValueError, match=r"contains no stems\. Received: A - Song 2_\(Voice\)\.wav"):
        FoundStems(tmp_path)
    assert FoundStems(tmp_path, names={"vocals": "Voice"}).sources == ("vocals",)
