import keras
import numpy as np
import pytest

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


def stacked(sources=3):
    generator = np.random.default_rng(0)
    return np.abs(generator.normal(size=(2, 4, sources, 5, 6, 1))).astype("float32")


@pytest.mark.parametrize("sources", [1, 2, 3, 4])
@pytest.mark.parametrize("gamma", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("kind", ["mse", "kl"])
def test_discriminative_losses_by_plain_numpy(kind, gamma, sources):
    references, estimates = stacked(sources).astype("float64")

    def error(reference, estimate):
        if kind == "mse":
            return np.mean((estimate - reference) ** 2)
        return np.mean(reference * np.log((reference + 1e-3) / (estimate + 1e-3)) - reference + estimate)

    expected = 0
    for i in range(sources):
        others = [error(references[:, j], estimates[:, i]) for j in range(sources) if j != i]
        expected += error(references[:, i], estimates[:, i]) - gamma * (np.mean(others) if others else 0)
    classes = {"mse": losses.DiscriminativeMeanSquaredError, "kl": losses.DiscriminativeKullbackLeibler}
    found = sources * np.asarray(classes[kind](gamma)(references.astype("float32"), estimates.astype("float32")))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_gamma_has_the_published_default():
    assert losses.DiscriminativeMeanSquaredError().gamma == losses.DiscriminativeKullbackLeibler().gamma == 0.05


def test_kullback_leibler_is_zero_for_equals_and_finite_at_silence():
    import tensorflow as tf

    loss = losses.DiscriminativeKullbackLeibler(gamma=0.0)
    references, _ = stacked()
    np.testing.assert_allclose(loss(references, references), 0, atol=1e-6)
    for reference, estimate in ((0.0, 0.0), (0.0, 1e6), (1e6, 0.0)):
        estimates = tf.Variable(np.full((1, 2, 3), estimate, "float32"))
        with tf.GradientTape() as tape:
            value = loss(np.full((1, 2, 3), reference, "float32"), estimates)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, estimates)).all()


@pytest.mark.parametrize(
    "loss", [losses.DiscriminativeMeanSquaredError(0.1), losses.DiscriminativeKullbackLeibler(0.1)]
)
def test_discriminative_losses_reload(loss):
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (type(twin), twin.gamma) == (type(loss), 0.1)
