import os
from dataclasses import replace

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import Stem


@pytest.fixture
def stereo(noise):
    return noise(300) * np.float32([1, 2])


@pytest.fixture
def path(tmp_path, stereo):
    audio.write(tmp_path / "song.wav", stereo, 8000)
    return tmp_path / "song.wav"


def test_file_is_read_as_it_is(path, stereo):
    stem = Stem(path)
    assert stem.name == str(path)
    info = stem.info()
    assert (info.sample_rate, info.samples, info.channels) == (8000, 300, 2)
    np.testing.assert_array_equal(stem.read(20, 100), stereo[20:120])


@pytest.mark.parametrize("channel", [0, 1])
def test_one_channel(path, stereo, channel):
    stem = Stem(path, channel=channel)
    info = stem.info()
    assert (info.sample_rate, info.samples, info.channels) == (8000, 300, 1)
    np.testing.assert_array_equal(stem.read(20, 100), stereo[20:120, channel : channel + 1])


def test_channel_that_the_file_lacks_is_an_error(path):
    with pytest.raises(audio.AudioError, match=r"song\.wav has 2 channels. Expected 3 or more"):
        Stem(path, channel=2).info()


def test_gain_is_linear(path, stereo):
    np.testing.assert_allclose(Stem(path, gain=0.25).read(20, 100), 0.25 * stereo[20:120], rtol=1e-6)
    assert not Stem(path, gain=0.0).read(20, 100).any()
    assert Stem(path, gain=0.25).read(20, 100).dtype == np.float32


def test_level_is_the_root_mean_square_of_the_whole(path, stereo):
    for channel, part in ((None, stereo), (0, stereo[:, :1]), (1, stereo[:, 1:])):
        gain = 0.05 / np.sqrt(np.mean(np.square(part, dtype=np.float64)))
        stem = Stem(path, channel=channel, level=0.05)
        np.testing.assert_allclose(stem.read(20, 100), gain * part[20:120], rtol=1e-5)
        np.testing.assert_allclose(replace(stem, gain=-2.0).read(20, 100), -2 * gain * part[20:120], rtol=1e-5)


def test_level_is_found_by_reading_the_file_once(path, monkeypatch):
    calls = []
    read = Stem.read
    monkeypatch.setattr(Stem, "read", lambda *arguments: calls.append(arguments[1:]) or read(*arguments))
    stem = Stem(path, level=0.05)
    for start in range(5):
        stem.read(start, 10)
    assert calls.count((0, 300)) == 1
    assert len(calls) == 6


def test_level_follows_a_file_that_is_written_anew(path, stereo):
    stem = Stem(path, level=0.05)
    before = stem.read(0, 300)
    audio.write(path, 3 * stereo, 8000, overwrite=True)
    np.testing.assert_allclose(stem.read(0, 300), before, rtol=1e-5)


def test_silence_has_no_level(tmp_path):
    audio.write(tmp_path / "silence.wav", np.zeros((100, 1), np.float32), 8000)
    excerpt = Stem(tmp_path / "silence.wav", level=0.1).read(0, 100)
    assert excerpt.shape == (100, 1)
    assert not excerpt.any()


def test_digest_is_that_of_the_content_and_the_part_of_it(path, stereo, tmp_path):
    stem = Stem(path)
    # Not of the name.
    (tmp_path / "copy.wav").write_bytes(path.read_bytes())
    assert Stem(tmp_path / "copy.wav").digest() == Stem(path).digest()
    audio.write(tmp_path / "other.wav", stereo + np.float32(1e-6), 8000)
    parts = [
        stem,
        Stem(tmp_path / "other.wav"),
        *(replace(stem, channel=channel) for channel in (0, 1)),
        replace(stem, stream=1),
        replace(stem, gain=0.5),
        replace(stem, level=0.1),
        replace(stem, level=0.2),
    ]
    assert len({part.digest() for part in parts}) == len(parts)


def test_digest_follows_a_file_that_is_written_anew(path, stereo):
    before = Stem(path).digest()
    audio.write(path, stereo[::-1].copy(), 8000, overwrite=True)
    assert Stem(path).digest() != before


def test_path_may_be_a_string(path):
    assert Stem(os.fspath(path)).digest() == Stem(path).digest()


def test_lost_file_is_an_error_that_names_it(tmp_path):
    for call in (Stem.info, Stem.digest, lambda stem: stem.read(0, 1)):
        with pytest.raises(FileNotFoundError, match=r"lost\.wav"):
            call(Stem(tmp_path / "lost.wav", level=0.1))
