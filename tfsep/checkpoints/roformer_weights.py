"""The weights of the RoFormers, in the format of lucidrains' older code and of ZFTurbo's training code."""

from __future__ import annotations

import re

import numpy as np

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError, single
from tfsep.models.band_split_roformer import BandSplitRoFormer
from tfsep.models.mel_band_roformer import MelBandRoFormer
from tfsep.models.roformer import RoFormer

# Fields of the configuration and parts of tensors' names that mean an unsupported network.
_FOREIGN_FIELDS = {
    "use_pope": (False, "PoPE instead of rotary positions"),
    "num_residual_streams": (1, "hyper-connections"),
    "num_residual_fracs": (1, "hyper-connections"),
    "freq_range": (None, "a limited range of frequencies"),
    "linear_transformer_depth": (0, "linear transformers"),
    "stft_normalized": (False, "a normalised STFT"),
    "add_value_residual": (False, "value residuals"),
}
_FOREIGN_TENSORS = {
    "to_value_residual_mix": "value residuals",
    ".branch.": "hyper-connections",
    "pope": "PoPE instead of rotary positions",
    "mamba": "Mamba layers",
    "conv": "conformer layers",
    "segm": "HyperACE or another convolutional part",
}


def matches(checkpoints: list[Checkpoint]) -> bool:
    """Return whether checkpoints are of a RoFormer."""
    return any(name.removeprefix("module.").startswith("band_split.") for name in checkpoints[0].tensors)


def build(checkpoints: list[Checkpoint], **config: dict) -> RoFormer:
    """Make the model of a checkpoint, with its weights.

    Args:
        checkpoints: list of one `Checkpoint`, of a file of torch or safetensors.
        **config: the sections of the YAML file of the model: `model`, `audio`, `training` and `inference`.

    Returns:
        `BandSplitRoFormer` or `MelBandRoFormer`.

    Raises:
        CheckpointError: for an unsupported network, an incomplete configuration, or tensors that do not fit.
    """
    checkpoint = _without_prefix(single(checkpoints))
    _refuse_foreign(checkpoint, config.get("model", {}))
    mel = "layers.0.0.norm.gamma" in checkpoint.tensors
    options = _sizes(checkpoint) | _settings(checkpoint, config)
    if mel:
        model = MelBandRoFormer(bands=_count(checkpoint, r"band_split\.to_features\.(\d+)\."), **options)
    else:
        width = 2 * options["channels"]
        bands = _count(checkpoint, r"band_split\.to_features\.(\d+)\.")
        gammas = (checkpoint.tensors[f"band_split.to_features.{band}.0.gamma"] for band in range(bands))
        model = BandSplitRoFormer(bins_per_band=[len(gamma) // width for gamma in gammas], **options)
    assign(model, checkpoint)
    return model


def assign(model: RoFormer, checkpoint: Checkpoint) -> None:
    """Assign the weights of a checkpoint to a model; each is used exactly once."""
    _assign_bands(model.network.get_layer("band_split"), checkpoint)
    for axis, kind in enumerate(("time", "band")):
        rates = {}
        for index in range(model.depth):
            layer = model.network.get_layer(f"{kind}_{index}")
            _assign_transformer(layer, f"layers.{index}.{axis}.", checkpoint, rates)
        if rates:
            _assign_rates(model.network.get_layer(f"{kind}_angles"), rates, checkpoint)
    if not model.final_norms:
        checkpoint.assign(model.network.get_layer("final_norm").gamma, "final_norm.gamma")
    for index in range(len(model.sources)):
        _assign_masks(model.network.get_layer(f"masks_{index}"), f"mask_estimators.{index}.to_freqs.", checkpoint)
    checkpoint.finish()


def _assign_transformer(layer, prefix: str, checkpoint: Checkpoint, rates: dict) -> None:
    for index, block in enumerate(layer.blocks):
        attention, feed = f"{prefix}layers.{index}.0.", f"{prefix}layers.{index}.1.net."
        name = f"{attention}rotary_embed.freqs"
        if name in checkpoint.tensors:  # very old files have none
            rates[name] = checkpoint.take(name, (layer.head_size // 2,))
        checkpoint.assign(block["norm"].gamma, f"{attention}norm.gamma")
        checkpoint.assign(block["feed_norm"].gamma, f"{feed}0.gamma")
        for key, name in (
            ("to_qkv", f"{attention}to_qkv"),
            ("to_gates", f"{attention}to_gates"),
            ("to_out", f"{attention}to_out.0"),
            ("widen", f"{feed}1"),
            ("narrow", f"{feed}4"),
        ):
            checkpoint.assign(block[key].kernel, f"{name}.weight", (1, 0))
            if block[key].use_bias:
                checkpoint.assign(block[key].bias, f"{name}.bias")
    if layer.final_norm:
        checkpoint.assign(layer.norm.gamma, f"{prefix}norm.gamma")


def _assign_rates(layer, rates: dict, checkpoint: Checkpoint) -> None:
    """Assign the rotary rates, which all transformers along an axis share and a file repeats for each."""
    first, *others = rates.items()
    for name, value in others:
        if not np.array_equal(value, first[1]):
            raise CheckpointError(f"{checkpoint.path}: {name!r} differs from {first[0]!r}, which tfsep has as one.")
    layer.rates.assign(np.asarray(first[1], "float32"))


def _assign_bands(layer, checkpoint: Checkpoint) -> None:
    band = 0
    for index, (count, width) in enumerate(layer.runs):
        names = [f"band_split.to_features.{band + place}." for place in range(count)]
        _stack(layer.gammas[index], [f"{name}0.gamma" for name in names], (width,), checkpoint)
        _stack(layer.kernels[index], [f"{name}1.weight" for name in names], (layer.channels, width), checkpoint)
        _stack(layer.biases[index], [f"{name}1.bias" for name in names], (layer.channels,), checkpoint)
        band += count


def _assign_masks(layer, prefix: str, checkpoint: Checkpoint) -> None:
    bands = range(len(layer.widths))
    for index, (kernel, bias) in enumerate(zip(layer.hidden_kernels, layer.hidden_biases, strict=True)):
        _, inner, outer = kernel.shape
        _stack(kernel, [f"{prefix}{band}.0.{2 * index}.weight" for band in bands], (outer, inner), checkpoint)
        _stack(bias, [f"{prefix}{band}.0.{2 * index}.bias" for band in bands], (outer,), checkpoint)
    band, last = 0, 2 * layer.hidden_layers
    for index, (count, width) in enumerate(layer.runs):
        names = [f"{prefix}{band + place}.0.{last}." for place in range(count)]
        shape = (2 * width, layer.kernels[index].shape[1])
        _stack(layer.kernels[index], [f"{name}weight" for name in names], shape, checkpoint)
        _stack(layer.biases[index], [f"{name}bias" for name in names], shape[:1], checkpoint)
        band += count


def _stack(variable, names: list[str], shape: tuple[int, ...], checkpoint: Checkpoint) -> None:
    """Assign the tensors of all bands, transposed."""
    variable.assign(np.stack([checkpoint.take(name, shape).T for name in names]).astype(variable.dtype))


def _without_prefix(checkpoint: Checkpoint) -> Checkpoint:
    """Remove the prefix `module.` that parallel training adds to each name."""
    tensors = {name.removeprefix("module."): tensor for name, tensor in checkpoint.tensors.items()}
    return Checkpoint(checkpoint.path, tensors, checkpoint.facts)


def _refuse_foreign(checkpoint: Checkpoint, fields: dict) -> None:
    kinds = [kind for name, (plain, kind) in _FOREIGN_FIELDS.items() if fields.get(name, plain) not in (plain, None)]
    kinds += [kind for part, kind in _FOREIGN_TENSORS.items() if any(part in name for name in checkpoint.tensors)]
    if fields.get("stft_win_length", 2048) != fields.get("stft_n_fft", 2048):
        kinds.append("windows shorter than the frames")
    if kinds:
        raise CheckpointError(f"{checkpoint.path} is of a RoFormer with {kinds[0]}, which tfsep does not have.")


def _sizes(checkpoint: Checkpoint) -> dict:
    """Return the arguments of the model that follow from the tensors."""
    tensors = checkpoint.tensors
    try:
        heads, width = tensors["layers.0.0.layers.0.0.to_gates.weight"].shape
        rows, _ = tensors["layers.0.0.layers.0.0.to_qkv.weight"].shape
        hidden, _ = tensors["mask_estimators.0.to_freqs.0.0.0.weight"].shape
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{checkpoint.path} is of no RoFormer that tfsep has: it lacks {error}.") from error
    return {
        "width": width,
        "depth": _count(checkpoint, r"layers\.(\d+)\."),
        "time_layers": _count(checkpoint, r"layers\.0\.0\.layers\.(\d+)\."),
        "band_layers": _count(checkpoint, r"layers\.0\.1\.layers\.(\d+)\."),
        "heads": heads,
        "head_size": rows // (3 * heads),
        "mask_layers": _count(checkpoint, r"mask_estimators\.0\.to_freqs\.0\.0\.(\d+)\.") // 2,
        "mask_expansion": hidden // width,
    }


def _settings(checkpoint: Checkpoint, config: dict) -> dict:
    """Return the arguments of the model that only the configuration tells."""
    fields, audio, training, inference = (config.get(key) or {} for key in ("model", "audio", "training", "inference"))
    target = training.get("target_instrument")
    sources = [target] if target else training.get("instruments")
    hop = fields.get("stft_hop_length", 512)
    frames = inference.get("dim_t") or audio.get("dim_t")
    segment = inference.get("chunk_size") or audio.get("chunk_size") or (hop * (frames - 1) if frames else None)
    for value, name in ((sources, "training.instruments"), (segment, "audio.chunk_size")):
        if not value:
            raise CheckpointError(
                f"{checkpoint.path}: its configuration has no {name}. Give the YAML file of the model."
            )
    stems = _count(checkpoint, r"mask_estimators\.(\d+)\.")
    if stems != len(sources):
        raise CheckpointError(
            f"{checkpoint.path} estimates {stems} sources. The configuration names {', '.join(sources)}."
        )
    options = {
        "sources": tuple(sources),
        "sample_rate": audio.get("sample_rate") or fields.get("sample_rate", 44100),
        "channels": 2 if fields.get("stereo", False) else 1,
        "segment": segment,
        "n_fft": fields.get("stft_n_fft", 2048),
        "hop": hop,
        "skip_connection": fields.get("skip_connection", False),
        "zero_dc": fields.get("zero_dc", True),
    }
    if inference.get("num_overlap"):
        options["overlap"] = 1 - 1 / inference["num_overlap"]
    return options


def _count(checkpoint: Checkpoint, pattern: str) -> int:
    """Return one more than the greatest number in the names that match."""
    numbers = [int(match[1]) for name in checkpoint.tensors if (match := re.match(pattern, name))]
    if not numbers:
        raise CheckpointError(f"{checkpoint.path} is of no RoFormer that tfsep has: no tensor is named {pattern!r}.")
    return 1 + max(numbers)
