import keras
import numpy as np
import pytest
import tensorflow as tf

from tfsep.models import DRNN
from tfsep.training import fit_lbfgs
from tfsep.training.lbfgs import _objective, _Weights

SMALL = {"sample_rate": 8000, "segment": 512, "n_fft": 32, "hop": 16, "units": 6, "hidden_layers": 1}


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = DRNN(**SMALL, recurrent_layers=())
    # Masks of outputs near zero are too steep for the differences that are taken below.
    model.network.get_layer("heads").bias.assign(np.full(34, 0.1))
    return model


@pytest.fixture
def batches():
    generator = np.random.default_rng(0)
    time = np.arange(512) / 8000
    voices = np.stack([np.sin(2 * np.pi * pitch * time) for pitch in (300, 500, 700, 900, 1100)])[..., np.newaxis]
    sources = {
        "vocals": (0.1 * voices).astype("float32"),
        "accompaniment": generator.normal(0, 0.05, (5, 512, 1)).astype("float32"),
    }
    dataset = tf.data.Dataset.from_tensor_slices((sum(sources.values()), sources))
    return dataset.batch(2)  # the last one contains one example


def loss_of(model, batches):
    mixture, sources = next(iter(batches.unbatch().batch(5)))
    return float(model.compute_loss(mixture, sources, model(mixture, training=True)))


def test_objective_is_the_mean_over_all_examples_with_its_gradient(model, batches):
    weights = _Weights(model.trainable_variables)
    objective = _objective(model, weights, batches)
    vector = weights.get()
    loss, gradient = objective(vector)
    assert loss == pytest.approx(loss_of(model, batches), rel=1e-5)
    direction = gradient / np.linalg.norm(gradient)
    step = 1e-3
    slope = (objective(vector + step * direction)[0] - objective(vector - step * direction)[0]) / (2 * step)
    assert slope == pytest.approx(np.linalg.norm(gradient), rel=0.05)


def test_minimises_better_than_as_many_steps_of_gradient_descent(model, batches):
    twin = DRNN.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    before = loss_of(model, batches)
    history = fit_lbfgs(model, batches, iterations=20)
    after = loss_of(model, batches)
    assert len(history["loss"]) == 20
    assert history["loss"] == sorted(history["loss"], reverse=True)
    assert after == pytest.approx(history["loss"][-1], rel=1e-4)
    twin.compile(keras.optimizers.SGD(0.1))
    twin.fit(batches.unbatch().batch(5).repeat(), steps_per_epoch=20, verbose=0, shuffle=False)
    assert after < loss_of(twin, batches) < before


def test_keeps_the_best_scored_weights_and_stops_when_patience_is_over(model, batches):
    scores = iter([1.0, 3.0, 2.0, 2.0, 9.0])
    seen, kept = [], []

    def score(model):
        kept.append(model.get_weights())
        return next(scores)

    def callback(iteration, logs):
        seen.append((iteration, logs))

    history = fit_lbfgs(model, batches, iterations=40, score=score, score_every=2, patience=2, callback=callback)
    assert history["score"] == [(2, 1.0), (4, 3.0), (6, 2.0), (8, 2.0)]
    assert len(history["loss"]) == 8
    assert [iteration for iteration, _ in seen] == list(range(1, 9))
    assert [("score" in logs) for _, logs in seen] == [False, True] * 4
    for weight, best in zip(model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(weight, best)


def test_compiled_loss_counts(model, batches):
    model.compile(loss=keras.losses.MeanAbsoluteError())
    history = fit_lbfgs(model, batches, iterations=1)
    assert history["loss"][0] == pytest.approx(loss_of(model, batches), rel=1e-4)


@pytest.mark.parametrize("arguments", [{"iterations": 0}, {"corrections": 0}, {"score_every": -1}])
def test_wrong_arguments(model, batches, arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer of at least 1"):
        fit_lbfgs(model, batches, **arguments)


@pytest.mark.parametrize("arguments", [{"patience": 1}, {"patience": 0, "score": float}])
def test_patience_needs_a_score(model, batches, arguments):
    with pytest.raises(ValueError, match="patience must be at least 1, and needs a score"):
        fit_lbfgs(model, batches, **arguments)


def test_batches_that_are_used_up(model, batches):
    with pytest.raises(ValueError, match="only once"):
        fit_lbfgs(model, iter(list(batches)))


@pytest.mark.parametrize(("every", "scored"), [(2, [2, 3]), (3, [3]), (20, [3])])
def test_the_last_weights_are_scored_as_well(model, batches, every, scored):
    history = fit_lbfgs(model, batches, iterations=3, score=lambda model: 1.0, score_every=every)
    assert [iteration for iteration, _ in history["score"]] == scored


def test_no_batches(model):
    with pytest.raises(ValueError, match="batches is empty"):
        fit_lbfgs(model, [])


def test_no_number(model, batches):
    model.trainable_variables[0].assign(tf.fill(model.trainable_variables[0].shape, np.nan))
    with pytest.raises(RuntimeError, match="The loss is nan at the start"):
        fit_lbfgs(model, batches)
