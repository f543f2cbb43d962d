"""Estimates that a model makes."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from tfsep.datasets import Track


class Separations:
    """The estimates of a model, made as they are read; those that lie on disk are `Estimates`.

    Sent to another process, it takes the model along as it was given: one given by path or name is loaded there.

    Args:
        model: a model, a path or a preset's name; see `tfsep.load_model`.
        overlap: float or None, handed to `tfsep.separate`; None leaves its default. Defaults to None.
    """

    def __init__(self, model, overlap: float | None = None):
        self._given = model
        self._options = {} if overlap is None else {"overlap": overlap}

    def __getstate__(self) -> dict:
        return {"_given": self._given, "_options": self._options}

    @property
    def name(self) -> str:
        """The model's name in tables."""
        if isinstance(self._given, (str, Path)):
            return Path(self._given).name
        return getattr(self._given, "name", type(self._given).__name__)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that the model estimates."""
        return tuple(self._model.sources)

    @cached_property
    def weights(self) -> str | None:
        """A digest of the model's weights, by which it is known again; None where it shows none."""
        if not hasattr(self._model, "get_weights"):
            return None
        content = hashlib.sha256()
        for value in self._model.get_weights():
            content.update(np.ascontiguousarray(value))
        return content.hexdigest()[:16]

    def read(self, track: Track) -> dict[str, np.ndarray]:
        """Separates a track.

        Returns:
            dict from source to float32 `[samples, channels]`.
        """
        from tfsep.separation import separate  # loads Keras

        return separate(track.read("mixture"), model=self._model, sample_rate=track.sample_rate, **self._options)

    @cached_property
    def _model(self):
        from tfsep.models import load_model  # loads Keras

        return load_model(self._given)
