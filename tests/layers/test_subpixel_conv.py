"""Tests of `SubpixelConv2DTranspose`."""

import keras
import numpy as np
import pytest

from tfsep.layers import SubpixelConv2DTranspose


@pytest.mark.parametrize(("filters", "use_bias"), [(1, True), (3, True), (1, False)])
def test_outputs_are_those_of_keras(filters, use_bias):
    inputs = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype("float32")
    ours = SubpixelConv2DTranspose(filters, bias_initializer="normal", activation="relu", use_bias=use_bias)
    plain = keras.layers.Conv2DTranspose(filters, 5, 2, padding="same", activation="relu", use_bias=use_bias)
    outputs = ours(inputs)
    plain.build(inputs.shape)
    plain.set_weights(ours.get_weights())
    assert outputs.shape == tuple(ours.compute_output_shape(inputs.shape)) == (2, 12, 10, filters)
    np.testing.assert_allclose(outputs, plain(inputs), atol=1e-5)


def test_configuration():
    layer = SubpixelConv2DTranspose(2, name="last")
    assert SubpixelConv2DTranspose.from_config(layer.get_config()).get_config() == layer.get_config()
