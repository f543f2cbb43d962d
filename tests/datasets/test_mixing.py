import functools
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from corpus_case import FolderCase

from tfsep import audio, datasets
from tfsep.datasets import Mixing

TARGETS = tuple(f"take{number}.wav" for number in range(8))
OTHERS = tuple(f"band/clip{number:02d}.flac" for number in range(15))
# Every seventh recording by name is held out.
SPLITS = {"train": (*TARGETS[:6], TARGETS[7]), "valid": (TARGETS[6],)}


def write_recordings(root, lengths, make, seed=0, sample_rate=8000):
    """Write recordings; return a dict from path to audio as stored."""
    recordings = {}
    for number, (name, samples) in enumerate(lengths.items()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, make(samples, seed=seed + number), sample_rate, "PCM_24")
        recordings[name] = audio.read(root / name)[0]
    return recordings


def mixed(track, target, others):
    """Find how a track was mixed: its ratio, and the numbers of its recordings in order."""
    gains = 1 - float(np.vdot(track.read(track.sources[0]), target) / np.vdot(target, target))
    accompaniment, order, position = track.read("accompaniment") / np.float32(gains), [], 0
    while position < track.samples:
        rest = accompaniment[position:]
        found = [n for n, other in enumerate(others) if np.allclose(rest[: len(other)], other[: len(rest)], atol=1e-4)]
        assert len(found) == 1, f"no recording begins at sample {position}"
        order += found
        position += len(others[found[0]])
    return gains, order


class TestMixing(FolderCase):
    sources = ("piano", "accompaniment")
    splits = SPLITS
    sample_rate = 8000
    spec = "mixing:{0}/piano,{0}/rest"
    empty = "No recordings in"

    def build(self, root):
        targets = write_recordings(root / "piano", {name: 150 + 10 * k for k, name in enumerate(TARGETS)}, self.noise)
        others = write_recordings(root / "rest", {name: 60 + k for k, name in enumerate(OTHERS)}, self.noise, seed=100)
        songs = {}
        for split, names in self.splits.items():
            rest = [audio for name, audio in others.items() if (name in OTHERS[6::7]) == (split == "valid")]
            for track in self.open(root, split):
                ratio, order = mixed(track, targets[track.name], rest)
                assert 0 < ratio < 1
                piano = (1 - ratio) * targets[track.name]
                accompaniment = ratio * np.concatenate([rest[number] for number in order])[: len(piano)]
                songs[track.name] = {"piano": piano, "accompaniment": accompaniment, "mixture": piano + accompaniment}
            assert set(names) <= songs.keys()
        return songs

    def open(self, root, split):
        return Mixing(f"{root}/piano", f"{root}/rest", split=split)

    def recordings(self, track):
        stems = [track.stems["piano"], *track.stems["accompaniment"].stems]
        return {str(stem.path) for stem in stems}

    def test_missing_root_is_an_error_that_names_it(self, tree, tmp_path):
        self.refuses(tmp_path, "train", FileNotFoundError, str(tmp_path / "piano"), "is not a folder")
        (tmp_path / "piano").mkdir()
        self.refuses(tmp_path, "train", FileNotFoundError, str(tmp_path / "rest"), "is not a folder")

    def test_empty_root_is_an_error_that_names_it(self, tree, tmp_path):
        (tmp_path / "rest").mkdir()
        shutil.copytree(tree[0] / "piano", tmp_path / "piano")
        self.refuses(tmp_path, "valid", ValueError, str(tmp_path / "rest"), self.empty)
        shutil.rmtree(tmp_path / "piano")
        (tmp_path / "piano").mkdir()
        self.refuses(tmp_path, "valid", ValueError, str(tmp_path / "piano"), self.empty)


@pytest.fixture
def folders(tmp_path, noise):
    """A function that writes targets and others of the given lengths; returns the two as dicts of audio."""

    def write(targets, others, channels=(2, 2), rates=(8000, 8000)):
        written = []
        for k, (folder, lengths) in enumerate((("piano", targets), ("rest", others))):
            names = {f"{folder}{number:02d}.wav": samples for number, samples in enumerate(lengths)}
            make = functools.partial(noise, channels=channels[k])
            written.append(list(write_recordings(tmp_path / folder, names, make, 100 * k, rates[k]).values()))
        return written

    return write


@pytest.fixture
def open_all(tmp_path):
    return lambda **options: Mixing(tmp_path / "piano", tmp_path / "rest", split=None, **options)


def test_ratios_are_random_between_zero_and_one(folders, open_all):
    targets, others = folders([50] * 40, [20, 30])
    ratios = [mixed(track, target, others)[0] for track, target in zip(open_all(), targets, strict=True)]
    assert len(set(ratios)) == 40
    assert 0 <= min(ratios) < 0.15
    assert 0.85 < max(ratios) < 1
    assert np.mean(ratios) == pytest.approx(0.5, abs=0.15)


def test_others_are_repeated_only_after_all_were_used(folders, open_all):
    targets, others = folders([100, 90, 110, 20], [40, 50, 60])
    orders = [mixed(track, target, others)[1] for track, target in zip(open_all(), targets, strict=True)]
    assert [len(order) for order in orders[3:]] == [1]
    used = [number for order in orders for number in order]
    # The random order is the same in every round and continues from one track to the next.
    assert sorted(used[:3]) == [0, 1, 2]
    assert used == (used[:3] * 4)[: len(used)]


def test_one_short_recording_is_repeated(folders, open_all):
    targets, others = folders([100], [30])
    assert mixed(open_all()[0], targets[0], others)[1] == [0, 0, 0, 0]


def test_recording_as_long_as_the_target_is_enough(folders, open_all):
    targets, others = folders([30, 30], [30, 30])
    assert sorted(mixed(track, t, others)[1] for track, t in zip(open_all(), targets, strict=True)) == [[0], [1]]


def test_excerpts_across_the_seams_equal_slices(folders, open_all):
    folders([100], [7, 11, 13])
    track = open_all()[0]
    whole = track.read("accompaniment")
    for start in range(0, 100, 3):
        for samples in (1, 5, 30):
            stop = min(start + samples, 100)
            np.testing.assert_array_equal(track.read("accompaniment", start, stop - start), whole[start:stop])


def test_mixes_depend_on_the_seed_alone(folders, open_all):
    targets, others = folders([100, 50, 70], [40, 50, 60, 30])
    digests = [[track.digest() for track in open_all(seed=seed)] for seed in (0, 0, 1)]
    assert digests[0] == digests[1] == [track.digest() for track in open_all()]
    assert not set(digests[0]) & set(digests[2])
    mixes = [[mixed(t, target, others) for t, target in zip(open_all(seed=s), targets, strict=True)] for s in range(5)]
    ratios = {ratio for mix in mixes for ratio, _ in mix}
    orders = {tuple(number for _, order in mix for number in order) for mix in mixes}
    assert len(ratios) == 15
    assert len(orders) > 2


def test_content_hash_depends_on_all_that_is_mixed(folders, open_all):
    folders([100], [40, 50, 60])
    whole = open_all()[0].stems["accompaniment"]
    others = [
        replace(whole, gain=whole.gain / 2),
        replace(whole, samples=99),
        replace(whole, stems=whole.stems[:1]),
        replace(whole, stems=whole.stems[::-1]),
    ]
    assert len({stem.digest() for stem in (whole, *others)}) == 5
    assert replace(whole).digest() == whole.digest()


@pytest.mark.parametrize(("channels", "expected"), [((1, 1), 1), ((1, 2), 2), ((2, 1), 2)])
def test_mono_and_stereo_recordings(folders, open_all, channels, expected):
    targets, others = folders([60], [25, 30, 35], channels=channels)
    track = open_all()[0]
    assert track.channels == expected
    full = [np.broadcast_to(audio, (len(audio), expected)) for audio in (*targets, *others)]
    ratio, order = mixed(track, full[0], full[1:])
    total = (1 - ratio) * full[0] + ratio * np.concatenate([full[1:][number] for number in order])[:60]
    np.testing.assert_allclose(track.read("mixture"), total, atol=1e-5)


def test_mono_among_stereo_recordings_is_duplicated(folders, open_all, noise, tmp_path):
    targets, _ = folders([100], [40])
    mono = noise(40, channels=1, seed=7)
    audio.write(tmp_path / "rest" / "mono.wav", mono, 8000)
    others = [audio.read(tmp_path / "rest" / "rest00.wav")[0], np.repeat(mono, 2, axis=1)]
    assert sorted(set(mixed(open_all()[0], targets[0], others)[1])) == [0, 1]


def test_recordings_of_other_channels_are_an_error_that_names_one(folders, open_all, noise, tmp_path):
    folders([100], [40], channels=(2, 2))
    audio.write(tmp_path / "rest" / "three.wav", noise(40, channels=3), 8000)
    with pytest.raises(audio.AudioError, match=r"rest00\.wav has 2 channels, while others have 3"):
        open_all()[0].read("accompaniment")


def test_rates_that_differ_are_an_error_that_names_the_files(folders, open_all, noise, tmp_path):
    folders([100], [40], rates=(8000, 16000))
    with pytest.raises(audio.AudioError, match=r"rest00\.wav has 16000 Hz.*piano00\.wav.*8000 Hz"):
        open_all()[0].read("piano")
    audio.write(tmp_path / "rest" / "slow.wav", noise(40), 8000)
    with pytest.raises(audio.AudioError, match=r"(rest00|slow)\.wav has \d+ Hz, while .*(rest00|slow)\.wav has \d+ Hz"):
        open_all()[0].read("piano")


@pytest.mark.parametrize(("split", "expected"), [("train", 2), ("valid", 1), ("test", 3)])
def test_split_folders(tmp_path, noise, split, expected):
    counts = {"train": 2, "valid": 1, "test": 3}
    for k, folder in enumerate(("piano", "rest")):
        for part, (name, count) in enumerate(counts.items()):
            names = {f"{name}/x{number}.wav": 50 for number in range(count)}
            write_recordings(tmp_path / folder, names, noise, seed=100 * k + 10 * part)
    corpus = Mixing(tmp_path / "piano", tmp_path / "rest", split=split)
    assert len(corpus) == expected
    paths = {p for track in corpus for p in TestMixing().recordings(track)}
    assert len(paths) == 2 * expected
    assert all(f"/{split}/" in path for path in paths)


def test_test_split_needs_its_folders(folders, tmp_path):
    folders([50] * 8, [50] * 8)
    with pytest.raises(ValueError, match="piano has no folder 'test'"):
        Mixing(tmp_path / "piano", tmp_path / "rest", split="test")


def test_recordings_are_found_in_folders_of_any_depth(tmp_path, noise):
    write_recordings(tmp_path / "piano", {"a.wav": 50, "b/a.wav": 50, "b/c/D.FLAC": 50}, noise)
    write_recordings(tmp_path / "rest", {"x/y/z.wav": 50}, noise, seed=10)
    (tmp_path / "piano" / "b" / "notes.txt").write_text("no audio")
    (tmp_path / "piano" / "b" / "._a.wav").write_bytes(b"\0\5\26\7")  # as macOS leaves it on foreign disks
    (tmp_path / "piano" / "folder.wav").mkdir()
    corpus = Mixing(tmp_path / "piano", tmp_path / "rest", split=None)
    assert [track.name for track in corpus] == ["a.wav", "b-a.wav", "b-c-D.FLAC"]


def test_names_that_would_be_the_same_are_an_error(tmp_path, noise):
    write_recordings(tmp_path / "piano", {"a/b.wav": 50, "a-b.wav": 50}, noise)
    write_recordings(tmp_path / "rest", {"x.wav": 50}, noise)
    with pytest.raises(ValueError, match=r"a-b\.wav and .*a/b\.wav|a/b\.wav and .*a-b\.wav"):
        Mixing(tmp_path / "piano", tmp_path / "rest", split=None)


def test_source_is_named_after_its_folder_or_as_given(folders, open_all, tmp_path, monkeypatch):
    folders([50], [50])
    assert open_all().sources == ("piano", "accompaniment")
    assert open_all(source="vocals").sources == ("vocals", "accompaniment")
    monkeypatch.chdir(tmp_path / "piano")
    assert Mixing(".", "../rest", split=None).sources == ("piano", "accompaniment")


@pytest.mark.parametrize("name", ["accompaniment", "mixture", ""])
def test_reserved_name_is_refused(folders, open_all, tmp_path, name):
    folders([50], [50])
    with pytest.raises(ValueError, match=f"source must not be '{name}'"):
        open_all(source=name)
    if name:
        (tmp_path / "piano").rename(tmp_path / name)
        with pytest.raises(ValueError, match=f"source must not be '{name}'"):
            Mixing(tmp_path / name, tmp_path / "rest", split=None)


def test_folders_that_overlap_are_an_error(folders, tmp_path):
    folders([50], [50])
    for targets, others in (("piano", "piano"), ("piano", "."), (".", "piano"), ("piano", "rest/../piano")):
        with pytest.raises(ValueError, match="overlap: a recording would be mixed with itself"):
            Mixing(tmp_path / targets, tmp_path / others, split=None, source="piano")


def test_notation_takes_two_folders(folders, tmp_path):
    folders([50] * 8, [50] * 8)
    assert len(datasets.from_spec(f"mixing:{tmp_path}/piano,{tmp_path}/rest", "all")) == 8
    piano = f"mixing:{tmp_path}/piano"
    for spec in (piano, f"{piano},", f"{piano},{tmp_path}/rest,{tmp_path}"):
        with pytest.raises(ValueError, match="Unknown data"):
            datasets.from_spec(spec)
