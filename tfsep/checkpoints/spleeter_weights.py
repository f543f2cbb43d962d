"""Spleeter's checkpoints of TensorFlow 1, and their copies for torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.models.spleeter import Spleeter

# Arguments of the published models by their number of sources, which are in the order of the networks.
PUBLISHED = {
    2: {"sources": ("vocals", "accompaniment")},
    4: {"sources": ("vocals", "drums", "bass", "other"), "activation": "elu"},
    5: {"sources": ("vocals", "piano", "drums", "bass", "other"), "activation": "elu", "softmax": True},
}
# Batch normalisation of the innermost convolution, whose output is not used.
_DEAD = 5
_CONVOLUTIONS, _TRANSPOSED, _NORMS = 7, 6, 12
_TORCH_AXES = (2, 3, 1, 0)
_TORCH_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def matches(checkpoints: Sequence[Checkpoint]) -> bool:
    """Return whether checkpoints are of Spleeter: one of TensorFlow, or one of torch for each source."""
    names = [set(checkpoint.tensors) for checkpoint in checkpoints]
    tensorflow = len(names) == 1 and {"conv2d/kernel", "conv2d_transpose/kernel"} <= names[0]
    return tensorflow or all({"down1_conv.1.weight", "up7.0.weight"} <= tensors for tensors in names)


def build(checkpoints: Sequence[Checkpoint], **options) -> Spleeter:
    """Make the model of checkpoints of Spleeter, with their weights.

    Args:
        checkpoints: list of `Checkpoint`: one of TensorFlow 1, as the project publishes them, or one of torch for each
            source, in the order of the sources.
        **options: arguments of `Spleeter`. Default to those of the published model with as many sources.

    Returns:
        `Spleeter`.

    Raises:
        CheckpointError: if a tensor is missing, left or of another shape.
    """
    tensorflow = "conv2d/kernel" in checkpoints[0].tensors
    count = _networks(checkpoints[0]) if tensorflow else len(checkpoints)
    if count not in PUBLISHED and "sources" not in options:
        raise CheckpointError(f"{checkpoints[0].path} has {count} networks. Give names of the sources (sources=...).")
    model = Spleeter(**{**PUBLISHED.get(count, {}), **options})
    if len(model.networks) != count:
        raise CheckpointError(f"{checkpoints[0].path} has {count} networks. Received: {len(model.sources)} sources.")
    for index, network in enumerate(model.networks):
        if tensorflow:
            _assign(network, checkpoints[0], _tensorflow_name(index), None)
        else:
            _assign(network, checkpoints[index], _torch_name, _TORCH_AXES)
    if tensorflow:
        dead = [f"{_numbered('batch_normalization', _NORMS * index + _DEAD)}/*" for index in range(count)]
        # State of the training, in the archives for fine-tuning.
        checkpoints[0].ignore(*dead, "global_step", "beta?_power", "*/Adam", "*/Adam_1")
    for checkpoint in checkpoints:
        checkpoint.ignore("down6_act.0.*", "*.num_batches_tracked")
        checkpoint.finish()
    return model


def tensorflow_weights(model: Spleeter) -> dict[str, np.ndarray]:
    """Return the weights of a model by the original's names; unused ones have their initial values."""
    tensors = {}
    for index, network in enumerate(model.networks):
        for layer in network.layers:
            place = layer.name.removeprefix(f"{network.name}_")
            for weight in layer.weights:
                tensors[_tensorflow_name(index)(place, weight.name)] = np.asarray(weight)
        size = network.get_layer(f"{network.name}_down_{_DEAD + 1}").filters
        for name, value in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)):
            layer = _numbered("batch_normalization", _NORMS * index + _DEAD)
            tensors[f"{layer}/{name}"] = np.full(size, value, "float32")
    return tensors


def _networks(checkpoint: Checkpoint) -> int:
    kernels = [name for name in checkpoint.tensors if re.fullmatch(r"conv2d(_\d+)?/kernel", name)]
    return len(kernels) // _CONVOLUTIONS


def _assign(network, checkpoint: Checkpoint, name: Callable[[str, str], str], axes: Sequence[int] | None) -> None:
    """Assign the weights of a network; `name` maps a place in it and a kind of weight to a tensor's name."""
    for layer in network.layers:
        place = layer.name.removeprefix(f"{network.name}_")
        for weight in layer.weights:
            checkpoint.assign(weight, name(place, weight.name), axes if weight.name == "kernel" else None)


def _tensorflow_name(network: int) -> Callable[[str, str], str]:
    def name(place: str, weight: str) -> str:
        direction, level = _level(place)
        if place.endswith("_norm"):
            layer = _numbered("batch_normalization", _NORMS * network + level + (6 if direction == "up" else 0))
        elif direction == "up":
            layer = _numbered("conv2d_transpose", _TRANSPOSED * network + level)
        else:
            layer = _numbered("conv2d", _CONVOLUTIONS * network + level)
        return f"{layer}/{weight}"

    return name


def _torch_name(place: str, weight: str) -> str:
    direction, level = _level(place)
    norm = place.endswith("_norm")
    if direction == "up":
        module = f"up{level + 1}.{3 if norm else 0}"
    else:
        module = "up7.0" if place == "last" else f"down{level + 1}_{'act.0' if norm else 'conv.1'}"
    return f"{module}.{_TORCH_NAMES[weight]}"


def _level(place: str) -> tuple[str, int]:
    """Parse a place such as `down_1_norm` to (`down` or `up`, level from 0); `last` comes after the ones down."""
    if place == "last":
        return "down", _CONVOLUTIONS - 1
    direction, level, *_ = place.split("_")
    return direction, int(level) - 1


def _numbered(layer: str, number: int) -> str:
    """Name a layer as TensorFlow 1 does: the first one has no number."""
    return f"{layer}_{number}" if number else layer
