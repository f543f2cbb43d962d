"""Several models as one, with averaged estimates."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfsep.checks import check_number


class Bag:
    """Models whose estimates are averaged, with weights for each source.

    `tfsep.separate` and the command line take it like a model. In a YAML file, which `tfsep.load_model` reads, models
    are named by path or preset and loaded one after the other, so that only one is in memory:

        models: [first, second]
        weights: {vocals: [1, 0]}

    Args:
        models: list of models.
        weights: dict from source to a weight for each model. Other sources are the mean of the models that have them.
            Defaults to None, means for all.
        sources: list of the sources of each model, for models that are not loaded yet. Defaults to those of `models`.

    Raises:
        ValueError: if there are no models, a source is unknown, or weights are not one number for each model, are all
            zero, or belong to a model without the source.

    Example:

    >>> models = [tfsep.load_model(name) for name in ("model.keras", "unet-vocals-drums")]
    >>> bag = tfsep.models.Bag(models, {"vocals": [0.25, 0.75]})
    >>> bag.sources
    ('vocals', 'drums')
    """

    def __init__(
        self,
        models: Sequence,
        weights: Mapping[str, Sequence[float]] | None = None,
        sources: Sequence[Sequence[str]] | None = None,
    ):
        if isinstance(models, (str, Path)) or not models:
            raise ValueError(f"models must be a list of one or more. Received: models={models!r}.")
        self._models = list(models)
        held = [model.sources for model in self._models] if sources is None else sources
        self.sources = tuple(dict.fromkeys(source for sources in held for source in sources))
        unknown = set(weights or ()) - set(self.sources)
        if unknown:
            raise ValueError(f"weights must be of {', '.join(self.sources)}. Received: {', '.join(sorted(unknown))}.")
        self.weights = {}
        for source in self.sources:
            has = [source in sources for sources in held]
            self.weights[source] = _weights(source, (weights or {}).get(source, has), has)

    def only(self, sources: Sequence[str]) -> Bag:
        """Return this bag without the models that no estimate of these sources needs; all others are zero."""
        reduced = copy.copy(self)
        reduced.weights = {source: values for source, values in self.weights.items() if source in sources}
        return reduced

    def members(self, load: Callable) -> Iterator[tuple]:
        """Yield each model that has a weight, as `load` returns it, with its fraction of each source's average."""
        for index, model in enumerate(self._models):
            shares = {source: values[index] / sum(values) for source, values in self.weights.items() if values[index]}
            if shares:
                yield load(model), shares
                # A model and its compiled functions refer to each other and would stay in memory.
                gc.collect()

    def __len__(self) -> int:
        return sum(any(values[index] for values in self.weights.values()) for index in range(len(self._models)))


def _weights(source: str, given: Sequence[float], has: list[bool]) -> list[float]:
    if not isinstance(given, (list, tuple, np.ndarray)) or len(given) != len(has):
        raise ValueError(f"weights must be {len(has)} for {source!r}, one for each model. Received: {given!r}.")
    values = [float(value) for value in given if isinstance(value, bool) or not check_number("weight", value, least=0)]
    if not any(values) or any(value and not held for value, held in zip(values, has, strict=True)):
        raise ValueError(f"weights of {source!r} must be of models that have it, and not all 0. Received: {given!r}.")
    return values
