import os
from dataclasses import replace

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import ArrayStem, Concatenation, FileStem, Stem


@pytest.fixture
def stereo(noise):
    return noise(300) * np.float32([1, 2])


@pytest.fixture
def path(tmp_path, stereo):
    audio.write(tmp_path / "song.wav", stereo, 8000)
    return tmp_path / "song.wav"


def test_file_is_read_as_it_is(path, stereo):
    stem = FileStem(path)
    assert stem.name == str(path)
    info = stem.info()
    assert (info.sample_rate, info.samples, info.channels) == (8000, 300, 2)
    np.testing.assert_array_equal(stem.read(20, 100), stereo[20:120])


@pytest.mark.parametrize("channel", [0, 1])
def test_one_channel(path, stereo, channel):
    stem = FileStem(path, channel=channel)
    info = stem.info()
    assert (info.sample_rate, info.samples, info.channels) == (8000, 300, 1)
    np.testing.assert_array_equal(stem.read(20, 100), stereo[20:120, channel : channel + 1])


def test_channel_that_the_file_lacks_is_an_error(path):
    with pytest.raises(audio.AudioError, match=r"song\.wav has 2 channels. Expected 3 or more"):
        FileStem(path, channel=2).info()


def test_gain_is_linear(path, stereo):
    np.testing.assert_allclose(FileStem(path, gain=0.25).read(20, 100), 0.25 * stereo[20:120], rtol=1e-6)
    assert not FileStem(path, gain=0.0).read(20, 100).any()
    assert FileStem(path, gain=0.25).read(20, 100).dtype == np.float32


def test_level_is_the_root_mean_square_of_the_whole(path, stereo):
    for channel, part in ((None, stereo), (0, stereo[:, :1]), (1, stereo[:, 1:])):
        gain = 0.05 / np.sqrt(np.mean(np.square(part, dtype=np.float64)))
        stem = FileStem(path, channel=channel, level=0.05)
        np.testing.assert_allclose(stem.read(20, 100), gain * part[20:120], rtol=1e-5)
        np.testing.assert_allclose(replace(stem, gain=-2.0).read(20, 100), -2 * gain * part[20:120], rtol=1e-5)


def test_level_is_found_by_reading_the_file_once(path, monkeypatch):
    calls = []
    read = FileStem.read
    monkeypatch.setattr(FileStem, "read", lambda *arguments: calls.append(arguments[1:]) or read(*arguments))
    stem = FileStem(path, level=0.05)
    for start in range(5):
        stem.read(start, 10)
    assert calls.count((0, 300)) == 1
    assert len(calls) == 6


def test_level_is_computed_again_for_a_rewritten_file(path, stereo):
    stem = FileStem(path, level=0.05)
    before = stem.read(0, 300)
    audio.write(path, 3 * stereo, 8000, overwrite=True)
    np.testing.assert_allclose(stem.read(0, 300), before, rtol=1e-5)


def test_silence_has_no_level(tmp_path):
    audio.write(tmp_path / "silence.wav", np.zeros((100, 1), np.float32), 8000)
    excerpt = FileStem(tmp_path / "silence.wav", level=0.1).read(0, 100)
    assert excerpt.shape == (100, 1)
    assert not excerpt.any()


def test_digest_depends_on_the_content_and_the_part_of_it(path, stereo, tmp_path):
    stem = FileStem(path)
    # It does not depend on the name.
    (tmp_path / "copy.wav").write_bytes(path.read_bytes())
    assert FileStem(tmp_path / "copy.wav").digest() == FileStem(path).digest()
    audio.write(tmp_path / "other.wav", stereo + np.float32(1e-6), 8000)
    parts = [
        stem,
        FileStem(tmp_path / "other.wav"),
        *(replace(stem, channel=channel) for channel in (0, 1)),
        replace(stem, stream=1),
        replace(stem, gain=0.5),
        replace(stem, level=0.1),
        replace(stem, level=0.2),
    ]
    assert len({part.digest() for part in parts}) == len(parts)


def test_digest_is_computed_again_for_a_rewritten_file(path, stereo):
    before = FileStem(path).digest()
    audio.write(path, stereo[::-1].copy(), 8000, overwrite=True)
    assert FileStem(path).digest() != before


def test_path_may_be_a_string(path):
    assert FileStem(os.fspath(path)).digest() == FileStem(path).digest()


def test_lost_file_is_an_error_that_names_it(tmp_path):
    for call in (FileStem.info, FileStem.digest, lambda stem: stem.read(0, 1)):
        with pytest.raises(FileNotFoundError, match=r"lost\.wav"):
            call(FileStem(tmp_path / "lost.wav", level=0.1))


def test_every_stem_has_the_protocol(path, stereo):
    array = ArrayStem(stereo, 8000)
    for stem in (FileStem(path), array, Concatenation((array, FileStem(path)), 400)):
        assert isinstance(stem, Stem)
        assert hash(stem) is not None
    for other in (stereo, str(path), path, None):
        assert not isinstance(other, Stem)


@pytest.mark.parametrize("shape", [(300,), (300, 1), (300, 2)])
def test_an_array_is_read_as_it_is(shape, noise):
    samples = noise(300, shape[1] if len(shape) == 2 else 1).reshape(shape)
    stem = ArrayStem(samples, 8000)
    info = stem.info()
    assert (info.sample_rate, info.samples, info.channels) == (8000, 300, shape[-1] if len(shape) == 2 else 1)
    excerpt = stem.read(20, 100)
    np.testing.assert_array_equal(excerpt, samples.reshape(300, -1)[20:120])
    assert excerpt.dtype == np.float32
    excerpt += 1  # a copy
    np.testing.assert_array_equal(stem.read(20, 100), samples.reshape(300, -1)[20:120])
    assert "0." not in repr(stem)


def test_digest_of_an_array_is_that_of_its_content(stereo):
    digest = ArrayStem(stereo, 8000).digest()
    assert ArrayStem(stereo.astype(np.float64), 8000).digest() == digest
    others = [ArrayStem(stereo, 8001), ArrayStem(stereo[:, 0], 8000), ArrayStem(-stereo, 8000)]
    assert len({digest, *(other.digest() for other in others)}) == 4


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, 3, 4), np.float32), 8000, r"float array \[samples\].*Received: float32 \[2, 3, 4\]"),
        (np.zeros(0, np.float32), 8000, r"at least one sample.*\[0\]"),
        (np.zeros(9, np.int16), 8000, "float array.*int16"),
        (np.array([0, np.nan], np.float32), 8000, "finite"),
        ("song.wav", 8000, "float array"),
        (np.zeros(9, np.float32), 0, "sample_rate=0"),
        (np.zeros(9, np.float32), "44100", "sample_rate='44100'"),
    ],
)
def test_anything_but_audio_is_an_error(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        ArrayStem(samples, rate)
