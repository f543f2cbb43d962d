import keras
import numpy as np
import pytest

from tfsep.layers import UpsampleConv1D


def noise(*shape):
    return np.random.default_rng(0).normal(0, 1, shape).astype("float32")


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 25])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_equals_upsampling_and_convolution(kernel_size, size, length):
    x = noise(2, length, 3)
    layer = UpsampleConv1D(4, kernel_size, size, bias_initializer="normal", activation="relu")
    outputs = layer(x)
    conv = keras.layers.Conv1D(4, kernel_size, padding="same", activation="relu")
    conv.build((None, None, 3))
    conv.set_weights(layer.get_weights())
    np.testing.assert_allclose(outputs, conv(np.repeat(x, size, axis=1)), atol=1e-5)
    assert layer.compute_output_shape(x.shape) == outputs.shape


def test_equals_a_convolution_of_the_upsampled_input_beside_skip_connections():
    inputs = [noise(2, 9, 3), noise(2, 18, 2), noise(2, 18, 1)]
    layer = UpsampleConv1D(4, 5, use_bias=False)
    outputs = layer(inputs)
    conv = keras.layers.Conv1D(4, 5, padding="same", use_bias=False)
    conv.build((None, None, 6))
    conv.set_weights(layer.get_weights())
    whole = np.concatenate([np.repeat(inputs[0], 2, axis=1), *inputs[1:]], axis=2)
    np.testing.assert_allclose(outputs, conv(whole), atol=1e-5)
    assert layer.compute_output_shape([x.shape for x in inputs]) == outputs.shape


def test_takes_any_length_in_half_precision_and_is_saved(tmp_path):
    inputs = [keras.Input((None, 3)), keras.Input((None, 2))]
    layer = UpsampleConv1D(4, 3, 4, dtype="mixed_bfloat16")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    audio = [noise(2, 9, 3), noise(2, 36, 2)]
    outputs = np.asarray(model(audio)).astype("float32")
    assert outputs.shape == (2, 36, 4)
    assert np.array_equal(outputs, np.asarray(keras.saving.load_model(tmp_path / "model.keras")(audio)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((4, 4), "kernel_size must be odd. Received: kernel_size=4"), ((4, 3, 0), "size must be .* Received: size=0")],
)
def test_wrong_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        UpsampleConv1D(*arguments)
