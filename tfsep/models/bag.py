"""Several models as one: their estimates, averaged with weights for each source."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from tfsep.checks import check_number
from tfsep.models.loading import load_model, model_sources


class Bag:
    """Models whose estimates are averaged, with weights for each source.

    `tfsep.separate` and the command line take it like a model. Models given by path or name are loaded one after the
    other, so that one is in memory at a time.

    Args:
        models: models, paths or presets' names; see `tfsep.load_model`.
        weights: dict from source to a weight for each model. Sources that it does not name are the plain average of
            the models that have them. Defaults to None, plain averages.

    Raises:
        ValueError: for no models, unknown sources, or weights that are no numbers, too few or too many, given to a
            model without the source, or all zero.

    Example:

    >>> bag = Bag(["convsep-4stems", "unet-vocals-drums"], {"vocals": [1, 0]})
    >>> bag.sources
    ('vocals', 'drums', 'bass', 'other')
    """

    def __init__(self, models: Sequence, weights: Mapping[str, Sequence[float]] | None = None):
        if isinstance(models, (str, Path)) or not models:
            raise ValueError(f"models must be a list of one or more. Received: models={models!r}.")
        self._models = list(models)
        held = [model_sources(model) for model in self._models]
        self.sources = tuple(dict.fromkeys(source for sources in held for source in sources))
        unknown = set(weights or ()) - set(self.sources)
        if unknown:
            raise ValueError(f"weights must be of {', '.join(self.sources)}. Received: {', '.join(sorted(unknown))}.")
        self.weights = {}
        for source in self.sources:
            has = [source in sources for sources in held]
            self.weights[source] = _weights(source, (weights or {}).get(source, has), has)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Bag:
        """Reads a bag from a YAML file, such as

            models: [first, second]
            weights: {vocals: [1, 0]}

        Models are presets' names, or paths from the file's folder.

        Raises:
            ValueError: if the file holds anything else; see also `Bag`.
        """
        path = Path(path)
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML file: {' '.join(str(error).split())}.") from error
        if not isinstance(values, dict) or "models" not in values or not values.keys() <= {"models", "weights"}:
            raise ValueError(f"{path} must hold `models`, and may hold `weights`.")
        models, weights = values["models"], values.get("weights")
        if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
            raise ValueError(f"{path}: models must be a list of names and paths. Received: models={models!r}.")
        if weights is not None and not isinstance(weights, dict):
            raise ValueError(f"{path}: weights must be a mapping from sources. Received: weights={weights!r}.")
        beside = [path.parent / model for model in models]
        return cls([file if file.exists() else model for file, model in zip(beside, models, strict=True)], weights)

    def members(self) -> Iterator[tuple]:
        """Each model that has a weight, loaded, with the fraction that its estimate of each source counts."""
        for index, model in enumerate(self._models):
            shares = {source: values[index] / sum(values) for source, values in self.weights.items() if values[index]}
            if shares:
                yield load_model(model), shares
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
