import keras
import numpy as np
import pytest
from separator_case import SlowToTraceCase

from tfsep.models import CRN

SMALL = {"sample_rate": 8000, "segment": 992, "n_fft": 64, "hop": 32, "filters": (4, 8), "units": 6}

WITH_LAYERS_OVER_BINS = {**SMALL, "bin_units": 3}


class TestCRN(SlowToTraceCase):
    model_class = CRN
    options = WITH_LAYERS_OVER_BINS
    parameters = 4_380


def mixture(samples=992, channels=1, examples=2):
    return np.random.default_rng(0).normal(0, 0.1, (examples, samples, channels)).astype("float32")


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return CRN(**SMALL)


def magnitudes(frames=32):
    return np.random.default_rng(0).uniform(0.1, 1, (1, frames, 33, 1)).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channels": 2},
        {"channels": 2, "joint": True},
        {"mask": "abs"},
        {"sources": ("a", "b", "c")},
        {"bin_units": 3},
    ],
)
def test_estimates_add_up_to_the_mixture(options):
    model = CRN(**{**SMALL, **options})
    for samples in (1, 33, 5000):
        audio = mixture(samples, model.channels)
        np.testing.assert_allclose(sum(model(audio).values()), audio, atol=1e-5)


def test_channels_are_separated_one_by_one(small):
    stereo = CRN(**SMALL, channels=2)
    stereo.set_weights(small.get_weights())
    left = mixture()
    for name, estimate in stereo(np.concatenate([left, -left], axis=-1)).items():
        np.testing.assert_allclose(estimate[..., :1], small(left)[name], atol=1e-5)
        np.testing.assert_allclose(estimate[..., 1:], -small(left)[name], atol=1e-5)


def test_joint_channels_are_heard_by_each_other():
    keras.utils.set_random_seed(0)
    model = CRN(**SMALL, channels=2, joint=True)
    left, right = mixture(), mixture()[::-1]
    both, changed = (model(np.concatenate([left, other], axis=-1))["vocals"] for other in (right, 2 * right))
    assert not np.allclose(both[..., 0], changed[..., 0], atol=1e-4)


def test_joint_outputs_are_in_the_order_of_sources_and_channels():
    model = CRN(**SMALL, channels=2, joint=True, sources=("a", "b", "c"))
    stereo = np.repeat(magnitudes(), 2, axis=-1)
    outputs = np.asarray(model.network(stereo[:, :, :-1] ** np.float32(0.3)))
    for index, output in enumerate(model.outputs(stereo, False)):
        np.testing.assert_allclose(output, outputs[..., 2 * index : 2 * index + 2], atol=1e-6)
    weights = model.source_weights()
    assert [part for _, part in weights["b"]] == [(..., slice(2, 4))] * 2


def test_every_source_has_its_own_mask(small):
    masks = np.asarray(small.masks(magnitudes(), False))
    outputs = np.asarray(small.network(magnitudes()[:, :, :-1] ** np.float32(0.3)))
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(masks[:, 0, :, :-1, 0], np.moveaxis(shares[0], -1, 0), rtol=1e-4)
    assert np.array_equal(masks[:, :, :, -1], masks[:, :, :, -2])


def test_bins_above_the_received_ones():
    keras.utils.set_random_seed(0)
    model = CRN.from_config(CRN(**SMALL, input_bins=16, overlap=0.5).get_config())
    assert model.overlap == 0.5
    masks, changed = np.asarray(model.masks(magnitudes(), False)), magnitudes()
    assert np.array_equal(masks[:, :, :, 16:], np.repeat(masks[:, :, :, 15:16], 17, axis=3))
    changed[:, :, 16:] *= 2
    assert np.array_equal(model.masks(changed, False), masks)
    changed[:, :, 15] *= 2
    assert not np.array_equal(model.masks(changed, False), masks)


def test_recurrence_carries_what_convolutions_do_not_reach():
    keras.utils.set_random_seed(0)
    model = CRN(**SMALL)
    changed = magnitudes(256)
    changed[:, :8] *= 2

    def arrives_at_the_end() -> bool:
        before, after = (np.asarray(model.outputs(values, False)) for values in (magnitudes(256), changed))
        return not np.array_equal(before[:, :, 64:], after[:, :, 64:])

    assert arrives_at_the_end()
    expand = model.network.get_layer("expand")
    expand.kernel.assign(np.zeros(expand.kernel.shape))
    assert not arrives_at_the_end()


def test_layers_over_the_bins_carry_features_to_all_of_them(small):
    model = CRN.from_config(CRN(**SMALL, bin_units=5).get_config())
    for layer in small.network.layers:
        model.network.get_layer(layer.name).set_weights(layer.get_weights())

    def reached(model) -> np.ndarray:
        """The bins of the first level, of 16, whose features change with the lowest bin of the spectrogram."""
        changed = magnitudes()
        changed[:, :, 0] *= 2
        level = keras.Model(model.network.input, model.network.get_layer("down_2").input)
        before, after = (np.asarray(level(values[:, :, :-1])) for values in (magnitudes(), changed))
        return np.flatnonzero((before != after).any(axis=(0, 1, 3)))

    assert len(reached(model)) == 16
    for layer in model.network.layers:
        if layer.name.endswith("_bins_expand"):
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    assert len(reached(model)) < 4
    np.testing.assert_array_equal(model.masks(magnitudes(), False), small.masks(magnitudes(), False))


def test_dropout_acts_in_training_alone():
    model = CRN(**SMALL, dropout=0.5)
    assert np.array_equal(model.outputs(magnitudes(), False), model.outputs(magnitudes(), False))
    assert not np.array_equal(model.outputs(magnitudes(), True), model.outputs(magnitudes(), True))


def test_learns():
    keras.utils.set_random_seed(0)
    model = CRN(**SMALL)
    sources = {name: mixture(examples=4) for name in model.sources}
    sources["vocals"] = np.sin(np.arange(992, dtype="float32"))[None, :, None] * sources["vocals"]
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    losses = model.fit(sum(sources.values()), sources, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": (4, 8, 8, 8, 8, 8)}, "input_bins must be a multiple of 2 to the number of filters"),
        ({"filters": ()}, r"filters must be a sequence.*Received: filters=\(\)"),
        ({"filters": 4}, "filters must be a sequence.*Received: filters=4"),
        ({"input_bins": 18}, "input_bins must be a multiple.*Received: input_bins=18"),
        ({"input_bins": 64}, "n_fft / 2 at most. Received: input_bins=64"),
        ({"input_bins": 0}, "input_bins must be an integer"),
        ({"filters": (4, 0)}, "filters must be an integer of at least 1. Received: filters=0"),
        ({"units": 0}, "units must be an integer"),
        ({"bin_units": -1}, "bin_units must be an integer of at least 0"),
        ({"compression": 2.0}, "compression must be a number above 0 and at most 1"),
        ({"overlap": 1}, "overlap must be a number of at least 0 and below 1. Received: overlap=1"),
        ({"dropout": "much"}, "dropout must be a number of at least 0 and below 1. Received: dropout='much'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        CRN(**{**SMALL, **options})
