import numpy as np
import pytest

from tfsep.layers import DualPath
from tfsep.layers.dual_path import from_chunks, to_chunks


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype("float32")


def built(dropout=0.0):
    """A layer whose weights are all random."""
    layer = DualPath(8, chunk=6, pairs=2, heads=2, dropout=dropout)
    layer.build((None, None, 5))
    layer.set_weights([0.5 * noise(*weight.shape, seed=index) for index, weight in enumerate(layer.weights)])
    return layer


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 19])
def test_chunks_overlap_by_half_and_come_back(length):
    sequence = noise(2, length, 3)
    chunks = np.asarray(to_chunks(sequence, 6))
    assert chunks.shape == (2, -(-length // 3) + 1, 6, 3)
    padded = np.pad(sequence, ((0, 0), (3, 9), (0, 0)))
    for index in range(chunks.shape[1]):
        np.testing.assert_array_equal(chunks[:, index], padded[:, 3 * index : 3 * index + 6])
    np.testing.assert_allclose(from_chunks(chunks, length), sequence, rtol=1e-6)


def test_each_step_is_the_mean_of_its_two_chunks():
    chunks = noise(2, 5, 6, 3)
    expected = np.zeros((2, 18, 3))
    for index in range(5):
        expected[:, 3 * index : 3 * index + 6] += 0.5 * chunks[:, index]
    np.testing.assert_allclose(from_chunks(chunks, 11), expected[:, 3:14], atol=1e-6)


def test_is_the_formula():
    layer, signal = built(), noise(2, 17, 5)
    enter, enter_bias = (np.asarray(weight) for weight in layer.enter.weights)
    leave, leave_bias = (np.asarray(weight) for weight in layer.leave.weights)
    chunks = np.array(to_chunks(signal @ enter + enter_bias, 6))
    for within, across in zip(layer.within, layer.across, strict=True):
        for chunk in range(chunks.shape[1]):
            chunks[:, chunk] = within(chunks[:, chunk])
        for step in range(chunks.shape[2]):
            chunks[:, :, step] = across(chunks[:, :, step])
    outputs = np.asarray(from_chunks(chunks, 17))
    outputs = np.where(outputs > 0, outputs, np.asarray(layer.activation.alpha) * outputs)
    np.testing.assert_allclose(layer(signal), signal + outputs @ leave + leave_bias, atol=1e-4)


def test_every_step_depends_on_every_step_of_its_own_example():
    layer, signal = built(), noise(2, 30, 5)
    before = np.asarray(layer(signal))
    signal[0, 0] += 1.0
    changed = np.abs(np.asarray(layer(signal)) - before).max(axis=-1)
    assert changed[0].min() > 0
    assert changed[1].max() < 1e-5


def test_drops_in_training_only():
    layer, signal = built(dropout=0.5), noise(2, 17, 5)
    np.testing.assert_allclose(layer(signal), built()(signal), atol=1e-5)
    assert np.abs(np.asarray(layer(signal, training=True)) - np.asarray(layer(signal))).max() > 0.1


def test_wrong_chunk():
    with pytest.raises(ValueError, match=r"chunk must be an even number of at least 2. Received: chunk=5"):
        DualPath(8, chunk=5)
