import logging

import pytest
from corpus_case import FolderCase

from tfsep.datasets import DSD100

SOURCES = ("vocals", "drums", "bass", "other")
DEV = tuple(f"{51 + number:03d} - Band - Dev {number}" for number in range(8))
TEST = ("001 - Band - Test 1", "002 - Band - Test 2")
# Every seventh song of Dev is held out.
SPLITS = {"train": (*DEV[:6], DEV[7]), "valid": (DEV[6],), "test": TEST}


class TestDSD100(FolderCase):
    sources = SOURCES
    splits = SPLITS
    spec = "dsd100:{}"
    empty = "No DSD100 track of split 'train'"

    def build(self, root):
        songs = {}
        for number, name in enumerate((*DEV, *TEST)):
            part = "Test" if name in TEST else "Dev"
            stems = {source: self.noise(100 + number, seed=10 * number + k) for k, source in enumerate(SOURCES)}
            songs[name] = {**stems, "mixture": sum(stems.values()) + 0.01}
            for source, samples in songs[name].items():
                folder = root / ("Mixtures" if source == "mixture" else "Sources") / part / name
                self.write(folder / f"{source}.wav", samples)
        return songs

    def open(self, root, split):
        return DSD100(root, split=split)


class TestDSD100Summed(TestDSD100):
    """The mixture as the sum of the stems, which needs no files of mixtures."""

    def build(self, root):
        songs = super().build(root)
        for path in root.glob("Mixtures/*/*/*.wav"):
            path.unlink()
        return {name: {**song, "mixture": sum(song[source] for source in SOURCES)} for name, song in songs.items()}

    def open(self, root, split):
        return DSD100(root, split=split, mixture="sum")

    def test_notation_of_the_command_line_opens_the_same(self, tree):
        with pytest.raises(FileNotFoundError, match=r"Mixtures/Dev/.*/mixture\.wav"):
            super().test_notation_of_the_command_line_opens_the_same(tree)


@pytest.fixture
def root(tmp_path):
    TestDSD100().build(tmp_path)
    return tmp_path


@pytest.mark.parametrize("source", [*SOURCES, "mixture"])
def test_song_with_a_lost_file_is_an_error_that_names_it(root, source):
    path = next(root.glob(f"*/Dev/{DEV[0]}/{source}.wav"))
    path.unlink()
    corpus = DSD100(root)
    # The song is not dropped silently, and the other songs keep their splits.
    assert [track.name for track in corpus] == list(SPLITS["train"])
    with pytest.raises(FileNotFoundError, match=rf"{DEV[0]}/{source}\.wav"):
        corpus[0].read("bass")


def test_folder_without_stems_is_skipped_and_logged(root, caplog):
    empty = root / "Sources" / "Test" / "000 - Empty"
    empty.mkdir()
    with caplog.at_level(logging.WARNING, "tfsep"):
        assert [track.name for track in DSD100(root, split="test")] == list(TEST)
    assert [record.getMessage() for record in caplog.records] == [f"{empty} contains no stems and is skipped."]


def test_unknown_mixture_is_an_error(root):
    with pytest.raises(ValueError, match=r"mixture must be 'file' or 'sum'.*mixture='wav'"):
        DSD100(root, mixture="wav")
