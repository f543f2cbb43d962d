"""Exponential averages of a model's weights over the steps of its training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


def averages(model: keras.Model) -> bool:
    """Return whether a model's optimizer keeps averages of the weights."""
    return bool(_optimizer(model).use_ema)


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Give the model its averaged weights within the block, if its optimizer keeps averages."""
    if not averages(model):
        yield
        return
    # Of this optimizer alone: a model may have several.
    variables = _optimizer(model)._trainable_variables
    weights = [keras.ops.convert_to_numpy(variable) for variable in variables]
    _optimizer(model).finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    # In half precision, an optimizer that scales the loss wraps it.
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)
