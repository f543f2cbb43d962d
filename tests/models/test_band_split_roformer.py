import keras
import numpy as np
import pytest
from separator_case import CheckpointCase

from tfsep.models import BandSplitRoFormer

SMALL = {
    "sources": ("vocals", "drums"),
    "sample_rate": 8000,
    "segment": 400,
    "n_fft": 64,
    "hop": 20,
    "bins_per_band": (2, 2, 4, 25),
    "width": 8,
    "depth": 1,
    "heads": 2,
    "head_size": 4,
}


class TestBandSplitRoFormer(CheckpointCase):
    model_class = BandSplitRoFormer
    options = SMALL
    parameters = 13_044


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 131_704_164),
        (
            {
                "sources": ("vocals",), "segment": 352800, "width": 512, "depth": 12, "mask_expansion": 4,
            },
            159_758_092,
        ),
        (
            {
                "sources": ("bass", "drums", "other", "vocals", "guitar", "piano"), "segment": 588800, "hop": 512,
                "width": 256, "depth": 12, "mask_expansion": 4,
            },
            174_656_564,
        ),
    ],
    ids=["four stems of MUSDB18-HQ", "vocals by viperx", "six stems"],
)  # fmt: skip
def test_published_forms_have_the_published_weights(options, parameters):
    with keras.StatelessScope(initialize_variables=False):  # gigabytes, if they were made
        model = BandSplitRoFormer(**options)
    assert model.count_params() == parameters


def test_skip_connections_add_what_earlier_blocks_gave():
    audio = np.random.default_rng(0).normal(size=(1, 400, 2)).astype("float32")
    for depth, same in ((1, True), (2, False)):
        plain, skipping = (BandSplitRoFormer(**{**SMALL, "depth": depth, "skip_connection": skip}) for skip in (0, 1))
        skipping.set_weights(plain.get_weights())
        assert np.allclose(plain(audio)["vocals"], skipping(audio)["vocals"], atol=1e-3) == same


def test_zero_dc_leaves_no_lowest_bin():
    audio = np.random.default_rng(0).normal(0.5, 1, (1, 400, 2)).astype("float32")
    for zero_dc in (True, False):
        model = BandSplitRoFormer(**SMALL, zero_dc=zero_dc)
        model.stft.inverse = lambda real, imaginary: (real, imaginary)
        real, imaginary = model.estimate(audio)["vocals"]
        assert np.any(real[:, :, 1:])
        assert np.any(real[:, :, 0]) != zero_dc
        assert np.any(imaginary[:, :, 0]) != zero_dc


def test_attention_in_parts_is_that_at_once(monkeypatch):
    from tfsep.layers import rotary_transformer

    model = BandSplitRoFormer(**SMALL)
    audio = np.random.default_rng(0).normal(size=(1, 400, 2)).astype("float32")
    expected = model(audio)
    monkeypatch.setattr(rotary_transformer, "_MOST_SCORES", 1)
    for name, estimate in model(audio).items():
        np.testing.assert_allclose(estimate, expected[name], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins_per_band": (2, 2)}, "add up to n_fft / 2 \\+ 1 = 33. Received: 4"),
        ({"head_size": 3}, "head_size=3"),
        ({"overlap": 1}, "overlap=1"),
        ({"depth": 0}, "depth=0"),
    ],
)
def test_sizes_that_do_not_fit_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        BandSplitRoFormer(**{**SMALL, **options})
