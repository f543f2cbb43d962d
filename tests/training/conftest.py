from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import StemsFolder
from tfsep.models import UNet
from tfsep.training import checkpoint, fit

RATE = 8000


@pytest.fixture(scope="package")
def corpus(tmp_path_factory):
    """Folder of four songs of half a second, with vocals and drums."""
    generator = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("corpus")
    for song in range(4):
        (root / f"song{song}").mkdir()
        for source, pitch in (("vocals", 440), ("drums", 0)):
            stem = 0.1 * np.sin(2 * np.pi * pitch * np.arange(RATE // 2) / RATE) + generator.normal(0, 0.05, RATE // 2)
            audio.write(root / f"song{song}" / f"{source}.wav", stem[:, np.newaxis].astype("float32"), RATE)
    return root


@pytest.fixture(autouse=True)
def _quick_figures(monkeypatch):
    """Drawing takes longer than training here. Runs of fixtures of a wider scope are drawn."""
    monkeypatch.setattr(checkpoint, "plot_losses", lambda history, path: Path(path).touch())


@pytest.fixture(scope="package")
def make_model():
    def make(**options) -> UNet:
        keras.utils.set_random_seed(0)
        return UNet(**{"sample_rate": RATE, "segment": 512, "filters": 2, "depth": 0, **options})

    return make


@pytest.fixture(scope="package")
def run(corpus, make_model):
    """Trains a small model for two epochs of two steps; keywords override."""
    songs = list(StemsFolder(corpus, split=None))

    def run(output, model=None, **arguments) -> UNet:
        settings = {"valid": songs[3:], "epochs": 2, "batch_size": 2, "steps_per_epoch": 2, "verbose": 0, **arguments}
        return fit(model or make_model(), songs[:3], output=output, **settings)

    return run
