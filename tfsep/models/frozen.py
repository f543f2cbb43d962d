"""Names of frozen layers, for the configuration from which networks are rebuilt."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def frozen(model: keras.Model) -> list[str]:
    """Return the names of the frozen layers, for `freeze`."""
    return [name for name, layer in _layers(model) if not layer.trainable]


def freeze(model: keras.Model, names: list[str]) -> None:
    """Freeze the layers of these names and no others. Names that the model lacks are ignored."""
    names = set(names)
    # Outer layers come first: their flag sets those of all layers inside.
    for name, layer in _layers(model):
        if layer.trainable != (name not in names):
            layer.trainable = name not in names


def _layers(layer: keras.Layer, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yield all layers inside a layer, named by position, such as "0.3".

    Keras's own names may contain the number of layers that the process has made.
    """
    for position, inner in enumerate(layer._flatten_layers(include_self=False, recursive=False)):
        yield f"{prefix}{position}", inner
        yield from _layers(inner, f"{prefix}{position}.")
