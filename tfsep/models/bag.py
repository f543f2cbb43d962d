"""Several models as one: their estimates, averaged with weights for each source."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfsep.checks import check_number


class Bag:
    """Models whose estimates are averaged, with weights for each source.

    `tfsep.separate` and the command line take it like a model. In a YAML file, which `tfsep.load_model` reads, models
    are named by path or preset, and loaded one after the other, so that one is in memory at a time:

        models: [first, second]
        weights: {vocals: [1, 0]}

    Args:
        models: the models.
        weights: dict from source to a weight for each model. Sources that it does not name are the plain average of
            the models that have them. Defaults to None, plain averages.
        sources: for `models` that are still to be loaded, the sources of each. Defaults to those of the models.

    Raises:
        ValueError: for no models, unknown sources, or weights that are no numbers, too few or too many, given to a
            model without the source, or all zero.

    Example:

    >>> models = [tfsep.load_model(name) for name in ("convsep-4stems", "unet-vocals-drums")]
    >>> bag = tfsep.models.Bag(models, {"vocals": [1, 0]})
    >>> bag.sources
    ('vocals', 'drums', 'bass', 'other')
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

    def members(self, load: Callable) -> Iterator[tuple]:
        """Yield each model that has a weight, as `load` returns it, with its fraction of each source's average."""
        for index, model in enumerate(self._models):
            shares = {source: values[index] / sum(values) for source, values in self.weights.items() if values[index]}
            if shares:
                yield load(model), shares
                # Compiled functions refer to their model and back, so that it would stay until some later collection.
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
