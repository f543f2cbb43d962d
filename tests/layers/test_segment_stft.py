import librosa
import numpy as np
import pytest

from tfsep.layers import SegmentSTFT


def noise(samples):
    return np.random.default_rng(0).normal(size=(2, samples, 2)).astype("float32")


@pytest.mark.parametrize(("samples", "hop"), [(1000, 50), (1003, 50), (1024, 64), (333, 128)])
def test_centred_frames_are_those_of_librosa(samples, hop):
    audio = noise(samples)
    layer = SegmentSTFT(samples, 256, hop)
    real, imaginary = layer(audio)
    assert real.shape == (2, layer.frames, 129, 2)
    expected = librosa.stft(np.moveaxis(audio, 2, 1), n_fft=256, hop_length=hop, pad_mode="reflect")
    found = np.moveaxis(np.asarray(real) + 1j * np.asarray(imaginary), 3, 1).swapaxes(2, 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("samples", "hop"), [(1000, 50), (1003, 50), (1024, 64), (333, 128)])
def test_inverse_gives_the_signal_back(samples, hop):
    layer = SegmentSTFT(samples, 256, hop)
    audio = noise(samples)
    np.testing.assert_allclose(layer.inverse(*layer(audio)), audio, atol=1e-5)


@pytest.mark.parametrize("samples", [1024, 1000])
def test_frames_between_hops_are_those_of_plain_sums(samples):
    audio = noise(samples)
    layer = SegmentSTFT(samples, 256, 64, centred=False)
    real, imaginary = layer(audio)
    assert layer.frames == 16
    padded = np.pad(audio, ((0, 0), (96, 96 + 1024 - samples), (0, 0)), "reflect")
    window = np.sin(np.pi * np.arange(256) / 256)[:, None] ** 2
    frames = np.stack([np.fft.rfft(padded[:, 64 * i : 64 * i + 256] * window, axis=1) for i in range(16)], axis=1)
    np.testing.assert_allclose(np.asarray(real) + 1j * np.asarray(imaginary), frames, atol=1e-4)
    # Where all frames that cover a sample exist, it comes back.
    back = layer.inverse(real, imaginary)
    np.testing.assert_allclose(back[:, 160:800], audio[:, 160:800], atol=1e-5)


def test_signals_shorter_than_a_frame_are_an_error():
    with pytest.raises(ValueError, match="samples=255"):
        SegmentSTFT(255, 256, 64)
