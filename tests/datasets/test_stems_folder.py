import logging

import numpy as np
import pytest
from corpus_case import FolderCase

from tfsep import audio, datasets
from tfsep.datasets import StemsFolder

SPLITS = {"train": ("song a", "song b"), "valid": ("song c",), "test": ("song d",)}


class TestStemsFolder(FolderCase):
    sources = ("vocals", "drums", "piano")
    splits = SPLITS
    sample_rate = 8000
    spec = "stems:{}"
    empty = "No stems in the folders of"

    def build(self, root):
        songs = {}
        for split, names in SPLITS.items():
            for name in names:
                seed = 10 * len(songs)
                stems = {source: self.noise(100 + seed, seed=seed + k) for k, source in enumerate(self.sources)}
                songs[name] = {**stems, "mixture": sum(stems.values())}
                for source, samples in stems.items():
                    suffix = "flac" if source == "piano" else "wav"
                    self.write(root / split / name / f"{source}.{suffix}", samples)
        return songs

    def open(self, root, split):
        return StemsFolder(root, split=split)


@pytest.fixture
def songs(tmp_path, noise, write_song):
    """A function that fills a folder with songs of vocals and drums."""

    def make(count, folder=tmp_path):
        for number in range(count):
            stems = {"vocals.wav": noise(50, seed=number), "drums.wav": noise(50, seed=100 + number)}
            write_song(folder / f"song{number:02d}", stems)
        return folder

    return make


def names(corpus):
    return [track.name for track in corpus]


def test_any_format_and_any_source(tmp_path, noise, write_song):
    stems = {name: noise(4000, seed=k) for k, name in enumerate(["piano.wav", "bass.flac", "vocals.ogg", "Kit.MP3"])}
    write_song(tmp_path / "song", stems)
    (tmp_path / "song" / "licence.txt").write_text("no audio")
    corpus = StemsFolder(tmp_path, split=None)
    track = corpus[0]
    assert names(corpus) == ["song"]
    # Common names come first, the others in alphabetical order.
    assert corpus.sources == track.sources == ("vocals", "bass", "Kit", "piano")
    np.testing.assert_array_equal(track.read("piano", 100, 200), stems["piano.wav"][100:300])
    # 24 bits
    np.testing.assert_allclose(track.read("bass", 100, 200), stems["bass.flac"][100:300], atol=2**-23)
    for source in ("vocals", "Kit"):
        np.testing.assert_allclose(track.read(source, 1000, 200), track.read(source)[1000:1200], atol=1e-6)


@pytest.mark.parametrize("mixture", ["mixture.wav", "mix.flac"])
def test_mixture_file_is_the_mixture_and_no_source(tmp_path, noise, write_song, mixture):
    write_song(tmp_path / "song", {"vocals.wav": noise(50), mixture: np.full((50, 2), 0.5, np.float32)})
    track = StemsFolder(tmp_path, split=None)[0]
    assert track.sources == ("vocals",)
    np.testing.assert_allclose(track.read("mixture"), 0.5)


def test_mixture_without_a_file_is_the_sum(songs):
    track = StemsFolder(songs(1), split=None)[0]
    np.testing.assert_allclose(track.read("mixture"), track.read("vocals") + track.read("drums"), atol=1e-7)


def test_source_that_only_other_songs_have_is_silence_and_logged_once(tmp_path, songs, noise, write_song, caplog):
    write_song(songs(1) / "duo", {"vocals.wav": noise(80), "bass.wav": noise(80)})
    with caplog.at_level(logging.WARNING, "tfsep"):
        duo, song = StemsFolder(tmp_path, split=None)
        assert duo.sources == song.sources == ("vocals", "drums", "bass")
        assert duo.read("drums").shape == (80, 2)
        assert not duo.read("drums").any()
        assert duo.read("bass").any()
        assert not song.read("bass").any()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["duo has no drums: silence is used instead.", "song00 has no bass: silence is used instead."]


def test_unequal_lengths_are_padded_with_silence(tmp_path, noise, write_song):
    write_song(tmp_path / "song", {"vocals.wav": noise(30), "drums.wav": noise(50)})
    track = StemsFolder(tmp_path, split=None)[0]
    assert track.samples == 50
    assert not track.read("vocals")[30:].any()
    assert track.read("drums")[30:].all()


def test_split_folders(tmp_path, songs):
    songs(2, tmp_path / "train")
    songs(1, tmp_path / "test")
    assert names(StemsFolder(tmp_path, split="train")) == ["song00", "song01"]
    assert names(StemsFolder(tmp_path, split="test")) == ["song00"]
    with pytest.raises(ValueError, match=r"has no folder 'valid'\. .*other validation data \(`--valid`"):
        StemsFolder(tmp_path, split="valid")


def test_without_split_the_songs_of_all_split_folders_are_taken(tmp_path, songs):
    songs(2, tmp_path / "train")
    (tmp_path / "train" / "song01").rename(tmp_path / "train" / "another")
    songs(1, tmp_path / "test")
    with pytest.raises(ValueError, match="has 'song00' in two splits"):
        StemsFolder(tmp_path, split=None)
    (tmp_path / "test" / "song00").rename(tmp_path / "test" / "last")
    assert names(StemsFolder(tmp_path, split=None)) == ["another", "last", "song00"]


def test_training_songs_are_the_default_as_in_other_corpora(songs):
    root = songs(3)
    assert names(StemsFolder(root)) == names(StemsFolder(root, split="train")) == ["song00", "song01"]


@pytest.mark.parametrize("count", [2, 6, 7, 15])
def test_splits_without_folders_are_disjoint_and_complete(songs, count):
    root = songs(count)
    train, valid = (names(StemsFolder(root, split=split)) for split in ("train", "valid"))
    assert valid == [f"song{number:02d}" for number in (range(6, count, 7) if count >= 7 else [count - 1])]
    assert sorted(train + valid) == names(StemsFolder(root, split=None))
    assert len(train) + len(valid) == count


def test_folders_without_stems_are_skipped_and_do_not_change_the_split(songs, caplog):
    root = songs(3)
    (root / "zz notes").mkdir()
    (root / "zz notes" / "readme.txt").write_text("no audio")
    with caplog.at_level(logging.WARNING, "tfsep"):
        assert names(StemsFolder(root, split="valid")) == ["song02"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{root / 'zz notes'} contains no stems and is skipped."
    ]


def test_one_song_cannot_be_divided(songs):
    root = songs(1)
    assert names(StemsFolder(root, split="valid")) == ["song00"]
    with pytest.raises(ValueError, match="contains one song"):
        StemsFolder(root, split="train")


def test_test_split_needs_its_folder(songs):
    with pytest.raises(ValueError, match=r"has no folder 'test'.*split=None \(`--split all`\)"):
        StemsFolder(songs(3), split="test")


def test_two_files_of_one_stem_are_an_error(tmp_path, noise, write_song):
    write_song(tmp_path / "song", {"vocals.wav": noise(50), "vocals.flac": noise(50)})
    with pytest.raises(ValueError, match=r"two files for 'vocals' of .*song"):
        StemsFolder(tmp_path, split=None)


@pytest.mark.parametrize("split", [None, "train", "valid"])
def test_no_stems_is_an_error_that_says_what_was_expected(tmp_path, noise, split):
    audio.write(tmp_path / "vocals.wav", noise(50), 8000)
    with pytest.raises(ValueError, match=rf"No stems in the folders of .*{tmp_path.name}.*song1/vocals\.wav"):
        StemsFolder(tmp_path, split=split)


def test_mixture_alone_is_no_stem(tmp_path, noise, write_song):
    write_song(tmp_path / "song", {"mixture.wav": noise(50)})
    with pytest.raises(ValueError, match="No stems"):
        StemsFolder(tmp_path, split=None)


def test_missing_root_and_unknown_split_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        StemsFolder(tmp_path / "nowhere", split=None)
    with pytest.raises(ValueError, match="split='dev'"):
        StemsFolder(tmp_path, split="dev")


def test_specs_open_corpora(songs):
    root = songs(7)
    assert names(datasets.from_spec(f"stems:{root}", "valid")) == ["song06"]
    assert len(datasets.from_spec(f"stems:{root}")) == 6
    assert len(datasets.from_spec("embedded", "test")) == 1
    with pytest.raises(ValueError, match="No MUSDB18 track"):
        datasets.from_spec(f"musdb18:{root}")


def test_spec_of_a_store_opens_a_store(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no store\.json"):
        datasets.from_spec(f"store:{tmp_path}")


def test_split_all_is_refused_for_corpora_with_a_published_division(songs):
    root = songs(7)
    assert len(datasets.from_spec(f"stems:{root}", "all")) == 7
    for kind in ("musdb18", "dsd100", "mir1k"):
        with pytest.raises(ValueError, match=f"{kind}:.* is divided by its authors"):
            datasets.from_spec(f"{kind}:{root}", "all")


@pytest.mark.parametrize("spec", ["", "stems", "stems:", "corpus:/data", "/data/musdb18", "embedded:x", "mixing:/a"])
def test_unknown_spec_is_an_error_that_lists_the_known(spec):
    known = "musdb18:PATH.*mir1k:PATH.*mixing:TARGETS,OTHERS, embedded, or a folder"
    with pytest.raises(ValueError, match=f"Unknown data.*{known}"):
        datasets.from_spec(spec)


def test_hidden_files_are_no_stems(tmp_path, noise, write_song):
    song = write_song(tmp_path / "song", {"vocals.wav": noise(50)})
    (song / "._vocals.wav").write_bytes(b"what macOS leaves beside a file")
    assert StemsFolder(tmp_path, split=None).sources == ("vocals",)
