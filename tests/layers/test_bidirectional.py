import keras
import numpy as np
import pytest
from keras.src.saving import serialization_lib

from tfsep.layers import Bidirectional


@pytest.fixture
def frames():
    return np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")


@pytest.mark.parametrize("cell", ["SimpleRNN", "GRU", "LSTM"])
def test_is_what_keras_has(cell, frames):
    keras.utils.set_random_seed(0)
    layer = Bidirectional(cell, 3)
    expected = keras.layers.Bidirectional(getattr(keras.layers, cell)(3, return_sequences=True))
    outputs = layer(frames)
    expected.build(frames.shape)
    expected.set_weights(layer.get_weights())
    assert outputs.shape == layer.compute_output_shape(frames.shape) == (2, 7, 6)
    np.testing.assert_allclose(outputs, expected(frames), atol=1e-6)
    assert not np.array_equal(layer.forward_layer.get_weights()[0], layer.backward_layer.get_weights()[0])


def test_reloads_with_its_options(frames):
    layer = Bidirectional("GRU", 3, {"reset_after": False}, name="both")
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    twin.build(frames.shape)
    layer.build(frames.shape)
    assert twin.get_config() == layer.get_config()
    assert [array.shape for array in twin.get_weights()] == [(4, 9), (3, 9), (9,)] * 2
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(frames), layer(frames))


def test_takes_no_layer_of_another_during_a_load():
    """Keras's own layer fails here now and then."""
    with serialization_lib.ObjectSharingScope():
        made = [Bidirectional("GRU", 2 + number % 3, name=f"both_{number}") for number in range(200)]
    parts = [part for layer in made for part in (layer.forward_layer, layer.backward_layer)]
    assert len(set(map(id, parts))) == 400
    assert [part.go_backwards for part in parts] == [False, True] * 200
    assert [part.units for part in parts] == [layer.units for layer in made for _ in range(2)]
