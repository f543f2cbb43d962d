import keras
import numpy as np
import pytest

from tfsep.layers import FrequencyMasking, TimeMasking

# Of a spectrogram [batch, frames, bins, channels], the axis of each layer.
LAYERS = {FrequencyMasking: 2, TimeMasking: 1}


@pytest.fixture(params=LAYERS, ids=lambda layer: layer.__name__)
def kind(request):
    return request.param


def bands(kind, width, batch=2000, seed=0):
    """Which rows of the layer's axis each example lost, `[batch, size]`, after a check that all else is as it was."""
    inputs = np.random.default_rng(0).uniform(1, 2, (batch, 12, 12, 2)).astype("float32")
    outputs = np.asarray(kind(width, seed=seed)(inputs, training=True))
    others = tuple(axis for axis in (1, 2, 3) if axis != LAYERS[kind])
    lost = (outputs == 0).all(axis=others)
    np.testing.assert_array_equal((outputs == 0).any(axis=others), lost)
    kept = outputs != 0
    np.testing.assert_array_equal(outputs[kept], inputs[kept])
    return lost


def test_one_band_of_up_to_width_rows_at_any_place(kind):
    lost = bands(kind, 5)
    widths = lost.sum(axis=1)
    assert (np.abs(np.diff(np.pad(lost, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(np.bincount(widths, minlength=6) / len(lost), [0.2] * 5 + [0], atol=0.04)
    # Every row is hit, those in the middle more often than the ends.
    share = lost.mean(axis=0)
    assert share.min() > 0.02
    assert share[5:7].min() > share[[0, -1]].max()


def test_bands_wider_than_the_axis_are_as_wide_as_it(kind):
    assert bands(kind, 1000, batch=50).mean() > 0.9


def test_a_width_of_one_changes_nothing(kind):
    assert not bands(kind, 1).any()


def test_the_seed_decides(kind):
    np.testing.assert_array_equal(bands(kind, 5, seed=3), bands(kind, 5, seed=3))
    assert (bands(kind, 5, seed=3) != bands(kind, 5, seed=4)).any()


def test_nothing_is_done_outside_training(kind):
    inputs = np.ones((2, 4, 4, 1), "float32")
    np.testing.assert_array_equal(kind(4, seed=0)(inputs), inputs)


def test_dynamic_length_in_a_saved_model(kind, tmp_path):
    inputs = keras.Input((None, 8, 1))
    model = keras.Model(inputs, kind(4, seed=1)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config()["width"] == 4
    assert np.asarray(loaded(np.ones((3, 7, 8, 1), "float32"), training=True)).shape == (3, 7, 8, 1)


def test_width_below_one_is_an_error(kind):
    with pytest.raises(ValueError, match=r"width must be an integer of at least 1. Received: width=0"):
        kind(0)
