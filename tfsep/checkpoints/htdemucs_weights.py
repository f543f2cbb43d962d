"""The weights of HTDemucs, as Demucs publishes them."""

from __future__ import annotations

import json
from fractions import Fraction

import keras
import numpy as np

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError, single
from tfsep.checkpoints.pickles import Call
from tfsep.models.htdemucs import HTDemucs

CLASS = "demucs.htdemucs.HTDemucs"

# Arguments of the original and of `HTDemucs`.
_TAKEN = {
    "sources": "sources",
    "audio_channels": "channels",
    "samplerate": "sample_rate",
    "channels": "filters",
    "depth": "depth",
    "nfft": "n_fft",
    "bottom_channels": "bottom_filters",
    "t_layers": "transformer_layers",
    "t_heads": "heads",
}

# Fixed values of `HTDemucs`. The defaults of the original are the same, except for `dconv_mode`.
_FIXED = {
    "growth": 2, "cac": True, "wiener_iters": 0, "end_iters": 0, "wiener_residual": False,
    "rewrite": True, "kernel_size": 8, "stride": 4, "context": 1, "context_enc": 0, "multi_freqs": [],
    "freq_emb": 0.2, "emb_scale": 10, "dconv_mode": 3, "dconv_depth": 2, "dconv_comp": 8, "norm_groups": 4,
    "t_emb": "sin", "t_max_period": 10000.0, "t_weight_pos_embed": 1.0, "t_norm_in": True, "t_norm_in_group": False,
    "t_group_norm": False, "t_norm_first": True, "t_norm_out": True, "t_layer_scale": True, "t_gelu": True,
    "t_cross_first": False, "t_hidden_scale": 4.0, "t_sparse_self_attn": False, "t_sparse_cross_attn": False,
    "use_train_segment": True,
}  # fmt: skip
_DEFAULTS = {"dconv_mode": 1}

_KINDS = {"kernel": "weight", "gamma": "weight", "beta": "bias"}


def matches(checkpoints: list[Checkpoint]) -> bool:
    """Return whether checkpoints are of Demucs."""
    first = checkpoints[0]
    return "freq_emb.embedding.weight" in first.tensors or "demucs" in str(first.facts.get("klass"))


def build(checkpoints: list[Checkpoint]) -> HTDemucs:
    """Make the model of a checkpoint, with its weights.

    Args:
        checkpoints: list of one `Checkpoint`, of a `.th` or `.safetensors` file of Demucs.

    Returns:
        `HTDemucs`.

    Raises:
        CheckpointError: for another network of Demucs, or tensors that do not fit.
    """
    checkpoint = single(checkpoints)
    model = HTDemucs(**_options(checkpoint))
    assign(model, checkpoint)
    return model


def assign(model: HTDemucs, checkpoint: Checkpoint) -> None:
    """Assign the weights of a checkpoint to a model; each is used exactly once."""
    for layer in model.network.layers:
        for variable in layer.weights:
            *place, kind = variable.path.split("/")
            _assign(variable, ".".join((*place, _KINDS.get(kind, kind))), checkpoint)
    checkpoint.finish()


def _assign(variable: keras.Variable, name: str, checkpoint: Checkpoint) -> None:
    tensor = np.asarray(checkpoint.take(name))
    shape = tensor.shape
    if len(variable.shape) == 4:
        # One-dimensional kernels are along time.
        tensor = (tensor[:, :, None] if tensor.ndim == 3 else tensor).transpose(2, 3, 1, 0)
    elif len(variable.shape) == 2 and not name.startswith("freq_emb"):
        tensor = tensor.reshape(tensor.shape[:2]).T if tensor.size == np.prod(tensor.shape[:2]) else tensor
    if tensor.shape != tuple(variable.shape):
        raise CheckpointError(
            f"{checkpoint.path}: tensor {name!r} of shape {shape} does not fit. The network expects "
            f"{tuple(variable.shape)}, or its transpose."
        )
    variable.assign(tensor)


def _options(checkpoint: Checkpoint) -> dict:
    """Return the arguments of the model, from those of the original in the checkpoint."""
    facts = checkpoint.facts
    name = str(facts.get("klass"))
    if name != CLASS:
        raise CheckpointError(f"{checkpoint.path} is of {name}, which tfsep does not have. Expected {CLASS}.")
    if facts.get("structure"):
        raise CheckpointError(f"{checkpoint.path} contains quantised weights (diffq), which are not read.")
    # The sources are the first argument of the original, which may be given without a name.
    arguments = dict(zip(("sources",), _plain(facts.get("args", ())), strict=False)) | _plain(facts.get("kwargs", {}))
    for key, value in _FIXED.items():
        found = arguments.get(key, _DEFAULTS.get(key, value))
        found = [] if found is None and value == [] else found
        if found != value:
            raise CheckpointError(f"{checkpoint.path} has {key}={found!r}. tfsep has HTDemucs with {value!r} alone.")
    options = {ours: arguments[theirs] for theirs, ours in _TAKEN.items() if theirs in arguments}
    # The default of the original.
    options.setdefault("bottom_filters", 0)
    if arguments.get("norm_starts", 4) < options.get("depth", 4):
        raise CheckpointError(f"{checkpoint.path} has group norms in its U-Net (norm_starts), which tfsep has not.")
    options["segment"] = int(arguments.get("segment", 10) * options.get("sample_rate", 44100))
    return options


def _plain(value):
    """Convert JSON or the content of a pickle to plain Python values; fractions become `Fraction`."""
    if isinstance(value, str):
        try:
            return json.loads(value, object_hook=_fraction) if value[:1] in "[{" else value
        except ValueError:
            return value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Call) and str(value.name) == "fractions.Fraction":
        return Fraction(*value.args)
    return value


def _fraction(entries: dict):
    if entries.get("_type") == "fraction":
        return Fraction(entries["numerator"], entries["denominator"])
    return entries
