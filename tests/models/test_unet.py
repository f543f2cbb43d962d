import keras
import numpy as np
import pytest
from separator_case import SeparatorCase

from tfsep.models import UNet

SMALL = {"sample_rate": 8000, "segment": 1024, "filters": 4, "depth": 3}


class TestUNet(SeparatorCase):
    model_class = UNet
    options = SMALL
    parameters = 15_630


@pytest.fixture(scope="module")
def published():
    return UNet()


def test_published_parameter_count(published):
    assert published.count_params() == 985_978
    assert sum(weight.size for weight in map(np.asarray, published.trainable_weights)) == 984_474


def test_published_configuration(published):
    config = published.get_config()
    expected = {"sources": ["vocals", "drums"], "sample_rate": 11025, "channels": 1, "segment": 75008, "context": 0}
    assert config.items() >= expected.items()
    blocks = [layer for layer in published.network.layers if layer.name.endswith("conv")]
    down = [(layer.filters, *layer.kernel_size) for layer in blocks[:6]]
    up = [(layer.filters, *layer.kernel_size) for layer in blocks[6:]]
    assert down == [(8, 15), (16, 15), (32, 15), (64, 15), (128, 15), (256, 15)]
    assert up == [(128, 5), (64, 5), (32, 5), (16, 5), (8, 5)]
    slopes = [layer.negative_slope for layer in published.network.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert slopes == pytest.approx([0.1] * 11)


def test_published_lengths(published):
    layers = [layer for layer in published.network.layers if layer.name.endswith("activation")]
    activations = keras.Model(published.network.input, [layer.output for layer in layers])
    shapes = activations.compute_output_shape((1, 75008, 1))
    lengths = [shape[1] for shape in shapes]
    assert lengths == [75008, 37504, 18752, 9376, 4688, 2344, 4688, 9376, 18752, 37504, 75008]


def test_heads_are_bounded_in_the_network_and_not_in_the_model():
    model = UNet(**SMALL)
    model.network.get_layer("head_vocals").bias.assign([10.0])
    for level in (0.01, 100.0):
        mixture = np.full((1, 1024, 1), level, "float32")
        # tanh saturates at 1 where the mixture has 0.1 RMS.
        np.testing.assert_allclose(model(mixture)["vocals"], 10 * mixture, rtol=1e-3)


def test_batch_normalization_uses_moving_statistics_at_inference_and_updates_them_in_training():
    keras.utils.set_random_seed(0)
    model = UNet(**SMALL)
    mixture = np.random.default_rng(0).normal(0, 0.1, (2, 1024, 1)).astype("float32")
    norm = model.network.get_layer("down_1_norm")
    inference, training = model(mixture), model(mixture, training=True)
    assert np.abs(inference["vocals"] - training["vocals"]).max() > 1e-3
    moved = norm.moving_mean.numpy()
    assert np.any(moved)
    model(mixture)
    assert np.array_equal(norm.moving_mean, moved)
    norm.moving_mean.assign(moved + 1.0)
    assert np.abs(model(mixture)["vocals"] - inference["vocals"]).max() > 1e-3


def test_stereo_with_three_sources():
    keras.utils.set_random_seed(0)
    model = UNet(sources=("vocals", "drums", "bass"), channels=2, **SMALL)
    generator = np.random.default_rng(0)
    sources = {name: generator.normal(0, 0.1, (2, 1024, 2)).astype("float32") for name in model.sources}
    mixture = sum(sources.values())
    estimates = model(mixture[:, :101])
    assert list(estimates) == ["vocals", "drums", "bass"]
    assert {tuple(estimate.shape) for estimate in estimates.values()} == {(2, 101, 2)}
    model.compile("adam", run_eagerly=True)
    logs = model.fit(mixture, sources, verbose=0).history
    assert logs.keys() == {"loss", "vocals_loss", "drums_loss", "bass_loss"}
    assert logs["loss"][0] == pytest.approx(sum(logs[f"{name}_loss"][0] for name in sources), rel=1e-5)


def test_names_of_sources_are_free(tmp_path):
    model = UNet(sources=("lead vocals", "Bläser (live)"), **SMALL)
    model.export(tmp_path / "exported")
    assert list(model(np.ones((1, 10, 1), "float32"))) == ["lead vocals", "Bläser (live)"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "filters must be an integer of at least 1. Received: filters=0"),
        ({"depth": -1}, "depth must be an integer of at least 0. Received: depth=-1"),
        ({"depth": 2.5}, "depth must be an integer"),
        ({"kernel": 3}, "kernel"),
        ({"dtype": "float23"}, "float23"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        UNet(**{**SMALL, **arguments})
    assert "\n" not in str(error.value)
