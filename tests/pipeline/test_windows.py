import numpy as np
import pytest
import tensorflow as tf

from tfsep.pipeline import Share, windows

ALL = ("vocals", "drums", "bass")


def joined(batches, name):
    return np.concatenate([sources[name] for _, sources in batches])[:, :, 0]


def test_every_window_comes_once_and_in_order(make_songs, make_model, units):
    lengths = (40, 30, 50)
    batches = units(windows(make_songs(lengths), make_model(ALL), batch_size=5))
    # 5 + 4 + 7 windows: the last batch is smaller.
    assert [len(mixture) for mixture, _ in batches] == [5, 5, 5, 1]
    expected = []
    for number, length in enumerate(lengths):
        song = 1000 * number + np.arange(1, length + 1)
        expected.extend(np.pad(song, (0, -length % 8)).reshape(-1, 8))
    np.testing.assert_array_equal(joined(batches, "vocals"), expected)
    for mixture, sources in batches:
        song = sources["vocals"] // 1000
        inside = sources["vocals"] > 0
        np.testing.assert_array_equal(mixture - sources["vocals"], inside * 106 * (song + 1))


def test_batches_have_the_model_s_shape(make_songs, make_model):
    dataset = windows(make_songs(), make_model(channels=2, context=3), batch_size=5)
    mixture, sources = dataset.element_spec
    assert list(sources) == ["vocals", "drums"]
    for spec in (mixture, *sources.values()):
        assert spec == tf.TensorSpec((None, 14, 2), tf.float32)
    assert dataset.cardinality() == 4


def test_batch_may_be_larger_than_the_data(make_songs, make_model):
    ((mixture, _),) = windows(make_songs((10,)), make_model(), batch_size=100)
    assert mixture.shape == (2, 8, 1)


def test_every_iteration_is_the_same(make_songs, make_model, units):
    dataset = windows(make_songs(), make_model(), batch_size=5)
    for first, second in zip(units(dataset), units(dataset), strict=True):
        np.testing.assert_array_equal(first[0], second[0])


def test_context_is_real_neighbours_and_zeros_beyond_the_ends(make_songs, make_model, units):
    batches = units(windows(make_songs((20,)), make_model(context=3), batch_size=2))
    song = np.pad(np.arange(1, 21), (3, 8))
    np.testing.assert_array_equal(joined(batches, "vocals"), [song[at : at + 14] for at in (0, 8, 16)])


@pytest.mark.parametrize(("batch_size", "replicas"), [(4, 2), (2, 2), (8, 4), (4, 4), (16, 2), (16, 16)])
def test_replicas_get_every_window_once_and_never_none(make_songs, make_model, units, batch_size, replicas):
    songs, model = make_songs((60, 70)), make_model(("vocals",))
    whole = joined(units(windows(songs, model)), "vocals")  # 17 windows
    parts = [units(windows(songs, model, batch_size, share=Share(at, 1, replicas))) for at in range(replicas)]
    assert len({len(part) for part in parts}) == 1
    lengths = [len(mixture) for part in parts for mixture, _ in part]
    assert min(lengths) >= 1 and max(lengths) <= max(2, batch_size // replicas)
    found = np.concatenate([joined(part, "vocals") for part in parts])
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(whole, axis=0))
    # A machine with several devices feeds them in turn.
    devices = units(windows(songs, model, batch_size, share=Share(0, replicas, replicas)))
    np.testing.assert_array_equal(joined(devices, "vocals"), whole)
    with pytest.raises(ValueError, match=r"fewer windows than replicas\. Received: 17 windows, 18 replicas"):
        windows(songs, model, batch_size, share=Share(0, 1, 18))


def test_song_of_one_sample(make_songs, make_model, units):
    ((_, sources),) = units(windows(make_songs((1,)), make_model()))
    np.testing.assert_array_equal(sources["vocals"][0, :, 0], [1, 0, 0, 0, 0, 0, 0, 0])


def test_accompaniment_is_the_sum_of_the_other_stems(make_songs, make_model, units):
    ((_, sources),) = units(windows(make_songs((8,)), make_model(("vocals", "accompaniment"))))
    np.testing.assert_array_equal(sources["accompaniment"], np.full((1, 8, 1), 99))


def test_bad_arguments_are_errors(make_songs, make_model):
    with pytest.raises(ValueError, match="no tracks"):
        windows([], make_model())
    with pytest.raises(ValueError, match="batch_size=0"):
        windows(make_songs(), make_model(), batch_size=0)
    with pytest.raises(ValueError, match="'piano' in the data"):
        windows(make_songs(), make_model(("piano",)))
