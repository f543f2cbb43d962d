"""Masks that divide a mixture among its sources."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from keras import ops

from tfsep.checks import check_choice

MASKS = ("abs", "linear", "quadratic", "relu", "softmax")

_EPSILON = 1e-7


def ratio_masks(outputs: Sequence, kind: str = "abs") -> list:
    """Compute masks `(y + eps) / sum(y + eps)` from the outputs of a network; they add up to one over the sources.

    Args:
        outputs: float tensors of one shape, the network's output for each source.
        kind: str, how `y` follows from an output `a`: `"abs"`, `|a|`; `"quadratic"`, `a^2`; `"relu"`, `max(a, 0)`;
            `"softmax"`, `exp(a)`, without `eps`; or `"linear"`, `a` itself, with masks that may be negative or above
            one. Defaults to `"abs"`.

    Returns:
        list of float32 tensors, a mask for each source, finite for any outputs. Masks are equal where all outputs are
        zero.

    Raises:
        ValueError: if `kind` is unknown.

    Example:

    >>> first, second = tfsep.layers.ratio_masks([np.array([3.0, 0.0]), np.array([-1.0, 0.0])])
    >>> ops.convert_to_numpy(first).round(2)
    array([0.75, 0.5 ], dtype=float32)

    Reference:

    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf), whose masks are `"abs"`
    """
    check_choice("mask", kind, MASKS)
    outputs = [ops.cast(output, "float32") for output in outputs]
    if kind == "softmax":
        largest = functools.reduce(ops.maximum, outputs)
        parts = [ops.exp(output - largest) for output in outputs]
    else:
        rectify = {"abs": ops.abs, "quadratic": ops.square, "relu": ops.relu, "linear": lambda a: a}[kind]
        parts = [rectify(output) + _EPSILON for output in outputs]
    total = sum(parts[1:], parts[0])
    if kind == "linear":
        # Masks of outputs that cancel out would be unbounded.
        total = ops.where(ops.abs(total) < _EPSILON, _EPSILON, total)
    return [part / total for part in parts]


def binary_masks(masks: Sequence) -> list:
    """Assign each bin to the source with the largest mask, the first one of equals.

    Args:
        masks: float tensors of one shape, a mask for each source.

    Returns:
        list of float32 tensors of zeros and ones.

    Example:

    >>> first, second = tfsep.layers.binary_masks([np.array([0.75, 0.4]), np.array([0.25, 0.6])])
    >>> ops.convert_to_numpy(second)
    array([0., 1.], dtype=float32)
    """
    best = ops.argmax(ops.stack(masks), axis=0)
    return [ops.cast(best == index, "float32") for index in range(len(masks))]
