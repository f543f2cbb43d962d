import keras
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep.layers import STFT, magnitude

CONFIGURATIONS = [(1024, 512, "sine"), (1024, 256, "hann"), (64, 16, "sine"), (100, 30, "hann")]


def noise(*shape):
    return np.random.default_rng(0).normal(0, 0.3, shape).astype("float32")


@pytest.mark.parametrize(("n_fft", "hop", "window"), CONFIGURATIONS)
@pytest.mark.parametrize("samples", [1, 15, 1000, 4097])
def test_every_sample_is_reconstructed(n_fft, hop, window, samples):
    stft = STFT(n_fft, hop, window)
    signal = noise(2, samples, 3)
    restored = stft.inverse(*stft(signal), samples)
    np.testing.assert_allclose(restored, signal, atol=2e-6)


@settings(deadline=None, max_examples=20)
@given(samples=st.integers(1, 300), hop=st.integers(1, 32), window=st.sampled_from(["hann", "sine"]))
def test_any_length_and_hop_reconstruct(samples, hop, window):
    stft = STFT(64, hop, window)
    signal = noise(1, samples, 1)
    np.testing.assert_allclose(stft.inverse(*stft(signal), samples), signal, atol=5e-6)


@pytest.mark.parametrize(("n_fft", "hop", "window"), CONFIGURATIONS[:2])
def test_frames_are_those_of_numpy(n_fft, hop, window):
    signal = noise(1, 5000, 2)
    real, imaginary = (np.asarray(part) for part in STFT(n_fft, hop, window)(signal))
    place = np.arange(n_fft)
    taper = np.sin(np.pi * (place + 0.5) / n_fft) if window == "sine" else scipy.signal.get_window("hann", n_fft)
    padded = np.pad(signal, ((0, 0), (n_fft, n_fft + -5000 % hop), (0, 0)))
    for frame in (0, 3, real.shape[1] - 1):
        part = padded[0, frame * hop : frame * hop + n_fft]
        expected = np.fft.rfft(part * taper[:, np.newaxis], axis=0)
        np.testing.assert_allclose(real[0, frame] + 1j * imaginary[0, frame], expected, atol=2e-5)
    assert real.shape == (1, (padded.shape[1] - n_fft) // hop + 1, n_fft // 2 + 1, 2)


def test_gradient_of_the_magnitude_is_finite_at_silence():
    import tensorflow as tf

    signal = tf.Variable(np.zeros((1, 100, 1), "float32"))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(magnitude(*STFT(64, 16)(signal)))
    assert np.isfinite(tape.gradient(total, signal)).all()
    assert float(total) < 0.01


def test_half_precision_signals_and_policies_are_float32_inside():
    stft = STFT(64, 16, dtype="mixed_float16")
    assert all(part.dtype == "float32" for part in stft(noise(1, 100, 1).astype("float16")))


def test_configuration_round_trips():
    stft = STFT(64, 16, "sine")
    twin = keras.layers.Layer.from_config.__func__(STFT, stft.get_config())
    assert (twin.n_fft, twin.hop, twin.window) == (64, 16, "sine")


@pytest.mark.parametrize(("options", "word"), [({"window": "box"}, "window='box'"), ({"hop": 33}, "hop=33")])
def test_wrong_arguments_are_errors(options, word):
    with pytest.raises(ValueError, match=word):
        STFT(**{"n_fft": 64, "hop": 16, **options})
