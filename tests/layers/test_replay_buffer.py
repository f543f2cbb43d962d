import keras
import numpy as np

from tfsep.layers import ReplayBuffer


def numbered(first, count):
    """Examples that are their own number throughout."""
    return np.tile(np.arange(first, first + count, dtype="float32")[:, None, None], (1, 4, 1))


def test_gives_back_what_comes_until_it_is_full():
    buffer = ReplayBuffer((4, 1), capacity=10, seed=0)
    for first in (0, 4):
        np.testing.assert_array_equal(buffer(numbered(first, 4)), numbered(first, 4))
    assert int(buffer.count) == 8
    np.testing.assert_array_equal(buffer.stored[:8], numbered(0, 8))
    buffer(numbered(8, 4))
    assert int(buffer.count) == 10
    assert set(np.asarray(buffer.stored)[:, 0, 0]) <= set(range(12))


def test_a_full_one_exchanges_half_for_earlier_ones():
    buffer = ReplayBuffer((4, 1), capacity=50, seed=0)
    buffer(numbered(0, 50))
    given, earlier = [], set()
    for first in range(50, 850, 4):
        held = set(np.asarray(buffer.stored)[:, 0, 0])
        examples = numbered(first, 4)
        outputs = np.asarray(buffer(examples))
        assert (outputs == outputs[:, :1]).all(), "examples are given whole"
        for output, example in zip(outputs[:, 0, 0], examples[:, 0, 0], strict=True):
            assert output == example or output in held
            given.append(output == example)
            if output != example:
                earlier.add(float(output))
    assert 0.4 < np.mean(given) < 0.6
    assert len(earlier) > 200, "all places have their turn"
    assert len(set(np.asarray(buffer.stored)[:, 0, 0]) & set(range(50))) < 10


def test_what_it_holds_is_saved_with_its_draws(tmp_path):
    inputs = keras.Input((4, 1))
    model = keras.Model(inputs, ReplayBuffer((4, 1), capacity=3)(inputs))
    for first in (0, 2, 4):
        model(numbered(first, 2))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for first in (6, 8, 10):
        np.testing.assert_array_equal(loaded(numbered(first, 2)), model(numbered(first, 2)))
