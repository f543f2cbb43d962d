"""Parity with nussl's datasets and separators, and with tensorflow-io's masks.

The tests run where both packages are installed: in the environment of `.ci/nussl-py311.txt`.
"""

import shutil

import numpy as np
import pytest
import tensorflow as tf

import tfsep
from tfsep.datasets import embedded, from_nussl
from tfsep.layers.spectrogram_masking import in_band

pytestmark = pytest.mark.nussl

tfio = pytest.importorskip("tensorflow_io", reason="tensorflow-io is not installed")
nussl = pytest.importorskip("nussl", reason="nussl is not installed")


@pytest.fixture(scope="module")
def musdb18(tmp_path_factory):
    """A MUSDB18 of one training song."""
    root = tmp_path_factory.mktemp("musdb18")
    for split in ("train", "test"):
        (root / split).mkdir()
        shutil.copy(embedded()[0].mixture.path, root / split / "A - Song.stem.mp4")
    return root


def test_nussl_s_musdb18_is_ours(musdb18):
    theirs = from_nussl(nussl.datasets.MUSDB18(folder=str(musdb18), subsets=["train"]))
    ours = tfsep.datasets.MUSDB18(musdb18)
    assert len(theirs) == len(ours) == 1
    assert set(theirs.sources) == set(ours.sources)
    assert (theirs[0].sample_rate, theirs[0].samples, theirs[0].channels) == (44100, ours[0].samples, 2)
    for source in ("mixture", *ours.sources):
        # They go through 16 bits.
        np.testing.assert_allclose(
            theirs[0].read(source, 1000, 50000), ours[0].read(source, 1000, 50000), atol=2**-15, err_msg=source
        )


def test_a_model_trains_on_a_nussl_dataset(musdb18, tmp_path):
    tracks = from_nussl(nussl.datasets.MUSDB18(folder=str(musdb18), subsets=["train"]))
    model = tfsep.models.UNet(sample_rate=8000, segment=4096, filters=2, depth=2)
    tfsep.training.fit(model, tracks, tracks, tmp_path / "run", epochs=1, batch_size=2, steps_per_epoch=2, verbose=0)
    assert (tmp_path / "run" / "best" / "model.weights.h5").is_file()


@pytest.mark.parametrize("name", ["nussl-repet", "nussl-repet-sim", "nussl-2dft", "nussl-hpss"])
def test_nussl_s_separators_are_scored(name):
    scores = tfsep.evaluate(name, embedded(), sdr_only=True)
    assert not scores.failures
    first, accompaniment = scores.targets
    # The first source is what it is said to be: with the two exchanged, the accompaniment would be far below.
    assert scores.median(accompaniment) > scores.median(accompaniment, row="mixture") - 1
    assert scores.median(first) > scores.median(first, row="mixture") - 1


@pytest.mark.parametrize(("mask", "axis"), [("freq_mask", 2), ("time_mask", 1)])
@pytest.mark.parametrize(("width", "start"), [(3, 0), (4, 5), (0, 2), (1, 9)])
def test_bands_are_tensorflow_io_s(monkeypatch, mask, axis, width, start):
    draws = iter([width, start])
    monkeypatch.setattr(tf.random, "uniform", lambda *args, **kwargs: tf.constant(next(draws)))
    spectrogram = np.random.default_rng(0).uniform(1, 2, (12, 14)).astype("float32")  # frames, bins
    expected = getattr(tfio.audio, mask)(spectrogram, param=5).numpy()
    band = np.asarray(in_band(spectrogram.shape[axis - 1], np.array([[float(start)]]), np.array([[float(width)]])))[0]
    kept = ~band if axis == 2 else ~band[:, np.newaxis]
    np.testing.assert_array_equal(spectrogram * kept, expected)
