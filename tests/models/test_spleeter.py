import keras
import numpy as np
import pytest
from separator_case import CheckpointCase

import tfsep
from tfsep.models import Spleeter

# Blocks of 64 frames.
SMALL = {"sample_rate": 8000, "channels": 2, "segment": 67 * 64, "n_fft": 256, "bins": 64, "filters": 1}


def noise(samples, channels=2):
    return np.random.default_rng(0).normal(0, 0.1, (1, samples, channels)).astype("float32")


class TestSpleeter(CheckpointCase):
    model_class = Spleeter
    options = SMALL
    parameters = 77_662

    def test_level_of_the_input_is_that_of_the_output(self):
        """The network takes the mixture at its own level, as the original does."""
        model = self.make()
        given = []
        for gain in (1, 0.25):
            window = gain * self.mixture(model)
            model._outputs = lambda magnitudes: given.append(magnitudes) or Spleeter._outputs(model, magnitudes)
            model.estimate(window)
        np.testing.assert_allclose(given[1], 0.25 * given[0], rtol=1e-3, atol=1e-5)


def test_published_parameter_counts():
    model = Spleeter()
    assert model.count_params() == 2 * 9_824_711
    assert model.frames == 512
    assert (round(model.overlap * model.segment), model.lead) == (3072, 4096)


@pytest.mark.parametrize("samples", [1, 300, 3840, 3841, 4288, 9000])
def test_separate_gives_what_the_model_gives_for_the_whole_song(samples):
    model = Spleeter(**SMALL)
    song = noise(samples)
    expected, found = model(song), tfsep.separate(song[0], model, 8000)
    for name in model.sources:
        np.testing.assert_allclose(found[name], expected[name][0], atol=1e-6)


def test_masks_add_up_to_the_mixture_where_they_are_extended():
    song = noise(6000)
    for options, kept in (({}, 1.0), ({"extension": "zeros"}, 0.5), ({"wiener": 1}, 0.5)):
        estimates = Spleeter(sources=("a", "b", "c"), softmax=True, activation="elu", **SMALL, **options)(song)
        total = sum(np.asarray(estimate) for estimate in estimates.values())
        # Half of the frequencies lie above those that the network takes.
        assert np.mean(total**2) / np.mean(song**2) == pytest.approx(kept, abs=0.03)


def test_batch_normalization_stays_as_it_is_in_training():
    model = Spleeter(**SMALL)
    window = noise(model.segment)
    before = model.estimate(window)
    model(window, training=True)
    np.testing.assert_array_equal(model.estimate(window)["vocals"], before["vocals"])
    assert not any(np.any(weight) for weight in model.weights if weight.name == "moving_mean")


def test_exported_model_cuts_songs_by_rules_that_suit_it(tmp_path):
    model = Spleeter(**SMALL)
    facts = model.describe_any_length()
    assert (facts["fade"], facts["lead"], facts["segment"]) == ("overlap", 0, 59 * 64)
    # Which is what one block takes.
    assert model.stft(noise(facts["segment"]))[0].shape[1] == model.frames


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_fft": 250}, "n_fft must be a multiple of 4. Received: n_fft=250"),
        ({"segment": 4000}, "segment must be a multiple of the hop 64, and n_fft=256 or more. Received: segment=4000"),
        ({"segment": 192}, "segment must be a multiple of the hop 64"),
        ({"bins": 100}, "bins must be a multiple of 64 up to n_fft / 2. Received: bins=100"),
        ({"bins": 192}, "bins must be a multiple of 64"),
        ({"activation": "gelu"}, "activation must be 'relu' or 'elu'"),
        ({"extension": "none"}, "extension must be 'zeros' or 'average'"),
        ({"wiener": -1}, "wiener must be an integer of at least 0"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Spleeter(**{**SMALL, **arguments})


def test_trains_on():
    keras.utils.set_random_seed(0)
    model = Spleeter(**SMALL)
    model.networks[0].trainable = False
    model.compile("adam", run_eagerly=True)
    sources = {name: noise(model.segment) for name in model.sources}
    before = [network.get_weights() for network in model.networks]
    model.fit(sum(sources.values()), sources, epochs=2, verbose=0)
    after = [network.get_weights() for network in model.networks]
    changed = [any(np.any(a != b) for a, b in zip(*pair, strict=True)) for pair in zip(before, after, strict=True)]
    assert changed == [False, True]
