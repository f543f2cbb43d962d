"""Validation under JAX: the same losses and SI-SDR as under TensorFlow, in the loss's own domain."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tfsep.models import CRN, DRNN, ClassicWaveUNet, ConvSep, CycleGAN, UNet, WaveUNet

MODELS = {
    "unet": (UNet, {"segment": 256, "filters": 2, "depth": 1}),
    "waveunet": (WaveUNet, {"channels": 1, "segment": 265, "size": (8, 8, 8), "bottleneck": "conv"}),
    "classic": (ClassicWaveUNet, {"channels": 1, "segment": 32, "filters": 2, "depth": 2}),
    "drnn": (DRNN, {"segment": 256, "n_fft": 32, "hop": 16, "units": 4}),
    "crn": (CRN, {"segment": 256, "n_fft": 32, "hop": 16, "filters": (2, 2), "units": 2}),
    "convsep": (
        ConvSep,
        {
            "segment": 256,
            "n_fft": 32,
            "hop": 16,
            "frames": 4,
            "filters": (2, 2),
            "horizontal": (2, 1),
            "units": 2,
            "binary_mask": True,
        },
    ),
    "cyclegan": (CycleGAN, {"segment": 256, "filters": 2, "blocks": 1}),
}


@pytest.mark.parametrize("name", MODELS)
def test_validation_is_that_of_tensorflow(name, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}
    if subprocess.run([sys.executable, "-c", "import jax"], env=environment, capture_output=True).returncode:
        pytest.skip("jax is not installed")
    keras.utils.set_random_seed(0)
    kind, options = MODELS[name]
    model = kind(sample_rate=8000, **options)
    generator = np.random.default_rng(0)
    shape = (3, model.segment + 2 * model.context, model.channels)
    sources = {source: generator.normal(0, 0.1, shape).astype("float32") for source in model.sources}
    mixture = sum(sources.values())
    np.savez(tmp_path / "batch.npz", **{"": mixture}, **sources)
    model.save(tmp_path / "model.keras")
    script = Path(__file__).with_name("jax_validation.py")
    run = subprocess.run([sys.executable, script, tmp_path], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())

    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    model.trainable_weights[0].regularizer = keras.regularizers.L2(0.1)
    logs = model.evaluate(mixture, sources, batch_size=2, verbose=0, return_dict=True)
    assert found["evaluate"].keys() == logs.keys()
    for log, value in logs.items():
        np.testing.assert_allclose(found["evaluate"][log], value, rtol=1e-3, atol=1e-3, err_msg=log)
    if name == "cyclegan":
        assert "WaveGANSeparator trains on the TensorFlow backend alone" in found["error"]
    else:
        losses = {"loss", *(f"{source}_loss" for source in model.sources)}
        assert set(found["fit"]) == losses | {f"val_{log}" for log in logs}
