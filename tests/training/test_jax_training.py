"""`tfsep train` under JAX, where TensorFlow cannot be imported, on two devices that XLA makes of one CPU."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from tfsep import load_model
from tfsep.datasets import StemsFolder
from tfsep.pipeline import prepare
from tfsep.training.checkpoint import read_state

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")

OPTIONS = {"sample_rate": 8000, "segment": 512, "filters": 2, "depth": 1}


@pytest.fixture
def train(tmp_path):
    """Trains in a process of its own, and gives its exit code and its last line."""
    settings = {"options": OPTIONS, "batch_size": 4, "steps_per_epoch": 2, "learning_rate": 1e-3}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))

    def train(data: str, output: str, *options: str, devices: int = 1, model: str = "unet") -> tuple[int, str]:
        flags = f"--xla_force_host_platform_device_count={devices}"
        environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
        command = [sys.executable, Path(__file__).with_name("jax_training.py"), "train", model, "--data", data]
        command += ["--output", tmp_path / output, *options]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
        return run.returncode, (run.stdout + run.stderr).strip().splitlines()[-1]

    return train


def test_a_run_from_a_store_resumes_and_loads_under_tensorflow(corpus, train, tmp_path):
    songs = StemsFolder(corpus, split=None)
    prepare({"train": songs[:3], "valid": songs[3:]}, tmp_path / "store")
    config = ("--config", str(tmp_path / "run.yaml"))
    found = train(f"store:{tmp_path / 'store'}", "run", *config, "--epochs", "1", devices=2)
    assert found == (0, f"The best model is in {tmp_path / 'run' / 'best'}.")
    found = train(f"store:{tmp_path / 'store'}", "run", *config, "--epochs", "2", "--resume", devices=2)
    assert found[0] == 0, found
    # The cache has the same audio, and one device the same results as two.
    found = train(f"stems:{corpus}", "whole", *config, "--epochs", "2", "--strategy", "cpu", "--average", "0.5")
    assert found[0] == 0, found

    resumed, whole = read_state(tmp_path / "run"), read_state(tmp_path / "whole")
    assert resumed["epoch"] == whole["epoch"] == 2
    assert {"loss", "val_loss", "val_vocals_si_sdr_improvement"} <= resumed["history"].keys()
    np.testing.assert_allclose(resumed["history"]["loss"], whole["history"]["loss"], rtol=1e-3)

    estimates = dict(np.load(tmp_path / "run" / "estimates.npz"))
    for name, estimate in load_model(tmp_path / "run" / "best")(estimates.pop("mixture")).items():
        np.testing.assert_allclose(estimates[name], estimate, atol=1e-5)
        assert estimates[name].any()
    checkpoint = keras.saving.load_model(tmp_path / "run" / "checkpoint-0002.keras")
    assert int(checkpoint.optimizer.iterations) == 4


def test_a_cyclegan_is_refused_in_one_line(corpus, train, tmp_path):
    options = {"sample_rate": 8000, "segment": 256, "filters": 2, "blocks": 1, "sources": ["vocals", "accompaniment"]}
    (tmp_path / "gan.yaml").write_text(yaml.safe_dump({"options": options, "steps_per_epoch": 1, "batch_size": 2}))
    code, line = train(f"stems:{corpus}", "run", "--config", str(tmp_path / "gan.yaml"), model="cyclegan")
    assert code == 1
    assert line == "tfsep: WaveGANSeparator trains on the TensorFlow backend alone. Received: jax."
    assert not (tmp_path / "run").exists()
