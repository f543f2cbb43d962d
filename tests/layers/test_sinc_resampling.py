import keras
import numpy as np
import pytest

from tfsep.layers import SincDownsampling1D, SincUpsampling1D
from tfsep.layers.sinc_resampling import sinc_filter

CONFIGURATIONS = [(4, 21), (4, 15), (2, 9), (3, 7)]


def noise(*shape):
    return np.random.default_rng(0).normal(0, 1, shape).astype("float32")


def built(layer_class, factor, taps, channels=3):
    """A layer with another filter for each channel, and these filters."""
    layer = layer_class(factor, taps)
    layer.build((None, None, channels))
    filters = noise(taps, channels)
    layer.set_weights([filters])
    return layer, filters


def downsampled(signal, filters, factor):
    taps = len(filters)
    padded = np.pad(signal, ((0, 0), (taps // 2, taps // 2), (0, 0)), mode="reflect")
    starts = range(0, signal.shape[1], factor)
    return np.stack([(padded[:, start : start + taps] * filters).sum(axis=1) for start in starts], axis=1)


def upsampled(signal, filters, factor):
    """Zeros inserted, then convolved; the ends are reflected by more samples than the filter can see."""
    more = len(filters) // (2 * factor)
    padded = np.pad(signal, ((0, 0), (more, more), (0, 0)), mode="reflect")
    length = factor * (padded.shape[1] - 1) + 1
    zeros = np.zeros((len(signal), length, signal.shape[2]))
    zeros[:, ::factor] = padded
    result = np.empty_like(zeros)
    for example in range(len(signal)):
        for channel in range(signal.shape[2]):
            result[example, :, channel] = np.convolve(zeros[example, :, channel], filters[:, channel], "same")
    return result[:, more * factor : length - more * factor]


@pytest.fixture(params=["tensorflow", "jax"])
def formula(request, monkeypatch):
    """Both ways in which the filters are applied: that of TensorFlow, and that of the other backends."""
    monkeypatch.setattr(keras.backend, "backend", lambda: request.param)


@pytest.mark.parametrize(("factor", "taps"), CONFIGURATIONS)
@pytest.mark.parametrize("extra", [0, 1])
def test_downsampling_is_the_formula(formula, factor, taps, extra):
    layer, filters = built(SincDownsampling1D, factor, taps)
    signal = noise(2, 12 * factor + 1 + extra, 3)
    result = layer(signal)
    assert result.shape == layer.compute_output_shape(signal.shape) == (2, 13, 3)
    np.testing.assert_allclose(result, downsampled(signal, filters, factor), atol=1e-4)


@pytest.mark.parametrize(("factor", "taps"), CONFIGURATIONS)
def test_upsampling_is_the_formula(formula, factor, taps):
    layer, filters = built(SincUpsampling1D, factor, taps)
    signal = noise(2, 13, 3)
    result = layer(signal)
    assert result.shape == layer.compute_output_shape(signal.shape) == (2, 12 * factor + 1, 3)
    np.testing.assert_allclose(result, upsampled(signal, filters, factor), atol=1e-4)


def test_initial_filters():
    low_pass = sinc_filter(4, 21)
    assert low_pass.sum() == pytest.approx(1)
    np.testing.assert_allclose(low_pass, low_pass[::-1], atol=1e-7)
    response = np.abs(np.fft.rfft(low_pass, 1000))
    # Half the amplitude at the new band edge, an eighth of the rate; next to nothing well above.
    assert response[125] == pytest.approx(0.5, abs=0.02)
    assert response[260:].max() < 1e-3
    for layer, gain in ((SincDownsampling1D(4), 1), (SincUpsampling1D(4), 4)):
        layer.build((None, None, 2))
        np.testing.assert_allclose(layer.filter, np.stack([gain * low_pass] * 2, axis=1), rtol=1e-6)


def test_resampling_keeps_level_and_place():
    time = np.arange(401)
    tone = np.sin(2 * np.pi * 0.01 * time)[np.newaxis, :, np.newaxis].astype("float32")
    down = SincDownsampling1D(4)(tone)
    np.testing.assert_allclose(down[:, 5:-5], tone[:, ::4][:, 5:-5], atol=0.01)
    up = SincUpsampling1D(4)(down)
    assert up.shape == tone.shape
    np.testing.assert_allclose(up[:, 30:-30], tone[:, 30:-30], atol=0.03)


@pytest.mark.parametrize("layer_class", [SincDownsampling1D, SincUpsampling1D])
def test_filters_are_trained_unless_told_otherwise(layer_class):
    for trainable in (True, False):
        layer = layer_class(4, trainable=trainable)
        layer.build((None, None, 2))
        assert len(layer.trainable_weights) == trainable
        assert len(layer.weights) == 1
        assert layer_class.from_config(layer.get_config()).trainable == trainable


@pytest.mark.parametrize(("factor", "taps"), CONFIGURATIONS)
def test_torch_gives_the_same(factor, taps):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    half, signal = taps // 2, noise(2, 12 * factor + 1, 3)
    channels_first = torch.from_numpy(signal.transpose(0, 2, 1))

    down, filters = built(SincDownsampling1D, factor, taps)
    kernel = torch.from_numpy(filters.T[:, np.newaxis].copy())
    padded = functional.pad(channels_first, (half, half), mode="reflect")
    expected = functional.conv1d(padded, kernel, stride=factor, groups=3)
    np.testing.assert_allclose(down(signal), expected.numpy().transpose(0, 2, 1), atol=1e-4)

    up, filters = built(SincUpsampling1D, factor, taps)
    padded = functional.pad(channels_first, (half, half), mode="reflect")
    expected = functional.conv_transpose1d(padded, kernel, stride=factor, groups=3)
    length = factor * (signal.shape[1] - 1) + 1
    cut = (expected.shape[2] - length) // 2
    expected = expected[:, :, cut : cut + length]
    np.testing.assert_allclose(up(signal), expected.numpy().transpose(0, 2, 1), atol=1e-4)


@pytest.mark.parametrize("layer_class", [SincDownsampling1D, SincUpsampling1D])
@pytest.mark.parametrize(("arguments", "name"), [((1, 21), "factor=1"), ((4, 20), "taps=20"), ((4, 1), "taps=1")])
def test_wrong_arguments(layer_class, arguments, name):
    with pytest.raises(ValueError, match=name):
        layer_class(*arguments)
