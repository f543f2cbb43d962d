"""A dense layer for each frequency band; neighbouring bands of equal width are computed together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
from keras import ops

from tfsep.layers.rotary_transformer import unit_norm


class BandSplit(keras.layers.Layer):
    """Normalize the features of each band and project them to the same number of channels.

    `[batch, frames, features]`, band after band, becomes `[batch, frames, bands, channels]`.

    Args:
        widths: list of int, features of each band.
        channels: int, channels of the output.
    """

    def __init__(self, widths: Sequence[int], channels: int, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.channels = channels
        self.runs = runs(self.widths)

    def build(self, shape):
        self.gammas, self.kernels, self.biases = [], [], []
        for index, (count, width) in enumerate(self.runs):
            self.gammas.append(self.add_weight(name=f"gamma_{index}", shape=(count, width), initializer="ones"))
            self.kernels.append(_kernel(self, f"kernel_{index}", (count, width, self.channels)))
            self.biases.append(self.add_weight(name=f"bias_{index}", shape=(count, self.channels), initializer="zeros"))

    # Building a model need not trace `call`.
    def compute_output_shape(self, shape):
        return (*shape[:2], len(self.widths), self.channels)

    def call(self, inputs):
        outputs, place = [], 0
        for index, (count, width) in enumerate(self.runs):
            part = inputs[..., place : place + count * width]
            part = unit_norm(ops.reshape(part, (-1, part.shape[1], count, width))) * self.gammas[index]
            outputs.append(ops.einsum("btkw,kwd->btkd", part, self.kernels[index]) + self.biases[index])
            place += count * width
        return ops.concatenate(outputs, axis=2)

    def get_config(self) -> dict:
        return {**super().get_config(), "widths": list(self.widths), "channels": self.channels}


class BandMasks(keras.layers.Layer):
    """A network for each band: hidden layers with tanh, then a gated layer with the features of the band.

    `[batch, frames, bands, channels]` becomes `[batch, frames, features]`, band after band.

    Args:
        widths: list of int, features of each band.
        hidden_size: int, channels of a hidden layer.
        hidden_layers: int, number of hidden layers.
    """

    def __init__(self, widths: Sequence[int], hidden_size: int, hidden_layers: int, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.hidden_size = hidden_size
        self.hidden_layers = hidden_layers
        self.runs = runs(self.widths)

    def build(self, shape):
        bands, size = len(self.widths), shape[-1]
        self.hidden_kernels, self.hidden_biases, self.kernels, self.biases = [], [], [], []
        for index in range(self.hidden_layers):
            self.hidden_kernels.append(_kernel(self, f"hidden_kernel_{index}", (bands, size, self.hidden_size)))
            self.hidden_biases.append(
                self.add_weight(name=f"hidden_bias_{index}", shape=(bands, self.hidden_size), initializer="zeros")
            )
            size = self.hidden_size
        for index, (count, width) in enumerate(self.runs):
            self.kernels.append(_kernel(self, f"kernel_{index}", (count, size, 2 * width)))
            self.biases.append(self.add_weight(name=f"bias_{index}", shape=(count, 2 * width), initializer="zeros"))

    def compute_output_shape(self, shape):
        return (*shape[:2], sum(self.widths))

    def call(self, inputs):
        hidden = inputs
        for kernel, bias in zip(self.hidden_kernels, self.hidden_biases, strict=True):
            hidden = ops.tanh(ops.einsum("btkd,kdh->btkh", hidden, kernel) + bias)
        outputs, place = [], 0
        for index, (count, width) in enumerate(self.runs):
            part = ops.einsum("btkd,kdw->btkw", hidden[:, :, place : place + count], self.kernels[index])
            values, gates = ops.split(part + self.biases[index], 2, axis=-1)
            outputs.append(ops.reshape(values * ops.sigmoid(gates), (-1, inputs.shape[1], count * width)))
            place += count
        return ops.concatenate(outputs, axis=-1)

    def get_config(self) -> dict:
        facts = {"widths": list(self.widths), "hidden_size": self.hidden_size, "hidden_layers": self.hidden_layers}
        return {**super().get_config(), **facts}


def runs(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Group neighbours of equal width: pairs (count, width)."""
    return [(len(list(group)), width) for width, group in itertools.groupby(widths)]


def _kernel(layer: keras.layers.Layer, name: str, shape: tuple[int, int, int]):
    """Add one matrix for each band, initialised as a single one would be."""
    limit = (6 / sum(shape[1:])) ** 0.5
    return layer.add_weight(name=name, shape=shape, initializer=keras.initializers.RandomUniform(-limit, limit))
