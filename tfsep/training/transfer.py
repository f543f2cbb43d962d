"""Start a model from the weights of another one, by the names of their sources."""

from __future__ import annotations

import logging

import keras
from keras import ops

from tfsep.models import Separator

_log = logging.getLogger("tfsep")


def carry_over(start: Separator, model: Separator, name: str) -> None:
    """Copy weights: those of a source by its name, all others as they are.

    Weights of sources that `start` lacks keep their initial values.

    Args:
        start: the model to start from.
        model: the model to train, of the same class.
        name: str, what `start` is called in messages.

    Raises:
        ValueError: if the weights have other shapes, or the model does not say which belong to which source.
    """
    start.ensure_built()
    model.ensure_built()
    theirs, ours = start.source_weights(), model.source_weights()
    if start.sources != model.sources and not ours:
        raise ValueError(
            f"{name} has the sources {list(start.sources)}, and {type(model).__name__} does not define "
            f"source_weights, by which those of other sources could start. Received: sources={list(model.sources)}."
        )
    kept = [source for source in ours if source in theirs]
    pairs = list(zip(_shared(start, theirs), _shared(model, ours), strict=False))
    pairs += [pair for source in kept for pair in zip(theirs[source], ours[source], strict=False)]
    fitting = len(_shared(start, theirs)) == len(_shared(model, ours))
    fitting &= all(len(theirs[source]) == len(ours[source]) for source in kept)
    if not fitting or any(_values(*given).shape != _values(*taken).shape for given, taken in pairs):
        raise ValueError(f"{name} has other weights than the model to train. Give the same options as it has.")
    for given, (variable, part) in pairs:
        values = ops.convert_to_numpy(variable).copy()
        values[part] = _values(*given)
        variable.assign(values)
    if start.sources != model.sources:
        _log.warning(_message(name, kept, [source for source in ours if source not in theirs]))


def _shared(model: Separator, by_source: dict) -> list[tuple]:
    """Return the weights that belong to no source."""
    own = {id(variable) for parts in by_source.values() for variable, _ in parts}
    return [(variable, ...) for variable in model.weights if id(variable) not in own]


def _values(variable: keras.Variable, part):
    return ops.convert_to_numpy(variable)[part]


def _message(name: str, kept: list[str], new: list[str]) -> str:
    carried = f"weights of {', '.join(kept)} carried over by name" if kept else "no source of that name to carry over"
    return f"{name}: {carried}; {', '.join(new) or 'none'} initialised anew."
