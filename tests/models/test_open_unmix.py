import numpy as np
import pytest
from separator_case import CheckpointCase

import tfsep
from tfsep.models import OpenUnmix

SMALL = {
    "sources": ("vocals", "other"),
    "sample_rate": 8000,
    "segment": 2048,
    "n_fft": 128,
    "hop": 32,
    "input_bins": 47,
    "hidden_size": 8,
    "recurrent_layers": 2,
    "dropout": 0.0,
}


def noise(samples, channels=2):
    return np.random.default_rng(0).normal(0, 0.1, (1, samples, channels)).astype("float32")


class TestOpenUnmix(CheckpointCase):
    model_class = OpenUnmix
    options = SMALL | {"segment": 512}  # LSTMs run frame by frame where they are not traced
    parameters = 7_120
    portable = False  # the Wiener filter is in float64

    def test_level_of_the_input_is_that_of_the_output(self):
        """The network takes the mixture at its own level, as the original does."""
        model = self.make()
        given = []
        for gain in (1, 0.25):
            network = model.networks[0]
            network.input_scaling.mean.assign(np.ones(47))
            given.append(network.input_scaling(np.ones((1, 1, 2, 47)) * gain))
        np.testing.assert_allclose(given[0] - given[1], np.full((1, 1, 2, 47), 0.75))


# Torch counts two biases for each LSTM where Keras has one, and not the moving statistics of norms.
@pytest.mark.parametrize(
    ("options", "published", "gates", "norms"),
    [
        ({"hidden_size": 512}, 8_893_348, 1024, 512 + 512 + 4098),
        ({"hidden_size": 1024}, 28_257_188, 2048, 1024 + 1024 + 4098),
        ({"hidden_size": 256, "channels": 1, "n_fft": 1024, "hop": 512, "input_bins": 513}, 1_583_622, 512, 512 + 513),
    ],
)
def test_published_parameter_counts(options, published, gates, norms):
    model = OpenUnmix(sources=("vocals",), wiener=0, **options)
    assert model.count_params() == published - 6 * gates + 2 * norms


@pytest.mark.parametrize("samples", [1, 64, 65, 2500])
@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"wiener": 0}, marks=pytest.mark.slow),
        pytest.param({"unidirectional": True, "channels": 1}, marks=pytest.mark.slow),
    ],
)
def test_separate_takes_a_song_as_one_sequence(samples, options):
    model = OpenUnmix(**SMALL | options)
    song = noise(samples, model.channels)
    expected, found = model(song), tfsep.separate(song[0], model, 8000)
    for name in model.sources:
        np.testing.assert_allclose(found[name], expected[name][0], atol=1e-6)


def test_songs_that_are_too_long_are_cut(monkeypatch):
    monkeypatch.setattr(OpenUnmix, "longest_segment", 1500)
    model = OpenUnmix(**SMALL)
    stems = tfsep.separate(noise(5000)[0], model, 8000)
    assert stems["vocals"].shape == (5000, 2)
    assert np.isfinite(stems["vocals"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hop": 33}, "n_fft must be even and a multiple of hop. Received: n_fft=128, hop=33"),
        ({"input_bins": 66}, r"input_bins must be at most n_fft / 2 \+ 1. Received: input_bins=66"),
        ({"hidden_size": 7}, "hidden_size must be even for LSTMs both ways. Received: hidden_size=7"),
        ({"sources": ("vocals",)}, "The Wiener filter needs two sources or more"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        OpenUnmix(**SMALL | arguments)
