"""Masks that share a mixture out among its sources."""

from __future__ import annotations

from keras import ops

from tfsep.checks import check_choice

MASKS = ("abs", "linear", "quadratic", "relu", "softmax")

_EPSILON = 1e-7


def ratio_masks(outputs, kind: str = "abs"):
    """Masks `(y + eps) / sum(y + eps)` of the outputs of a network, which add up to one over the sources.

    Args:
        outputs: `[batch, source, ...]`, what the network gives for each source.
        kind: what `y` is made of an output `a`: `"abs"`, `|a|`; `"quadratic"`, `a^2`; `"relu"`, `max(a, 0)`;
            `"softmax"`, `exp(a)`; or `"linear"`, `a` itself, where masks may be negative and above one. Defaults to
            `"abs"`.

    Returns:
        float32 of the same shape, finite for any outputs; equal shares where all are zero.

    Raises:
        ValueError: for another kind.

    Reference:
        Huang et al., "Singing-voice separation from monaural recordings using deep recurrent neural networks",
        ISMIR 2014, whose layer is `"abs"`.
    """
    check_choice("mask", kind, MASKS)
    outputs = ops.cast(outputs, "float32")
    if kind == "softmax":
        return ops.softmax(outputs, axis=1)
    parts = {"abs": ops.abs, "quadratic": ops.square, "relu": ops.relu, "linear": lambda a: a}[kind](outputs) + _EPSILON
    total = ops.sum(parts, axis=1, keepdims=True)
    if kind == "linear":
        # Outputs that cancel out would have masks without bound.
        total = ops.where(ops.abs(total) < _EPSILON, _EPSILON, total)
    return parts / total


def binary_masks(masks):
    """Gives each bin to the source with the largest of the masks `[batch, source, ...]`, the first one of equals."""
    best = ops.argmax(masks, axis=1)
    return ops.moveaxis(ops.one_hot(best, masks.shape[1], dtype="float32"), -1, 1)
