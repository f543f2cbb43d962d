"""Files of other projects as models: equal estimates, each tensor used once, other networks refused by name."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from tfsep.checkpoints import Checkpoint, CheckpointError, htdemucs_weights, read, roformer_weights
from tfsep.checkpoints.configuration import read_configuration
from tfsep.models import BandSplitRoFormer, HTDemucs, MelBandRoFormer

NETWORKS = Path(__file__).parent / "networks"
PEERS = Path(__file__).parents[1] / "peers"
KINDS = {
    "htdemucs": HTDemucs,
    "htdemucs-6s": HTDemucs,
    "bs-roformer": BandSplitRoFormer,
    "mel-band-roformer": MelBandRoFormer,
}


def files(name):
    """A network's file, and its configuration or None."""
    folder = NETWORKS / name
    config = folder / "network.yaml"
    (file,) = (path for path in folder.glob("network.*") if path != config)
    return file, config if config.exists() else None


def build(name, change=None, **fields):
    """The model of a network's file, whose tensors are changed and whose `model` configuration has other fields."""
    file, config = files(name)
    checkpoint = read(file)
    tensors = dict(checkpoint.tensors)
    if change:
        change(tensors)
    checkpoint = Checkpoint(file, tensors, checkpoint.facts)
    if config is None:
        return htdemucs_weights.build([checkpoint])
    config = read_configuration(config)
    config["model"].update(fields)
    return roformer_weights.build([checkpoint], **config)


@pytest.mark.parametrize("name", KINDS)
def test_estimates_are_the_original_s(name):
    deviations = runpy.run_path(str(PEERS / "compare.py"))["deviations"]
    for key, (greatest, rms) in deviations(NETWORKS / name).items():
        assert max(greatest, rms) < 1e-5, key


@pytest.mark.parametrize("name", KINDS)
def test_tensors_that_do_not_fit_are_named(name):
    assert isinstance(build(name), KINDS[name])
    last = list(read(files(name)[0]).tensors)[-1]

    with pytest.raises(CheckpointError, match=f"no tensor '{last}'"):
        build(name, lambda tensors: tensors.pop(last))
    with pytest.raises(CheckpointError, match="no place for 'further'"):
        build(name, lambda tensors: tensors.update(further=np.zeros(1)))
    with pytest.raises(CheckpointError, match=f"'{last}'.* shape"):
        build(name, lambda tensors: tensors.update({last: np.zeros(3)}))


def test_sources_and_segments_are_the_file_s():
    model = build("htdemucs-6s")
    assert model.sources == ("drums", "bass", "other", "vocals", "guitar", "piano")
    assert (model.sample_rate, model.segment, model.bottom_filters) == (8000, 600, 0)
    model = build("bs-roformer")
    assert model.sources == ("drums", "bass")
    assert (model.sample_rate, model.segment, model.overlap) == (44100, 600, 0.75)
    model = build("mel-band-roformer")
    assert model.sources == ("vocals",)
    assert (model.segment, model.overlap, model.zero_dc) == (600, 0.5, False)


def test_names_of_parallel_training_are_understood():
    def prefixed(tensors):
        items = [(f"module.{name}", tensor) for name, tensor in tensors.items()]
        tensors.clear()
        tensors.update(items)

    assert isinstance(build("bs-roformer", prefixed), BandSplitRoFormer)


def test_rotary_rates_that_differ_are_an_error():
    name = "layers.1.0.layers.0.0.rotary_embed.freqs"
    with pytest.raises(CheckpointError, match=name):
        build("bs-roformer", lambda tensors: tensors.update({name: tensors[name] * 2}))

    def without(tensors):
        for name in [name for name in tensors if name.endswith("rotary_embed.freqs")]:
            del tensors[name]

    assert isinstance(build("bs-roformer", without), BandSplitRoFormer)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"use_pope": True}, "PoPE"),
        ({"num_residual_streams": 4}, "hyper-connections"),
        ({"linear_transformer_depth": 1}, "linear transformers"),
        ({"freq_range": [0, 100]}, "limited range"),
        ({"stft_win_length": 128}, "windows shorter"),
    ],
)
def test_other_roformers_are_refused_by_name(fields, kind):
    with pytest.raises(CheckpointError, match=kind):
        build("bs-roformer", **fields)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("layers.1.0.layers.0.0.to_value_residual_mix.weight", "value residuals"),
        ("layers.0.0.branch.layers.0.weight", "hyper-connections"),
    ],
)
def test_tensors_of_other_roformers_are_refused_by_name(name, kind):
    with pytest.raises(CheckpointError, match=kind):
        build("mel-band-roformer", lambda tensors: tensors.update({name: np.zeros(1)}))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"klass": "demucs.hdemucs.HDemucs"}, "demucs.hdemucs.HDemucs"),
        ({"structure": "{}"}, "diffq"),
        ({"kwargs": json.dumps({"dconv_mode": 1})}, "dconv_mode=1"),
        ({"kwargs": json.dumps({"dconv_mode": 3, "t_sparse_self_attn": True})}, "t_sparse_self_attn=True"),
        ({"kwargs": json.dumps({"dconv_mode": 3, "depth": 6})}, "norm_starts"),
    ],
)
def test_other_networks_of_demucs_are_refused_by_name(facts, message):
    checkpoint = read(files("htdemucs-6s")[0])
    checkpoint = Checkpoint(checkpoint.path, checkpoint.tensors, checkpoint.facts | facts)
    with pytest.raises(CheckpointError, match=message):
        htdemucs_weights.build([checkpoint])


def test_a_configuration_that_lacks_what_is_needed_is_an_error():
    file, config = files("bs-roformer")
    config = read_configuration(config)
    for section, name in (("training", "training.instruments"), ("audio", "audio.chunk_size")):
        with pytest.raises(CheckpointError, match=name):
            roformer_weights.build([read(file)], **{**config, section: {}})
    with pytest.raises(CheckpointError, match=r"estimates 2 sources\. The configuration names vocals"):
        roformer_weights.build([read(file)], **{**config, "training": {"instruments": ["vocals"]}})


@pytest.mark.parametrize("name", KINDS)
def test_files_are_told_apart(name):
    checkpoint = read(files(name)[0])
    assert htdemucs_weights.matches([checkpoint]) == name.startswith("htdemucs")
    assert roformer_weights.matches([checkpoint]) == name.endswith("roformer")
    with pytest.raises(CheckpointError, match="2 files"):
        (htdemucs_weights if name.startswith("htdemucs") else roformer_weights).build([checkpoint, checkpoint])
