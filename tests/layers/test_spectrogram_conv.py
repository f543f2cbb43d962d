import keras
import numpy as np
import pytest

from tfsep.layers import SpectrogramConv2D, SpectrogramConv2DTranspose

FORMS = {
    "all bins": ((1, 9), (1, 1)),
    "frames": ((3, 1), (1, 1)),
    "both": ((2, 4), (1, 1)),
    "strided": ((1, 5), (1, 2)),
}


def spectrogram(channels=2, frames=5, bins=9):
    return np.random.default_rng(0).normal(size=(2, frames, bins, channels)).astype("float32")


def randomised(layer):
    generator = np.random.default_rng(1)
    layer.set_weights([generator.normal(size=weight.shape) for weight in layer.weights])
    return layer


@pytest.mark.parametrize("form", FORMS)
def test_equals_keras_convolutions(form):
    kernel_size, strides = FORMS[form]
    x = spectrogram()
    forward = SpectrogramConv2D(4, kernel_size, strides)
    forward.build(x.shape)
    randomised(forward)
    expected = keras.layers.Conv2D(4, kernel_size, strides)
    expected.build(x.shape)
    expected.set_weights(forward.get_weights())
    y = forward(x)
    np.testing.assert_allclose(y, expected(x), atol=1e-4)

    back = SpectrogramConv2DTranspose(2, kernel_size, strides)
    back.build(y.shape)
    randomised(back)
    expected = keras.layers.Conv2DTranspose(2, kernel_size, strides)
    expected.build(y.shape)
    expected.set_weights(back.get_weights())
    assert back(y).shape == x.shape
    np.testing.assert_allclose(back(y), expected(y), atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_tied_is_the_adjoint_and_has_no_kernel_of_its_own(form):
    kernel_size, strides = FORMS[form]
    x = spectrogram()
    forward = SpectrogramConv2D(4, kernel_size, strides)
    forward.build(x.shape)
    y = np.random.default_rng(2).normal(size=forward(x).shape).astype("float32")
    tied = SpectrogramConv2DTranspose(2, kernel_size, strides, use_bias=False, tied_to=forward)
    # <A x, y> = <x, A* y>, without the biases, which are zero here.
    np.testing.assert_allclose(np.sum(forward(x) * y), np.sum(x * tied(y)), rtol=1e-4)
    assert {id(weight) for weight in tied.weights} == {id(weight) for weight in forward.weights}


def test_configurations_make_the_same_layers():
    forward = SpectrogramConv2D(4, (1, 9), (1, 1), name="a")
    assert SpectrogramConv2D.from_config(forward.get_config()).get_config() == forward.get_config()
    back = SpectrogramConv2DTranspose(2, (1, 9), use_bias=False)
    assert SpectrogramConv2DTranspose.from_config(back.get_config()).get_config() == back.get_config()
