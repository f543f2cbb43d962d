import numpy as np
import pytest
import tensorflow as tf

from tfsep.pipeline import Gain, Remix

BATCH, SOURCES = 6, 4


@pytest.fixture
def stems():
    """Each sample is 100 * source + example."""
    values = np.arange(BATCH)[:, np.newaxis] + 100 * np.arange(SOURCES)
    return np.broadcast_to(values[:, :, np.newaxis, np.newaxis], (BATCH, SOURCES, 5, 2)).astype(np.float32)


def augment(augmentation, stems, seed=0):
    return augmentation(tf.constant(stems), tf.constant([seed, 1], tf.int32)).numpy()


@pytest.mark.parametrize("seed", range(5))
def test_remix_takes_every_source_from_another_example(stems, seed):
    mixed = augment(Remix(1.0), stems, seed)
    np.testing.assert_array_equal(mixed, np.broadcast_to(mixed[:, :, :1, :1], mixed.shape))
    source, example = np.divmod(mixed[:, :, 0, 0].astype(int), 100)
    np.testing.assert_array_equal(source, np.broadcast_to(np.arange(SOURCES), source.shape))
    assert (example != np.arange(BATCH)[:, np.newaxis]).all()
    # No example is lost, so that every source is heard equally often.
    np.testing.assert_array_equal(np.sort(example, axis=0), np.broadcast_to(np.arange(BATCH)[:, None], example.shape))


def test_remix_takes_the_sources_from_different_examples(stems):
    shifts = []
    for seed in range(20):
        example = augment(Remix(1.0), stems, seed)[0, :, 0, 0] % 100
        shifts.append(tuple(example))
    assert {shift for row in shifts for shift in row} == set(range(1, BATCH))
    assert sum(len(set(row)) > 1 for row in shifts) >= 15
    assert len(set(shifts)) >= 15


def test_remix_leaves_the_other_share_real_songs(stems):
    np.testing.assert_array_equal(augment(Remix(0.0), stems), stems)
    remixed = 0
    for seed in range(100):
        mixed = augment(Remix(0.7), stems, seed)
        moved = (mixed != stems).any(axis=(2, 3))
        # An example is remixed with all of its sources or with none.
        assert (moved.all(axis=1) | ~moved.any(axis=1)).all()
        remixed += moved[:, 0].sum()
    assert 0.63 < remixed / (100 * BATCH) < 0.77


def test_remix_of_one_example_is_itself(stems):
    np.testing.assert_array_equal(augment(Remix(1.0), stems[:1]), stems[:1])


def test_gain_is_one_number_for_each_source_of_each_example():
    ones = np.ones((200, SOURCES, 5, 2), np.float32)
    gains = augment(Gain(0.5, 1.2), ones)
    np.testing.assert_array_equal(gains, np.broadcast_to(gains[:, :, :1, :1], gains.shape))
    gains = gains[:, :, 0, 0]
    assert len(np.unique(gains)) > 0.99 * gains.size
    assert 0.5 <= gains.min() < 0.52
    assert 1.18 < gains.max() < 1.2
    assert abs(gains.mean() - 0.85) < 0.03


def test_gain_scales(stems):
    np.testing.assert_allclose(augment(Gain(2.0, 2.0), stems), 2 * stems)
    np.testing.assert_array_equal(augment(Gain(1.0, 1.0), stems), stems)


@pytest.mark.parametrize("augmentation", [Remix(0.5), Gain()])
def test_the_seed_decides(stems, augmentation):
    stems = stems + 1
    np.testing.assert_array_equal(augment(augmentation, stems, 3), augment(augmentation, stems, 3))
    assert any((augment(augmentation, stems, seed) != augment(augmentation, stems, 3)).any() for seed in range(3))


def test_arguments_out_of_range_are_errors():
    with pytest.raises(ValueError, match=r"probability=1\.1"):
        Remix(1.1)
    with pytest.raises(ValueError, match=r"probability=-0\.1"):
        Remix(-0.1)
    with pytest.raises(ValueError, match="low=2, high=1"):
        Gain(2, 1)
    with pytest.raises(ValueError, match="low=-1"):
        Gain(-1, 1)
