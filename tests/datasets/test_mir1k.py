import shutil

import numpy as np
import pytest
from corpus_case import FolderCase

from tfsep import audio
from tfsep.datasets import MIR1K

TRAIN = ("abjones_1_01", "abjones_5_07", "amy_9_07", "amy_9_10")
VALID = ("abjones_5_08", "abjones_5_09", "amy_9_08", "amy_9_09")
TEST = ("Ani_5_08", "amyx_9_08", "bug_1_01")
SPLITS = {"train": TRAIN, "valid": VALID, "test": TEST}


def rms(samples):
    return np.sqrt(np.mean(np.square(samples, dtype=np.float64)))


class MIR1KCase(FolderCase):
    sources = ("vocals", "accompaniment")
    splits = SPLITS
    sample_rate = 16000
    channels = 1
    spec = "mir1k:{}"
    empty = "No clips in"
    suffix = "wav"
    folder = "Wavfile"

    def build(self, root):
        songs = {}
        for number, name in enumerate((*TRAIN, *VALID, *TEST)):
            stereo = self.noise(200 + number, 2, seed=number) * np.float32([0.5, 1.5])
            self.write(root / self.folder / f"{name}.{self.suffix}", stereo)
            accompaniment, vocals = (0.1 * channel / rms(channel) for channel in np.split(stereo, 2, axis=1))
            songs[name] = {"vocals": vocals, "accompaniment": accompaniment, "mixture": vocals + accompaniment}
        return songs

    def open(self, root, split):
        return MIR1K(root, split=split)


class TestMIR1K(MIR1KCase):
    pass


class TestMIR1KAsFlac(MIR1KCase):
    suffix = "flac"


class TestMIR1KWithoutWavfile(MIR1KCase):
    folder = "."


@pytest.fixture
def clip(tmp_path):
    """A function that writes a corpus of one clip, opens it, and returns its track."""

    def make(stereo, **options):
        (tmp_path / "Wavfile").mkdir()
        audio.write(tmp_path / "Wavfile" / "abjones_1_01.wav", stereo, 16000)
        return MIR1K(tmp_path, **options)[0]

    return make


def test_published_division(tmp_path):
    """171, 4 and 825 clips: the corpus has 43 of abjones, 132 of amy, and 825 of 17 other singers."""
    (tmp_path / "Wavfile").mkdir()
    names = [f"abjones_{song}_{clip:02d}" for song in range(1, 6) for clip in range(1, 10)][2:]
    names += [f"amy_{song}_{clip:02d}" for song in range(1, 15) for clip in range(1, 11)][8:]
    names += [f"singer{number % 17:02d}_1_{number // 17:02d}" for number in range(825)]
    assert len(names) == len(set(names)) == 1000
    for name in names:
        (tmp_path / "Wavfile" / f"{name}.wav").touch()
    found = {split: [track.name for track in MIR1K(tmp_path, split=split)] for split in ("train", "valid", "test")}
    assert {split: len(tracks) for split, tracks in found.items()} == {"train": 171, "valid": 4, "test": 825}
    assert found["valid"] == list(VALID)
    assert {name.split("_")[0] for name in found["train"]} == {"abjones", "amy"}
    assert not {"abjones", "amy"} & {name.split("_")[0] for name in found["test"]}
    assert sorted(name for tracks in found.values() for name in tracks) == sorted(names)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 5])
def test_voice_and_accompaniment_have_the_given_ratio(clip, snr):
    left, right = np.random.default_rng(0).normal(0, 0.05, (2, 300, 1)).astype(np.float32)
    track = clip(np.hstack([left, 3 * right]), snr=snr)
    vocals, accompaniment = track.read("vocals"), track.read("accompaniment")
    assert rms(accompaniment) == pytest.approx(0.1, rel=1e-5)
    assert 20 * np.log10(rms(vocals) / rms(accompaniment)) == pytest.approx(snr, abs=1e-4)
    # Only the level has changed; the voice is the right channel.
    np.testing.assert_allclose(vocals / rms(vocals), right / rms(right), atol=1e-5)
    np.testing.assert_allclose(accompaniment / rms(accompaniment), left / rms(left), atol=1e-5)


def test_level_is_that_of_the_whole_clip(clip):
    stereo = np.full((400, 2), 0.01, np.float32)
    stereo[200:] = 0.3
    track = clip(stereo)
    gain = 0.1 / rms(stereo[:, 0])
    np.testing.assert_allclose(track.read("vocals", 0, 10), 0.01 * gain, rtol=1e-5)
    np.testing.assert_allclose(track.read("vocals", 390, 10), 0.3 * gain, rtol=1e-5)


def test_levels_are_as_recorded_without_a_ratio(clip, noise):
    stereo = noise(300)
    track = clip(stereo, snr=None)
    np.testing.assert_array_equal(track.read("vocals"), stereo[:, 1:])
    np.testing.assert_array_equal(track.read("accompaniment"), stereo[:, :1])
    np.testing.assert_allclose(track.read("mixture"), stereo.sum(axis=1, keepdims=True), atol=1e-7)


def test_silent_voice_stays_silent(clip, noise):
    track = clip(noise(300) * np.float32([1, 0]))
    assert not track.read("vocals").any()
    assert rms(track.read("accompaniment")) == pytest.approx(0.1, rel=1e-5)


def test_ratio_is_part_of_the_content_hash(clip, noise, tmp_path):
    tracks = [clip(noise(300)), *(MIR1K(tmp_path, snr=snr)[0] for snr in (5.0, None))]
    assert len({track.digest() for track in tracks}) == 3


@pytest.mark.parametrize("snr", [float("nan"), float("inf"), float("-inf")])
def test_ratio_that_is_no_number_is_an_error(clip, noise, snr):
    with pytest.raises(ValueError, match=r"snr must be a finite number\. Received: snr="):
        clip(noise(300), snr=snr)


def test_mono_file_is_an_error_that_names_it(clip, noise):
    track = clip(noise(300, channels=1))
    with pytest.raises(audio.AudioError, match=r"abjones_1_01\.wav has 1 channels. Expected 2 or more"):
        track.read("accompaniment")


def test_wav_is_preferred_to_flac_of_the_same_clip(clip, noise, tmp_path):
    stereo = noise(300)
    clip(stereo)
    audio.write(tmp_path / "Wavfile" / "abjones_1_01.flac", stereo / 2, 16000)
    (track,) = MIR1K(tmp_path, snr=None)
    np.testing.assert_array_equal(track.read("vocals"), stereo[:, 1:])


def test_other_files_are_no_clips(clip, noise, tmp_path):
    clip(noise(300))
    shutil.copytree(tmp_path / "Wavfile", tmp_path / "UndividedWavfile")
    # As macOS leaves it on foreign disks.
    (tmp_path / "Wavfile" / "._abjones_1_01.wav").write_bytes(b"\0\5\26\7")
    (tmp_path / "Wavfile" / "readme.txt").write_text("no clip")
    assert [track.name for track in MIR1K(tmp_path)] == ["abjones_1_01"]
    with pytest.raises(
        ValueError, match=r"No MIR-1K clip of split 'test' in .*Expected names such as abjones_1_01\.wav"
    ):
        MIR1K(tmp_path, split="test")
