"""Masks that divide a mixture among its sources."""

from __future__ import annotations

from keras import ops

from tfsep.checks import check_choice

MASKS = ("abs", "linear", "quadratic", "relu", "softmax")

_EPSILON = 1e-7


def ratio_masks(outputs, kind: str = "abs"):
    """Compute masks `(y + eps) / sum(y + eps)` from the outputs of a network; they add up to one over the sources.

    Args:
        outputs: float tensor `[batch, source, ...]`, the network's output for each source.
        kind: str, how `y` follows from an output `a`: `"abs"`, `|a|`; `"quadratic"`, `a^2`; `"relu"`, `max(a, 0)`;
            `"softmax"`, `exp(a)`; or `"linear"`, `a` itself, with masks that may be negative or above one. Defaults to
            `"abs"`.

    Returns:
        float32 tensor of the same shape, finite for any outputs. Masks are equal where all outputs are zero.

    Raises:
        ValueError: if `kind` is unknown.

    Example:

    >>> outputs = np.array([[[3.0, 0.0], [-1.0, 0.0]]])
    >>> ops.convert_to_numpy(tfsep.layers.ratio_masks(outputs)).round(2)
    array([[[0.75, 0.5 ],
            [0.25, 0.5 ]]], dtype=float32)

    Reference:

    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://github.com/posenhuang/deeplearningsourceseparation), whose masks are `"abs"`
    """
    check_choice("mask", kind, MASKS)
    outputs = ops.cast(outputs, "float32")
    if kind == "softmax":
        return ops.softmax(outputs, axis=1)
    parts = {"abs": ops.abs, "quadratic": ops.square, "relu": ops.relu, "linear": lambda a: a}[kind](outputs) + _EPSILON
    total = ops.sum(parts, axis=1, keepdims=True)
    if kind == "linear":
        # Masks of outputs that cancel out would be unbounded.
        total = ops.where(ops.abs(total) < _EPSILON, _EPSILON, total)
    return parts / total


def binary_masks(masks):
    """Assign each bin to the source with the largest mask, the first one of equals.

    Args:
        masks: float tensor `[batch, source, ...]`.

    Returns:
        float32 tensor of the same shape, of zeros and ones.

    Example:

    >>> masks = np.array([[[0.75, 0.4], [0.25, 0.6]]])
    >>> ops.convert_to_numpy(tfsep.layers.binary_masks(masks))
    array([[[1., 0.],
            [0., 1.]]], dtype=float32)
    """
    best = ops.argmax(masks, axis=1)
    return ops.moveaxis(ops.one_hot(best, masks.shape[1], dtype="float32"), -1, 1)
