"""Activations in operations that all formats of exported models have."""

from __future__ import annotations

from keras import ops


def gelu(x):
    """Compute the exact `x / 2 * (1 + erf(x / sqrt(2)))`, as PyTorch does.

    Keras's own uses the complement of `erf`, which ONNX does not have.

    Args:
        x: float tensor.

    Returns:
        float tensor of the same shape.

    Example:

    >>> float(tfsep.layers.gelu(np.float32(1.0))).__round__(4)
    0.8413

    Reference:

    - [Hendrycks and Gimpel, 2016, Gaussian error linear units](https://arxiv.org/abs/1606.08415)
    """
    return 0.5 * x * (1 + ops.erf(x * 0.5**0.5))
