import keras
import numpy as np
import pytest
from separator_case import SlowToTraceCase

import tfsep
from tfsep.models import ClassicWaveUNet

SMALL = {"sample_rate": 8000, "segment": 64, "filters": 4, "depth": 3}
NAMES = ("M1", "M2", "M3", "M4", "M5", "M6")


def noise(*shape):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype("float32")


def with_random_weights(model):
    """Biases, which start as zeros, would otherwise hide what depends on the level."""
    generator = np.random.default_rng(1)
    model.set_weights([weight + generator.normal(0, 0.05, weight.shape) for weight in model.get_weights()])
    return model


class TestClassicWaveUNet(SlowToTraceCase):
    model_class = ClassicWaveUNet
    options = SMALL | {"sources": ("vocals", "drums"), "learned_upsampling": True}
    parameters = 7_754


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("M1", 10_263_028),
        # 26 for the output that is a difference.
        ("M2", 10_263_028 - 26),
        # 24 * 15 for the second channel in the first kernel, and the output's 26 on two channels: 27 each.
        ("M4", 10_263_028 - 52 + 24 * 15 + 2 * 27),
    ],
)
def test_published_parameter_counts(name, parameters):
    assert ClassicWaveUNet.published(name).count_params() == parameters


def test_published_lengths():
    model = ClassicWaveUNet(segment=16_389)
    assert (model.context, model.segment + 2 * model.context) == (65_527, 147_443)
    assert model.network.compute_output_shape((1, 147_443, 2)) == (1, 16_389, 6)
    assert ClassicWaveUNet.published("M1").network.compute_output_shape((1, 16_384, 1)) == (1, 16_384, 2)
    # Windows of the default overlap begin at multiples of the decimation.
    default = ClassicWaveUNet()
    assert default.segment * 3 // 4 % 2**default.depth == 0


def test_published_configurations():
    models = {name: ClassicWaveUNet.published(name, depth=2, filters=4) for name in NAMES}
    assert [model.channels for model in models.values()] == [1, 1, 1, 2, 2, 2]
    assert [model.difference for model in models.values()] == [False, True, True, True, True, True]
    assert [model.padding for model in models.values()] == ["same", "same", *["valid"] * 4]
    assert [model.learned_upsampling for model in models.values()] == [*[False] * 4, True, False]
    assert all(model.sources == ("vocals", "accompaniment") for name, model in models.items() if name != "M6")
    assert models["M6"].sources == ("vocals", "drums", "bass", "other")
    assert {model.sample_rate for model in models.values()} == {22050}
    with pytest.raises(ValueError, match=r"name must be one of .* Received: name='M8'"):
        ClassicWaveUNet.published("M8")


def convolved(x, layer, padding):
    kernel, bias = (np.asarray(weight, "float64") for weight in layer.weights)
    if padding == "same":
        x = np.pad(x, ((0, 0), (len(kernel) // 2, len(kernel) // 2), (0, 0)))
    length = x.shape[1] - len(kernel) + 1
    return sum(x[:, tap : tap + length] @ kernel[tap] for tap in range(len(kernel))) + bias


def network_of(x, model):
    """The published network in plain numpy, with linear interpolation."""

    def block(x, name):
        x = convolved(x, model.network.get_layer(f"{name}_conv"), model.padding)
        return np.maximum(x, 0.2 * x)

    def joined(skip, x):
        cut = (skip.shape[1] - x.shape[1]) // 2
        return np.concatenate([skip[:, cut : cut + x.shape[1]], x], axis=-1)

    mixture, skips = x, []
    for level in range(1, model.depth + 1):
        skips.append(block(x, f"down_{level}"))
        x = skips[-1][:, ::2]
    x = block(x, "bottleneck")
    for level in range(model.depth, 0, -1):
        doubled = np.repeat(x, 2, axis=1)
        doubled[:, 1:-1:2] = (x[:, :-1] + x[:, 1:]) / 2
        x = block(joined(skips[level - 1], doubled[:, :-1] if model.padding == "valid" else doubled), f"up_{level}")
    return convolved(joined(mixture, x), model.network.get_layer("output"), model.padding)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_network_is_the_formula(padding):
    model = with_random_weights(ClassicWaveUNet(**SMALL, padding=padding))
    mixture = noise(2, model.input_length(64), 2)
    expected = network_of(mixture, model)
    assert expected.shape[1] == len(mixture[0]) - model.lost
    np.testing.assert_allclose(model.network(mixture), expected, atol=1e-4)


@pytest.mark.parametrize("name", NAMES[1:])
def test_difference_makes_the_estimates_add_up(name):
    model = with_random_weights(ClassicWaveUNet.published(name, **SMALL))
    mixture = noise(2, 331, model.channels)
    np.testing.assert_allclose(sum(model(mixture).values()), mixture, atol=1e-6)


@pytest.mark.parametrize("name", NAMES[2:])
def test_context_leaves_no_seam(name):
    song = noise(1500, ClassicWaveUNet.published(name, **SMALL).channels)
    song[700:] *= 0.1
    found = []
    # Three quarters of each segment are a multiple of the decimation by 8.
    for segment, batch_size in ((64, 1), (160, 3)):
        keras.utils.set_random_seed(0)
        model = with_random_weights(ClassicWaveUNet.published(name, **{**SMALL, "segment": segment}))
        found.append(tfsep.separate(song, model, sample_rate=8000, batch_size=batch_size))
    for source in found[0]:
        assert np.abs(found[0][source]).max() > 0.1
        np.testing.assert_allclose(found[0][source], found[1][source], atol=1e-4)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_batch_size_changes_nothing(padding):
    model = with_random_weights(ClassicWaveUNet(**SMALL, padding=padding))
    song = noise(1000, 2)
    alone = tfsep.separate(song, model, sample_rate=8000, batch_size=1)
    together = tfsep.separate(song, model, sample_rate=8000, batch_size=5)
    for name in model.sources:
        np.testing.assert_allclose(together[name], alone[name], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "causal"}, "padding must be 'valid' or 'same'. Received: padding='causal'"),
        ({"filters": 0}, "filters must be an integer of at least 1. Received: filters=0"),
        ({"depth": 0}, "depth must be an integer of at least 1. Received: depth=0"),
        ({"sources": ("vocals",)}, "difference=True needs two or more sources"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        ClassicWaveUNet(**{**SMALL, **arguments})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
