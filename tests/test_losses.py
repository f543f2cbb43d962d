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


@pytest.mark.parametrize("gamma", [-0.1, 1.0, float("nan"), "big", None])
@pytest.mark.parametrize("loss", [losses.DiscriminativeMeanSquaredError, losses.DiscriminativeKullbackLeibler])
def test_gamma_that_cannot_work(loss, gamma):
    with pytest.raises(ValueError, match="gamma must be"):
        loss(gamma)


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


@pytest.mark.parametrize("floor", [1e-3, 0.1])
def test_negative_sdr_by_plain_numpy(floor):
    references, estimates = stacked(3).astype("float64")
    axes = (2, 3, 4)
    energies = np.sum(references**2, axis=axes)
    mixture = floor * np.sum(energies, axis=1, keepdims=True)
    errors = np.sum((estimates - references) ** 2, axis=axes)
    expected = 10 * np.log10((errors + mixture) / (energies + mixture))
    found = losses.NegativeSDR(floor).call(references.astype("float32"), estimates.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_negative_sdr_is_the_sdr_where_no_floor_is_near():
    references, _ = stacked(2)
    estimates = references * np.asarray([1.1, 0.5]).reshape(1, 2, 1, 1, 1)
    # 10 % and 50 % of the amplitude missing: 20 and 6.02 dB.
    found = losses.NegativeSDR(1e-7).call(references, estimates.astype("float32"))
    np.testing.assert_allclose(found, np.broadcast_to([-20.0, -6.0206], found.shape), atol=1e-2)


def test_negative_sdr_does_not_depend_on_level():
    references, estimates = stacked(2)
    values = losses.NegativeSDR().call(references, estimates)
    np.testing.assert_allclose(losses.NegativeSDR().call(0.25 * references, 0.25 * estimates), values, atol=1e-3)


@pytest.mark.parametrize("silent", [[0], [1], [0, 1]])
def test_negative_sdr_and_its_gradient_are_finite_at_silence(silent):
    import tensorflow as tf

    references, _ = stacked(2)
    references[:, silent] = 0
    for start in (np.zeros_like(references), references, np.ones_like(references)):
        estimates = tf.Variable(start)
        with tf.GradientTape() as tape:
            value = losses.NegativeSDR()(references, estimates)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, estimates)).all()


def test_negative_sdr_reloads():
    loss = losses.NegativeSDR(floor=0.01)
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (type(twin), twin.floor) == (losses.NegativeSDR, 0.01)


@pytest.mark.parametrize("floor", [0, -1.0, float("nan"), "soft"])
def test_negative_sdr_refuses_a_floor_that_cannot_hold(floor):
    with pytest.raises(ValueError, match="floor must be"):
        losses.NegativeSDR(floor)


SOURCES = ("vocals", "drums", "bass", "other")


@pytest.mark.parametrize("other", [0.0, 0.7])
@pytest.mark.parametrize("order", [SOURCES, SOURCES[::-1]])
def test_convsep_loss_by_plain_numpy(order, other):
    references, estimates = stacked(4).astype("float64")
    ramp = np.linspace(1, 0.5, references.shape[-2])[:, None]

    def error(estimated, reference):
        difference = estimates[:, order.index(estimated)] - references[:, order.index(reference)]
        return np.sum((ramp * difference) ** 2)

    targets = ("vocals", "drums", "bass")
    expected = sum(error(name, name) for name in targets)
    expected -= 0.001 * sum(error(i, j) for i in targets for j in targets if i != j)
    expected -= 0.01 * (error("bass", "other") + error("drums", "other"))
    expected -= 0.03 * error("vocals", "other")
    expected += other * error("other", "other")
    found = losses.ConvSepLoss(order, other=other).call(references.astype("float32"), estimates.astype("float32"))
    assert found.shape == references.shape
    np.testing.assert_allclose(np.sum(found, dtype="float64"), expected, rtol=1e-5)


def test_convsep_loss_of_ikala_by_plain_numpy():
    references, estimates = stacked(2).astype("float64")

    def error(i, j):
        return np.sum((estimates[:, i] - references[:, j]) ** 2)

    expected = error(0, 0) + 0.9 * error(1, 1) - 0.02 * error(0, 1)
    loss = losses.ConvSepLoss(("vocals", "accompaniment"), beta_vocals=0.02, other=0.9, ramp=1.0)
    found = loss.call(references.astype("float32"), estimates.astype("float32"))
    np.testing.assert_allclose(np.sum(found, dtype="float64"), expected, rtol=1e-5)


def test_convsep_loss_of_other_source_sets():
    references, estimates = stacked(2)
    found = losses.ConvSepLoss(("vocals", "drums"), ramp=1.0).call(references, estimates)
    squares = np.square(estimates[:, :, None] - references[:, None])
    np.testing.assert_allclose(found[:, 0], squares[:, 0, 0] - 0.001 * squares[:, 0, 1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[:, 1], squares[:, 1, 1] - 0.001 * squares[:, 1, 0], rtol=1e-4, atol=1e-6)
    found = losses.ConvSepLoss(("other",)).call(references[:, :1], estimates[:, :1])
    assert not np.any(found)


def test_convsep_loss_falls_on_below_zero():
    import tensorflow as tf

    # Estimates that are perfect, and others that are nothing like the rest: the loss is negative, and its
    # gradient drives vocals away from the other source still, where an absolute value would turn it round.
    references = np.zeros((1, 4, 1, 2, 1), "float32")
    references[:, 3] = 10.0
    estimates = tf.Variable(np.zeros_like(references))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(losses.ConvSepLoss().call(references, estimates))
    assert loss < 0
    gradient = tape.gradient(loss, estimates)
    np.testing.assert_allclose(np.ravel(gradient[:, 0]), 2 * 0.03 * 10 * np.array([1, 0.25]), rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_convsep_loss_wants_its_sources():
    with pytest.raises(
        ValueError, match=r"The loss is for \['vocals', 'drums', 'bass', 'other'\]. Received: 2 sources"
    ):
        losses.ConvSepLoss()(*stacked(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": "x"}, "alpha must be a number of at least 0. Received: alpha='x'"),
        ({"beta": -1}, "beta must be a number of at least 0. Received: beta=-1"),
        ({"ramp": float("nan")}, "ramp must be a number of at least 0. Received: ramp=nan"),
        ({"alpha": 0.5}, "must subtract less than a target's own error. Received: alpha=0.5, beta=0.01"),
        ({"beta_vocals": 0.999}, "must subtract less"),
    ],
)
def test_convsep_loss_refuses_weights_without_a_lower_bound(arguments, message):
    with pytest.raises(ValueError, match=message):
        losses.ConvSepLoss(**arguments)


def test_convsep_loss_reloads():
    loss = losses.ConvSepLoss(("a", "other"), 0.1, 0.2, 0.3, 0.4, 0.5)
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(twin) is type(loss)
    assert twin.get_config() == loss.get_config()


def test_convsep_loss_of_complex_spectrograms_weighs_the_same_bins():
    references, estimates = stacked(4)
    zeros = np.zeros_like(references)
    loss = losses.ConvSepLoss()
    found = loss.call(np.stack([references, zeros], -1), np.stack([estimates, zeros], -1))
    np.testing.assert_allclose(found[..., 0], loss.call(references, estimates), rtol=1e-5)
    assert not np.any(found[..., 1])
