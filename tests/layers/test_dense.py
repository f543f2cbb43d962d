import numpy as np
import pytest

from tfsep.layers.dense import Dense


@pytest.mark.parametrize("shape", [(3, 1, 150, 2), (2, 8, 5, 2), (4, 2), (0, 3, 2)])
def test_product_is_that_of_matrices(noise, shape):
    layer = Dense(32, bias_initializer="normal")
    inputs = noise(int(np.prod(shape[:-1])), 2).reshape(shape)
    for _ in range(5):  # the memory that Keras's layer would overwrite is not always in use
        outputs = np.asarray(layer(inputs))
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(outputs, inputs @ kernel + bias, atol=1e-6)
    assert layer.compute_output_shape(shape) == outputs.shape
