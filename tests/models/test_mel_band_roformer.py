import keras
import librosa
import numpy as np
import pytest
from separator_case import CheckpointCase

from tfsep.models import MelBandRoFormer
from tfsep.models.mel_band_roformer import mel_bands

SMALL = {
    "sources": ("vocals", "other"),
    "sample_rate": 8000,
    "segment": 400,
    "n_fft": 128,
    "hop": 32,
    "bands": 4,
    "width": 8,
    "depth": 1,
    "heads": 2,
    "head_size": 4,
}


class TestMelBandRoFormer(CheckpointCase):
    model_class = MelBandRoFormer
    options = SMALL
    parameters = 67_196


@pytest.mark.parametrize(
    ("options", "parameters"),
    [({}, 228_202_852), ({"depth": 12}, 251_869_636)],
    ids=["vocals by Kim", "vocals by viperx"],
)
def test_published_forms_have_the_published_weights(options, parameters):
    with keras.StatelessScope(initialize_variables=False):  # gigabytes, if they were made
        model = MelBandRoFormer(**options)
    assert model.count_params() == parameters


def test_published_bands_have_the_published_widths():
    widths = [len(band) for band in mel_bands(44100, 2048, 60)]
    assert widths == [
        7, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 9, 9, 9, 10, 10, 11, 13, 13, 13, 15, 16, 17, 19, 20, 20,
        22, 24, 26, 28, 29, 31, 33, 36, 39, 41, 44, 47, 50, 54, 57, 61, 66, 71, 76, 80, 86, 93, 99, 105, 113, 122, 130,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "n_fft", "count"), [(44100, 2048, 60), (44100, 4096, 60), (8000, 256, 8), (1600, 64, 4)]
)
def test_bands_are_where_the_filters_of_librosa_are_not_zero(rate, n_fft, count):
    filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=count) > 0
    filters[0, 0] = filters[-1, -1] = True
    for band, row in zip(mel_bands(rate, n_fft, count), filters, strict=True):
        np.testing.assert_array_equal(band, np.flatnonzero(row))


def test_masks_of_bands_that_share_a_bin_are_averaged():
    model = MelBandRoFormer(**SMALL)
    entries = np.concatenate(model.bands)
    mask = np.random.default_rng(0).normal(size=(1, 13, len(entries), 2, 2)).astype("float32")
    found = np.array(model._mean_of_bands(mask))
    for bin in range(65):
        np.testing.assert_allclose(found[:, :, bin], mask[:, :, entries == bin].mean(axis=2), rtol=1e-5)


@pytest.mark.parametrize("bands", [100, 200])
def test_more_bands_than_bins_are_an_error(bands):
    with pytest.raises(ValueError, match=f"bands={bands}"):
        MelBandRoFormer(**{**SMALL, "bands": bands})
