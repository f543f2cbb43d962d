"""Open-Unmix's state dicts, one file for each source."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.models.open_unmix import OpenUnmix

# Sample rate and hop of the published models, by their number of bins; the files do not tell them.
_RATES = {2049: (44100, 1024), 513: (16000, 512)}


def matches(checkpoints: Sequence[Checkpoint]) -> bool:
    """Return whether checkpoints are of Open-Unmix."""
    return all(
        {"fc1.weight", "lstm.weight_ih_l0", "input_mean"} <= checkpoint.tensors.keys() for checkpoint in checkpoints
    )


def build(checkpoints: Sequence[Checkpoint], **options) -> OpenUnmix:
    """Make the model of checkpoints of Open-Unmix, with their weights.

    Args:
        checkpoints: list of `Checkpoint`, one for each source.
        **options: arguments of `OpenUnmix` that the files do not tell. `sources` defaults to the names of the files
            without the hash; `sample_rate` and `hop` to those of the published models with as many bins.

    Returns:
        `OpenUnmix`.

    Raises:
        CheckpointError: if a tensor is missing, left or of another shape.
    """
    first = checkpoints[0].tensors
    bins, hidden_size = len(first["output_mean"]), len(first["fc1.weight"])
    if bins in _RATES:
        options = dict(zip(("sample_rate", "hop"), _RATES[bins], strict=True)) | options
    elif "hop" not in options:
        raise CheckpointError(
            f"{checkpoints[0].path} has {bins} bins, as no published model has. Give sample_rate and hop."
        )
    defaults = {
        "sources": [source_name(checkpoint) for checkpoint in checkpoints],
        "channels": len(first["fc3.weight"]) // bins,
        "n_fft": 2 * (bins - 1),
        "input_bins": len(first["input_mean"]),
        "hidden_size": hidden_size,
        "recurrent_layers": sum(re.fullmatch(r"lstm\.weight_ih_l\d+", name) is not None for name in first),
        "unidirectional": "lstm.weight_ih_l0_reverse" not in first,
        "wiener": int(len(checkpoints) > 1),
    }
    model = OpenUnmix(**{**defaults, **options})
    if len(model.sources) != len(checkpoints):
        raise CheckpointError(f"{len(checkpoints)} files for {len(model.sources)} sources. Give one for each.")
    for network, checkpoint in zip(model.networks, checkpoints, strict=True):
        _assign(network, checkpoint)
        # Settings of the original program, which are saved with the weights.
        checkpoint.ignore("stft.window", "transform.*.window", "sample_rate", "*.num_batches_tracked")
        checkpoint.finish()
    return model


def source_name(checkpoint: Checkpoint) -> str:
    """Return the source of a file such as `vocals-b62c91ce.pth`."""
    return re.sub(r"[-_][0-9a-f]{8}$", "", checkpoint.path.stem)


def _assign(network, checkpoint: Checkpoint) -> None:
    for name, layer in (("input", network.input_scaling), ("output", network.output_scaling)):
        checkpoint.assign(layer.mean, f"{name}_mean")
        checkpoint.assign(layer.scale, f"{name}_scale")
    for layer in network.dense:
        checkpoint.assign(layer.kernel, f"{layer.name}.weight", (1, 0))
    for layer in network.norms:
        checkpoint.assign(layer.gamma, f"{layer.name}.weight")
        checkpoint.assign(layer.beta, f"{layer.name}.bias")
        checkpoint.assign(layer.moving_mean, f"{layer.name}.running_mean")
        checkpoint.assign(layer.moving_variance, f"{layer.name}.running_var")
    for index, layer in enumerate(network.recurrent):
        if hasattr(layer, "forward_layer"):
            _assign_lstm(layer.forward_layer.cell, f"l{index}", checkpoint)
            _assign_lstm(layer.backward_layer.cell, f"l{index}_reverse", checkpoint)
        else:
            _assign_lstm(layer.cell, f"l{index}", checkpoint)


def _assign_lstm(cell, place: str, checkpoint: Checkpoint) -> None:
    """Assign an LSTM: the order of the gates is the same; torch has two biases, of which only the sum matters."""
    checkpoint.assign(cell.kernel, f"lstm.weight_ih_{place}", (1, 0))
    checkpoint.assign(cell.recurrent_kernel, f"lstm.weight_hh_{place}", (1, 0))
    biases = [checkpoint.take(f"lstm.bias_{kind}_{place}", cell.bias.shape) for kind in ("ih", "hh")]
    cell.bias.assign(np.sum(biases, axis=0, dtype="float32"))
