"""Surround sound mixed to stereo before separation."""

import numpy as np
import pytest

from tfsep import audio
from tfsep.separation import Separation, separate, separate_file

HALF = 0.5**0.5
MATRICES = {
    3: [(1, 0), (0, 1), (HALF, HALF)],
    5: [(1, 0), (0, 1), (HALF, HALF), (HALF, 0), (0, HALF)],
    6: [(1, 0), (0, 1), (HALF, HALF), (0, 0), (HALF, 0), (0, HALF)],
    7: [(1, 0), (0, 1), (HALF, HALF), (0, 0), (0.5, 0.5), (HALF, 0), (0, HALF)],
    8: [(1, 0), (0, 1), (HALF, HALF), (0, 0), (HALF, 0), (0, HALF), (HALF, 0), (0, HALF)],
}


@pytest.mark.parametrize("channels", MATRICES)
def test_a_stereo_model_separates_surround_sound(identity, noise, channels):
    song, model = noise(1000, channels), identity(channels=2)
    expected = song @ np.float32(MATRICES[channels])
    stems = separate(song, model, 8000, downmix=True, residual="rest")
    np.testing.assert_allclose(stems["plain"], expected, atol=1e-6)
    np.testing.assert_allclose(sum(stems.values()), expected, atol=1e-6)
    with pytest.raises(ValueError, match=rf"Received: {channels} channels.*downmix=True \(--downmix\)"):
        separate(song, model, 8000)


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_and_stereo_stay(identity, noise, channels):
    song = noise(1000, channels)
    np.testing.assert_allclose(separate(song, identity(), 8000, downmix=True)["plain"], song, atol=1e-6)


def test_other_layouts_are_an_error(identity, noise, tmp_path):
    with pytest.raises(ValueError, match="3 to 8 channels can be mixed to stereo"):
        separate(noise(100, 9), identity(), 8000, downmix=True)
    audio.write(tmp_path / "song.wav", noise(100, 9), 8000)
    with pytest.raises(ValueError, match="Received: 9"):
        Separation(identity(), downmix=True).check_file(tmp_path / "song.wav", tmp_path / "out")


def test_streams(identity, noise):
    song = noise(1000, 6)
    with Separation(identity(channels=2), downmix=True).stream(8000, 6) as stream:
        found = [stream.push(song)["plain"], stream.finish()["plain"]]
    np.testing.assert_allclose(np.concatenate(found), song @ np.float32(MATRICES[6]), atol=1e-6)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".stem.mp4"])
def test_files_are_those_of_a_stereo_song(identity, noise, tmp_path, suffix):
    audio.write(tmp_path / "song.wav", noise(44100, 8), 44100)
    paths = separate_file(
        tmp_path / "song.wav", tmp_path / "out", identity(sample_rate=44100), suffix=suffix, downmix=True
    )
    assert audio.info(paths["plain"]).channels == 2
