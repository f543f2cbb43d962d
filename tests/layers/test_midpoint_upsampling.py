import numpy as np
import pytest

from tfsep.layers import MidpointUpsampling1D


def noise(*shape):
    return np.random.default_rng(0).normal(0, 1, shape).astype("float32")


@pytest.mark.parametrize("length", [1, 2, 9])
def test_interpolates_linearly(length):
    signal = noise(2, length, 3)
    valid = np.stack(
        [[np.interp(np.arange(2 * length - 1) / 2, np.arange(length), row) for row in item.T] for item in signal]
    ).transpose(0, 2, 1)
    layer = MidpointUpsampling1D("valid")
    assert not layer.weights
    assert layer.compute_output_shape(signal.shape) == valid.shape
    np.testing.assert_allclose(layer(signal), valid, atol=1e-6)
    same = MidpointUpsampling1D("same")
    assert same.compute_output_shape(signal.shape) == (2, 2 * length, 3)
    np.testing.assert_allclose(same(signal), np.concatenate([valid, signal[:, -1:]], axis=1), atol=1e-6)


def test_learns_a_weight_for_each_channel():
    signal, layer = noise(2, 9, 3), MidpointUpsampling1D(learned=True)
    np.testing.assert_allclose(layer(signal), MidpointUpsampling1D()(signal), atol=1e-6)
    layer.set_weights([np.array([-1.0, 0.0, 2.0])])
    weight = 1 / (1 + np.exp([1.0, 0.0, -2.0]))
    result = np.asarray(layer(signal))
    np.testing.assert_allclose(result[:, ::2], signal)
    np.testing.assert_allclose(result[:, 1::2], weight * signal[:, :-1] + (1 - weight) * signal[:, 1:], atol=1e-6)


def test_wrong_padding():
    with pytest.raises(ValueError, match=r"padding must be 'valid' or 'same'. Received: padding='full'"):
        MidpointUpsampling1D("full")
