import functools

import numpy as np
import pytest

from tfsep import pipeline
from tfsep.datasets import Store, Track
from tfsep.pipeline import preparation, prepare, windows

excerpts = functools.partial(pipeline.excerpts, jit_compile=False)


@pytest.fixture(autouse=True)
def short_records(monkeypatch):
    """Records of 8 samples at 8000 Hz, as long as a segment, so that windows cross their borders."""
    monkeypatch.setattr(preparation, "_RECORD_SECONDS", 0.001)


@pytest.fixture
def songs(make_track):
    """Songs with a residual, with a missing stem, with a silent region and with another source."""
    place = np.arange(1, 41)
    return [
        make_track("full", {"vocals": place, "drums": 100 * place}, 101 * place + 7),
        Track("missing", {**make_track("a", {"vocals": 3 * place[:21]}).stems, "drums": None}),
        make_track("pause", {"vocals": np.where(abs(place - 20) < 9, 0, 50), "drums": -place}),
        make_track("piano", {"vocals": 5 * place[:30], "piano": 40 * place[:30]}),
    ]


@pytest.fixture
def no_decoding(monkeypatch):
    return lambda: monkeypatch.setattr(Track, "read", None)


def arrays(dataset):
    return [array.numpy() for mixture, sources in dataset for array in (mixture, *sources.values())]


@pytest.mark.parametrize("names", [("vocals", "drums"), ("vocals", "accompaniment")])
def test_batches_of_a_store_are_those_of_the_corpus(songs, make_model, tmp_path, no_decoding, format, names):
    model = make_model(names, channels=2, segment=8, context=3)
    store = Store(prepare({"train": songs}, tmp_path / "store", format=format, channels=2, shards=2))
    training = arrays(excerpts(songs, model, 4, seed=5, steps_per_epoch=10))
    validation = arrays(windows(songs, model, 5))
    no_decoding()
    np.testing.assert_equal(arrays(excerpts(store, model, 4, seed=5, steps_per_epoch=10)), training)
    np.testing.assert_equal(arrays(windows(store, model, 5)), validation)
    assert any(array.any() for array in training) and any(array.any() for array in validation)


def test_a_store_beside_other_tracks(songs, make_model, tmp_path):
    model = make_model()
    store = Store(prepare({"train": songs[:2]}, tmp_path / "store"))
    mixed = arrays(windows([*store, *songs[2:]], model, 5))
    np.testing.assert_equal(mixed, arrays(windows(songs, model, 5)))


@pytest.mark.parametrize(("rate", "channels"), [(4000, 1), (8000, 2)])
def test_a_store_of_another_rate_goes_through_the_cache(songs, make_model, tmp_path, cache_folder, rate, channels):
    store = Store(prepare({"train": songs}, tmp_path / "store"))
    assert not cache_folder.exists()
    model = make_model(sample_rate=rate, channels=channels)
    batches = arrays(windows(store, model, 5))
    assert len(list(cache_folder.iterdir())) == len(songs)
    expected = arrays(windows(songs, model, 5))
    for batch, other in zip(batches, expected, strict=True):
        np.testing.assert_allclose(batch, other, atol=1 / 8192)
    assert expected[0].any()
