import inspect

import keras
import numpy as np
import pytest
from separator_case import SlowToTraceCase

import tfsep
from tfsep.models import WaveUNet
from tfsep.models.wave_unet import SIZES

# Two levels; a segment that is a length of the network.
SMALL = {"sources": ("vocals", "drums"), "sample_rate": 8000, "channels": 1, "segment": 265, "size": (8, 16, 32)}
BOTTLENECKS = ("conv", "transformer", "dual_path")


def noise(*shape):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype("float32")


def batch(model, examples=2):
    shape = (examples, model.segment + 2 * model.context, model.channels)
    sources = {name: noise(*shape) * (index + 1) for index, name in enumerate(model.sources)}
    return sum(sources.values()), sources


class TestWaveUNet(SlowToTraceCase):
    model_class = WaveUNet
    # Dropout would make the loss of a step another than that of the test.
    options = SMALL | {"dropout": 0.0}
    parameters = 39_730


@pytest.mark.parametrize(
    "bottleneck", [pytest.param(name, marks=[] if name == "transformer" else pytest.mark.slow) for name in BOTTLENECKS]
)
def test_each_bottleneck_trains_and_separates(bottleneck, tmp_path):
    keras.utils.set_random_seed(0)
    model = WaveUNet(**SMALL, bottleneck=bottleneck)
    twin = WaveUNet.from_config(model.get_config())
    assert twin.count_params() == model.count_params()
    mixture, sources = batch(model)
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    losses = model.fit(mixture, sources, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name, estimate in model(mixture[:, :331]).items():
        assert estimate.shape == (2, 331, 1)
        np.testing.assert_array_equal(loaded(mixture[:, :331])[name], estimate)


# PyTorch's LSTM has two biases, whose sum is Keras's one: 2 directions of 4 * 1024 more for each layer.
TORCH_BIASES = 2 * 4 * 1024


@pytest.mark.parametrize(("recurrent_layers", "published"), [(1, 38_907_176), (3, 89_271_592)])
def test_published_parameter_counts(recurrent_layers, published):
    model = WaveUNet(recurrent_layers=recurrent_layers)
    assert model.count_params() + recurrent_layers * TORCH_BIASES == published


def test_published_parameter_count_of_the_pytorch_wave_unet():
    # One network a source; its resampling filters are fixed and counted.
    model = WaveUNet(
        sources=("vocals",), bottleneck="conv", gated=False, resampling_taps=15, trainable_resampling=False
    )
    assert 4 * model.count_params() == 70_148_232
    filters = sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights)
    assert filters == 2 * 15 * sum(SIZES["seed"][1:])
    assert model.segment + 2 * model.context == model.input_length(model.segment)
    assert (model.input_length(88_409), model.context) == (97_961, 4_776)


def test_published_lengths():
    model = WaveUNet()
    assert (model.segment, model.context, model.input_length(model.segment)) == (132_441, 2_728, 137_897)
    layers = [layer for layer in model.network.layers if layer.name.startswith(("down", "up"))]
    outputs = [layer.output for layer in layers if layer.name.endswith(("resample", "block_2"))]
    shapes = keras.Model(model.network.input, outputs).compute_output_shape((1, 137_897, 2))
    lengths = [shape[1] for shape in shapes]
    assert lengths[1:10:2] == [34_473, 8_617, 2_153, 537, 133]
    assert lengths[11::2] == [521, 2_073, 8_281, 33_113, 132_441]
    assert [shape[2] for shape in shapes][:10:2] == [64, 128, 256, 512, 1024]


def test_default_loss_is_the_squared_error():
    model = WaveUNet(**SMALL)
    mixture, sources = batch(model)
    estimates = model.estimate(mixture)
    expected = sum(np.mean((estimates[name] - model.centre(sources[name])) ** 2) for name in sources)
    np.testing.assert_allclose(model.compute_loss(None, sources, estimates), expected, rtol=1e-5)


def test_defaults_are_the_published_configuration():
    defaults = {name: parameter.default for name, parameter in inspect.signature(WaveUNet).parameters.items()}
    assert defaults["sources"] == ("vocals", "drums", "bass", "other")
    assert (defaults["sample_rate"], defaults["channels"]) == (44100, 2)
    assert (defaults["size"], defaults["bottleneck"], defaults["dropout"]) == ("seed", "transformer", 0.2)


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_small_fits_a_package(bottleneck):
    # Two bytes a weight.
    assert 2 * WaveUNet(size="small", bottleneck=bottleneck).count_params() < 20e6


@pytest.mark.parametrize("segment", [20, 100, 264, 265, 266, 300, 1000])
@pytest.mark.parametrize("bottleneck", ["conv", "transformer"])
def test_context_fills_the_network(segment, bottleneck):
    model = WaveUNet(**{**SMALL, "segment": segment, "bottleneck": bottleneck})
    length = model.input_length(segment)
    assert model.network.compute_output_shape((1, length, 1))[1] == length - model.lost >= segment
    assert model.network.compute_output_shape((1, length - 16, 1))[1] < segment
    # The least that gives the network real samples alone.
    assert segment + model.context + model.lost // 2 == length


def test_estimates_are_aligned_with_the_mixture():
    """An impulse through an untrained network without a bottleneck of long sight stays at its place."""
    keras.utils.set_random_seed(0)
    model = WaveUNet(**{**SMALL, "segment": 300, "bottleneck": "conv"})
    mixture, _ = batch(model, 1)
    changed = mixture.copy()
    place = 150
    changed[0, model.context + place] += 1.0
    difference = np.abs(model.separate_window(changed)["vocals"] - model.separate_window(mixture)["vocals"])[0, :, 0]
    assert abs(int(np.argmax(difference)) - place) <= 8


def test_difference_makes_the_estimates_add_up():
    keras.utils.set_random_seed(0)
    model = WaveUNet(**SMALL, difference=True)
    mixture, sources = batch(model)
    assert model.network.output_shape[-1] == 1
    for training in (False, True):
        estimates = model.estimate(mixture, training=training)
        np.testing.assert_allclose(sum(estimates.values()), model.centre(mixture), atol=1e-6)
    model.compile("adam", run_eagerly=True)
    model.fit(mixture, sources, verbose=0)
    assert WaveUNet.from_config(model.get_config()).difference
    free = WaveUNet(**SMALL)(mixture)
    assert np.abs(sum(free.values()) - mixture).max() > 0.01


def test_outputs_are_linear():
    model = WaveUNet(**SMALL)
    model.network.get_layer("output").bias.assign([1.0, 100.0])
    estimates = model(noise(1, 265, 1))
    assert np.abs(estimates["drums"]).min() > 1


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_batch_size_changes_nothing(bottleneck):
    keras.utils.set_random_seed(0)
    model, song = WaveUNet(**SMALL, bottleneck=bottleneck), noise(2000, 1)
    alone = tfsep.separate(song, model, sample_rate=8000, batch_size=1)
    together = tfsep.separate(song, model, sample_rate=8000, batch_size=4)
    for name in model.sources:
        np.testing.assert_allclose(together[name], alone[name], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"size": "large"},
            "size must be one of ['small', 'base', 'seed'] or a list of filters. Received: size='large'",
        ),
        ({"size": (8, 16)}, "two levels"),
        ({"size": (8, 16, 20)}, "filters must be a multiple of 8. Received: filters=20"),
        ({"bottleneck": "lstm"}, "bottleneck must be one of"),
        ({"recurrent_layers": 0}, "recurrent_layers must be an integer of at least 1. Received: recurrent_layers=0"),
        ({"resampling_taps": 20}, "taps must be an odd number"),
        ({"segment": 0}, "segment must be an integer"),
        ({"sources": ("vocals",), "difference": True}, "difference=True needs two or more sources"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        WaveUNet(**{**SMALL, **arguments})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
