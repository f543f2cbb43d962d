import keras
import numpy as np
import pytest
from separator_case import CheckpointCase

from tfsep.models import HTDemucs

SMALL = {
    "sources": ("drums", "bass"),
    "sample_rate": 8000,
    "segment": 600,
    "filters": 16,
    "depth": 1,
    "n_fft": 64,
    "bottom_filters": 16,
    "transformer_layers": 2,
    "heads": 2,
}


class TestHTDemucs(CheckpointCase):
    model_class = HTDemucs
    options = SMALL
    parameters = 26_588

    def sources(self, *args, **arguments):
        # Loud enough for the constant beside the deviations, 1e-5, not to count.
        return {name: 10 * audio for name, audio in super().sources(*args, **arguments).items()}


@pytest.mark.parametrize(
    ("options", "parameters", "tensors"),
    [
        ({}, 41_984_456, 533),
        ({"sources": ("drums", "bass", "other", "vocals", "guitar", "piano"), "bottom_filters": 0}, 27_414_996, 525),
    ],
    ids=["htdemucs", "htdemucs_6s"],
)
def test_published_forms_have_the_published_weights(options, parameters, tensors):
    with keras.StatelessScope(initialize_variables=False):  # hundreds of megabytes, if they were made
        model = HTDemucs(**options)
    assert model.count_params() == parameters
    assert len(model.weights) == tensors
    assert (model.sample_rate, model.channels, model.segment) == (44100, 2, 343980)


def test_audio_shorter_than_a_segment_is_that_with_zeros_behind():
    model = HTDemucs(**SMALL)
    mixture = np.random.default_rng(0).normal(size=(1, 600, 2)).astype("float32")
    mixture[:, 400:] = 0
    short, whole = model(mixture[:, :400]), model(mixture)
    for name in model.sources:
        np.testing.assert_allclose(short[name], whole[name][:, :400], atol=1e-6)


def test_longer_audio_is_estimated_segment_by_segment():
    model = HTDemucs(**SMALL)
    mixture = np.random.default_rng(0).normal(size=(2, 1200, 2)).astype("float32")
    whole, first, second = model(mixture), model(mixture[:, :600]), model(mixture[:, 600:])
    for name in model.sources:
        np.testing.assert_allclose(whole[name], np.concatenate([first[name], second[name]], axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 12}, "filters=12"),
        ({"heads": 3}, "heads=3"),
        ({"n_fft": 16}, "n_fft=16"),
        ({"segment": 60}, "samples=60"),
        ({"depth": 0}, "depth=0"),
    ],
)
def test_sizes_that_do_not_fit_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        HTDemucs(**{**SMALL, **options})
