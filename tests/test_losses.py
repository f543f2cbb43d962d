import keras
import numpy as np

from tfsep import losses


def test_mean_absolute_and_squared_error():
    generator = np.random.default_rng(0)
    references, estimates = generator.normal(size=(2, 3, 2, 50, 2)).astype("float32")
    error = estimates - references
    loss = losses.MeanAbsoluteAndSquaredError()
    np.testing.assert_allclose(loss(references, estimates), np.mean(np.abs(error)) + np.mean(error**2), rtol=1e-5)
    assert float(loss(references, references)) == 0


def test_its_gradient_does_not_die_at_small_errors():
    import tensorflow as tf

    estimate = tf.Variable([[1e-6]])
    with tf.GradientTape() as tape:
        loss = losses.MeanAbsoluteAndSquaredError()(tf.zeros((1, 1)), estimate)
    np.testing.assert_allclose(tape.gradient(loss, estimate), [[1.0]], rtol=1e-4)


def test_reload():
    config = keras.saving.serialize_keras_object(losses.MeanAbsoluteAndSquaredError())
    assert isinstance(keras.saving.deserialize_keras_object(config), losses.MeanAbsoluteAndSquaredError)
