import numpy as np
import pytest
import tensorflow as tf

from tfsep.layers import binary_masks, ratio_masks
from tfsep.layers.masks import MASKS

SHAPE = (3, 2, 5, 4, 2)
FORMULAS = {
    "abs": np.abs,
    "quadratic": np.square,
    "relu": lambda a: np.maximum(a, 0),
    "linear": lambda a: a,
    "softmax": np.exp,
}


def outputs(seed=0):
    return np.random.default_rng(seed).normal(0, 1, SHAPE).astype("float32")


@pytest.mark.parametrize("kind", MASKS)
def test_formula(kind):
    values = outputs() + (3 if kind == "linear" else 0)
    parts = FORMULAS[kind](values.astype("float64"))
    expected = (parts + 1e-7) / (parts + 1e-7).sum(axis=0)
    np.testing.assert_allclose(ratio_masks(values, kind), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-8, 1.0, 1e8])
def test_add_up_to_one_with_finite_gradients(kind, scale):
    values = tf.constant(scale * np.abs(outputs()))
    with tf.GradientTape() as tape:
        tape.watch(values)
        masks = ratio_masks(values, kind)
        first = tf.reduce_sum(masks[0])
    np.testing.assert_allclose(np.sum(masks, axis=0), 1, atol=1e-6)
    assert np.isfinite(tape.gradient(first, values)).all()
    if scale == 0:
        np.testing.assert_allclose(masks, 1 / 3, rtol=1e-6)


def test_linear_masks_stay_finite_where_outputs_cancel_out():
    assert np.isfinite(ratio_masks(np.array([[1.0], [-1.0]], "float32"), "linear")).all()


def test_half_precision_outputs_give_float32_masks():
    assert {mask.dtype for mask in ratio_masks(tf.constant(outputs(), "float16"))} == {tf.float32}


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"mask must be one of .*Received: mask='soft'"):
        ratio_masks(outputs(), "soft")


def test_binary_masks_give_each_bin_to_the_largest():
    masks = np.asarray(ratio_masks(outputs()))
    binary = np.asarray(binary_masks(masks))
    assert binary.shape == SHAPE
    assert set(np.unique(binary)) == {0.0, 1.0}
    assert np.array_equal(np.argmax(binary, axis=0), np.argmax(masks, axis=0))
    assert np.all(binary.sum(axis=0) == 1)


def test_binary_masks_give_equals_to_the_first():
    assert np.asarray(binary_masks(np.full((2, 1), 0.5, "float32"))).tolist() == [[1.0], [0.0]]
