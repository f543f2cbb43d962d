import numpy as np
import pytest
from corpus_case import FolderCase

from tfsep.datasets import IKala

# Song to singer: three singers for training, one for validation, two for the test.
SINGERS = {
    "10161": "Eve",
    "10164": "Ann",
    "21025": "Bob",
    "21031": "Cai",
    "45305": "Dee",
    "54010": "Fei",
    "54016": "Ann",
}
CLIPS = ("10161_chorus", "10161_verse", "10164_verse", "21025_verse", "21031_verse", "45305_chorus", "45305_verse")
CLIPS += ("54010_chorus", "54010_verse", "54016_chorus")
SPLITS = {
    "train": ("10164_verse", "21025_verse", "21031_verse", "54016_chorus"),
    "valid": ("45305_chorus", "45305_verse"),
    "test": ("10161_chorus", "10161_verse", "54010_chorus", "54010_verse"),
}


class TestIKala(FolderCase):
    sources = ("vocals", "accompaniment")
    splits = SPLITS
    channels = 1
    spec = "ikala:{}"
    empty = "No clips in"

    def build(self, root):
        songs = {}
        (root / "id_mapping.txt").write_text("".join(f"{singer}\t{song}\n" for song, singer in SINGERS.items()))
        for number, name in enumerate(CLIPS):
            stereo = self.noise(100 + number, 2, seed=number)
            self.write(root / "Wavfile" / f"{name}.wav", stereo)
            accompaniment, vocals = np.split(stereo, 2, axis=1)
            songs[name] = {"vocals": vocals, "accompaniment": accompaniment, "mixture": vocals + accompaniment}
        return songs

    def open(self, root, split):
        return IKala(root, split=split)


@pytest.fixture
def root(tmp_path):
    TestIKala().build(tmp_path)
    return tmp_path


def names(root, split=None):
    return [track.name for track in IKala(root, split=split)]


def write_mapping(root, lines, encoding="utf-8"):
    (root / "id_mapping.txt").write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))


def test_no_singer_and_no_song_is_in_two_splits(root):
    songs = {split: {name.split("_")[0] for name in names(root, split)} for split in ("train", "valid", "test")}
    singers = {split: {SINGERS[song] for song in songs[split]} for split in songs}
    assert singers == {"train": {"Ann", "Bob", "Cai"}, "valid": {"Dee"}, "test": {"Eve", "Fei"}}
    assert sum(map(len, songs.values())) == len(SINGERS)


@pytest.mark.parametrize(("count", "expected"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (5, (3, 1, 1)), (6, (3, 1, 2))])
def test_division_of_any_number_of_singers(root, count, expected):
    write_mapping(root, [f"singer{number % count}\t{song}" for number, song in enumerate(sorted(SINGERS))])
    found = {split: {name.split("_")[0] for name in names(root, split)} for split in ("train", "valid", "test")}
    singers = [{sorted(SINGERS).index(song) % count for song in songs} for songs in found.values()]
    assert tuple(map(len, singers)) == expected
    assert len(set.union(*singers)) == count


def test_two_singers_cannot_be_divided(root):
    write_mapping(root, [f"{'AB'[number % 2]}\t{song}" for number, song in enumerate(SINGERS)])
    with pytest.raises(ValueError, match=r"No iKala clip of split 'test' in .*needs three singers"):
        IKala(root, split="test")


def test_no_split_needs_no_mapping(root):
    (root / "id_mapping.txt").unlink()
    assert names(root) == list(CLIPS)


def test_missing_mapping_is_an_error_that_says_what_to_do(root):
    (root / "id_mapping.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"id_mapping\.txt is missing: .*no singer is in two splits"):
        IKala(root)


def test_song_without_a_singer_is_an_error_that_names_it(root):
    write_mapping(root, [f"{singer}\t{song}" for song, singer in SINGERS.items() if song != "45305"])
    with pytest.raises(ValueError, match=r"id_mapping\.txt has no singer for the song of 45305_chorus\.wav"):
        IKala(root)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"Ann 10164\n", bytes(range(256))])
def test_damaged_mapping_is_an_error_that_names_it(root, content):
    (root / "id_mapping.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"id_mapping\.txt has no singer for .*Expected a line: singer, tab, song"):
        IKala(root)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "big5"])
def test_mapping_as_programs_write_it(root, encoding):
    """A heading, blanks, carriage returns, a byte order mark, and names that are no ASCII."""
    expected = {split: names(root, split) for split in ("train", "valid", "test")}
    lines = [f"{singer} 飛\t{song} \r" for song, singer in sorted(SINGERS.items(), key=lambda item: item[1])]
    write_mapping(root, [*lines, "singer\tsong\r"] if encoding == "utf-8-sig" else ["singer\tsong\r", *lines], encoding)
    assert {split: names(root, split) for split in expected} == expected


def test_ratio_of_voice_and_accompaniment(root):
    track = IKala(root, split=None, snr=5.0)[0]
    levels = [np.sqrt(np.mean(track.read(source).astype(np.float64) ** 2)) for source in track.sources]
    assert 20 * np.log10(levels[0] / levels[1]) == pytest.approx(5, abs=1e-4)
    assert levels[1] == pytest.approx(0.1, rel=1e-5)
