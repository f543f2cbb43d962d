"""Exponential averages of a model's weights over the steps of its training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import keras
import numpy as np
from keras import ops

# From this number of batches, the statistics of activations are exact to a few thousandths.
_BATCHES = 20


def averages(model: keras.Model) -> bool:
    """Return whether a model's optimizer keeps averages of the weights."""
    return bool(_optimizer(model).use_ema)


class Averaging(keras.callbacks.Callback):
    """Give a model its averaged weights while it is validated and after training.

    Batch normalization keeps statistics of the current weights. Those of the averaged weights differ, and a network
    with the wrong ones is far worse, so they are computed from batches of the training data.

    Args:
        batches: function that returns batches of mixtures and sources.
    """

    def __init__(self, batches: Callable[[], Iterable]):
        super().__init__()
        self.batches = batches
        self._validation = contextlib.ExitStack()
        self._step, self._known = -1, []

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._validation.enter_context(self.averaged())

    def on_test_end(self, logs: dict | None = None) -> None:
        self._validation.close()

    def on_train_end(self, logs: dict | None = None) -> None:
        # Keras itself has given the model the averages of its weights.
        self._set_statistics()

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model its averaged weights within the block."""
        # Of this optimizer alone: a model may have several.
        weights = _optimizer(self.model)._trainable_variables
        variables = [*weights, *_statistics(self.model)]
        current = _values(variables)
        _optimizer(self.model).finalize_variable_values(weights)
        _assign(weights, _values(weights))  # JAX shares the arrays of the averages, and would delete them
        self._set_statistics()
        try:
            yield
        finally:
            _assign(variables, current)

    def _set_statistics(self) -> None:
        step = int(ops.convert_to_numpy(_optimizer(self.model).iterations))
        if step != self._step:
            self._step, self._known = step, _measured(self.model, self.batches)
        _assign(_statistics(self.model), self._known)


def _measured(model: keras.Model, batches: Callable[[], Iterable]) -> list[np.ndarray]:
    """Compute the statistics of batch normalization for the model's weights as they are."""
    norms, statistics = _norms(model), _statistics(model)
    if not norms:
        return []
    # Training advances the seeds of dropout too.
    variables = model.non_trainable_variables
    current = _values(variables)
    momenta = [norm.momentum for norm in norms]
    found = []
    try:
        for norm in norms:
            norm.momentum = 0.0
        for mixture, _ in islice(batches(), _BATCHES):
            model(mixture, training=True)
            found.append(_values(statistics))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        _assign(variables, current)
    return [np.mean(values, axis=0) for values in zip(*found, strict=True)]


def _norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


def _statistics(model: keras.Model) -> list[keras.Variable]:
    return [variable for norm in _norms(model) for variable in (norm.moving_mean, norm.moving_variance)]


def _values(variables: list) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list, values: list) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    # In half precision, an optimizer that scales the loss wraps it.
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)
