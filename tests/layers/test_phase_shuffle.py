import keras
import numpy as np
import pytest

from tfsep.layers import PhaseShuffle


def shifts(outputs, radius, samples=12) -> list[int]:
    """The shift of each example of `ramps`, after a check that it is one, with reflected ends."""
    found = []
    for output in np.asarray(outputs)[..., 0]:
        shift = round(float(samples // 2 - output[samples // 2]))
        assert abs(shift) <= radius
        expected = np.abs(np.arange(samples) - shift)
        expected = samples - 1 - np.abs(samples - 1 - expected)
        np.testing.assert_array_equal(output, expected)
        found.append(shift)
    return found


def ramps(batch, samples=12):
    """The number of each sample as its value, and its negative in a second channel."""
    ramp = np.tile(np.arange(samples, dtype="float32")[None, :, None], (batch, 1, 1))
    return np.concatenate([ramp, -ramp], axis=-1)


def test_each_example_is_shifted_by_its_own_number_of_samples():
    outputs = PhaseShuffle(2, seed=0)(ramps(3000), training=True)
    np.testing.assert_array_equal(outputs[..., 1], -outputs[..., 0])
    counts = np.bincount(np.array(shifts(outputs, 2)) + 2, minlength=5)
    np.testing.assert_allclose(counts / 3000, 0.2, atol=0.03)


def test_gradient_is_shifted_back():
    layer, inputs = PhaseShuffle(2, seed=1), ramps(8)
    import tensorflow as tf

    weights = tf.constant(np.random.default_rng(0).normal(size=inputs.shape).astype("float32"))
    variable = tf.Variable(inputs)
    with tf.GradientTape() as tape:
        outputs = layer(variable, training=True)
        loss = tf.reduce_sum(weights * outputs)
    gradient = tape.gradient(loss, variable).numpy()
    for example, shift in enumerate(shifts(outputs, 2)):
        expected = np.zeros_like(gradient[0])
        places = 11 - np.abs(11 - np.abs(np.arange(12) - shift))
        np.add.at(expected, places, weights.numpy()[example])
        np.testing.assert_allclose(gradient[example], expected, atol=1e-5)


def test_nothing_is_done_outside_training_or_at_radius_0():
    inputs = ramps(2)
    np.testing.assert_array_equal(PhaseShuffle(2, seed=0)(inputs), inputs)
    np.testing.assert_array_equal(PhaseShuffle(0, seed=0)(inputs, training=True), inputs)


def test_more_samples_than_the_radius_are_needed():
    with pytest.raises(ValueError, match=r"radius must be below the 12 samples\. Received: radius=12"):
        PhaseShuffle(12)(ramps(1), training=True)


def test_the_seed_decides():
    first, again, other = (PhaseShuffle(2, seed=seed)(ramps(30), training=True) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(np.asarray(first) != np.asarray(other))


def test_a_reloaded_layer_goes_on_drawing_where_it_stopped(tmp_path):
    inputs = keras.Input((12, 2))
    model = keras.Model(inputs, PhaseShuffle(2, name="shuffle")(inputs))
    model(ramps(1), training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for _ in range(3):
        expected = model(ramps(30), training=True)
        np.testing.assert_array_equal(loaded(ramps(30), training=True), expected)
    assert len(set(shifts(expected, 2))) > 1


def test_negative_radius_is_an_error():
    with pytest.raises(ValueError, match=r"radius must be an integer of at least 0. Received: radius=-1"):
        PhaseShuffle(-1)
