"""Which layers are frozen, for a model's configuration: networks are built anew from it."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def frozen(model: keras.Model) -> list[str]:
    """Names of the frozen layers, as `freeze` takes them."""
    return [name for name, layer in _layers(model) if not layer.trainable]


def freeze(model: keras.Model, names: list[str]) -> None:
    """Freezes the layers of these names and no others. Names of layers that the model lacks are ignored."""
    names = set(names)
    # Outer layers come first: setting their flag sets that of all layers inside.
    for name, layer in _layers(model):
        if layer.trainable != (name not in names):
            layer.trainable = name not in names


def _layers(layer: keras.Layer, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """All layers inside a layer with names of their positions, such as "0.3".

    Keras's names may count all layers that the process has made.
    """
    for position, inner in enumerate(layer._flatten_layers(include_self=False, recursive=False)):
        yield f"{prefix}{position}", inner
        yield from _layers(inner, f"{prefix}{position}.")
