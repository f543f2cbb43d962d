"""Fine-tuning of the networks of other projects, at tiny sizes."""

import keras
import numpy as np
import pytest

from tfsep.models import BandSplitRoFormer, HTDemucs, MelBandRoFormer
from tfsep.training import TrainConfig, train

SOURCES = ("vocals", "drums")
ROFORMER = {"segment": 400, "width": 8, "depth": 1, "heads": 2, "head_size": 4}
MODELS = {
    "htdemucs": (
        HTDemucs,
        {"segment": 600, "filters": 16, "depth": 1, "n_fft": 64, "bottom_filters": 16, "transformer_layers": 2,
         "heads": 2},
        "tencoder",
    ),
    "bs-roformer": (
        BandSplitRoFormer, {**ROFORMER, "n_fft": 64, "hop": 20, "bins_per_band": (2, 2, 4, 25)}, "band_split"
    ),
    "mel-roformer": (MelBandRoFormer, {**ROFORMER, "n_fft": 128, "hop": 32, "bands": 4}, "band_split"),
}  # fmt: skip


def make(name):
    kind, options, part = MODELS[name]
    keras.utils.set_random_seed(0)
    return kind(sources=SOURCES, sample_rate=8000, channels=1, **options), part


@pytest.mark.parametrize("name", MODELS)
def test_run_starts_from_weights_and_changes_them(name, songs, tmp_path, eagerly):
    start, _ = make(name)
    start.save_to_preset(tmp_path / "start")
    config = TrainConfig(
        model=name, start_from=str(tmp_path / "start"), data=[f"stems:{songs}"], valid=[f"stems:{songs}"],
        output=str(tmp_path / "run"), epochs=1, steps_per_epoch=2, batch_size=1,
    )  # fmt: skip
    model = train(config, verbose=0)
    assert model.get_config()["segment"] == start.segment
    moved = [np.abs(new - old).max() for new, old in zip(model.get_weights(), start.get_weights(), strict=True)]
    # Near where it started, and not where another seed would have.
    assert 0 < max(moved) < 0.05


@pytest.mark.parametrize("name", MODELS)
def test_frozen_parts_keep_their_weights(name):
    model, part = make(name)
    for layer in model.network.layers:
        layer.trainable = not layer.name.startswith(part)
    before = {weight.path: weight.numpy() for weight in model.weights}
    generator = np.random.default_rng(0)
    sources = {source: generator.normal(0, 0.1, (4, model.segment, 1)).astype("float32") for source in SOURCES}
    model.compile("adam", run_eagerly=True)
    model.fit(sum(sources.values()), sources, batch_size=2, epochs=1, verbose=0)
    frozen = [weight for weight in model.weights if weight.path.startswith(part)]
    assert frozen
    assert len(frozen) < len(model.trainable_weights)
    for weight in frozen:
        np.testing.assert_array_equal(weight, before[weight.path])
    assert any(np.any(before[weight.path] != weight.numpy()) for weight in model.trainable_weights)
