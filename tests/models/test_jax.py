"""Training and validation under JAX: the same losses and SI-SDR as under TensorFlow, in the loss's own domain."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from tfsep import separate
from tfsep.models import CRN, DRNN, ClassicWaveUNet, ConvSep, CycleGAN, UNet, WaveUNet

WAVEUNET = {"channels": 1, "segment": 265, "size": (8, 8, 16), "dropout": 0.0}
MODELS = {
    "unet": (UNet, {"segment": 256, "filters": 2, "depth": 1}),
    "waveunet": (WaveUNet, {**WAVEUNET, "bottleneck": "conv"}),
    "waveunet-transformer": (WaveUNet, {**WAVEUNET, "bottleneck": "transformer"}),
    "waveunet-dual-path": (WaveUNet, {**WAVEUNET, "bottleneck": "dual_path"}),
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
SLOW = {"waveunet-transformer", "waveunet-dual-path"}


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MODELS])
def test_validation_and_steps_are_those_of_tensorflow(name, tmp_path, script):
    keras.utils.set_random_seed(0)
    kind, options = MODELS[name]
    model = kind(sample_rate=8000, **options)
    generator = np.random.default_rng(0)
    shape = (3, model.segment + 2 * model.context, model.channels)
    sources = {source: generator.normal(0, 0.1, shape).astype("float32") for source in model.sources}
    mixture = sum(sources.values())
    np.savez(tmp_path / "batch.npz", **{"": mixture}, **sources)
    model.save(tmp_path / "model.keras")
    script("jax_validation.py", KERAS_BACKEND="jax", CUDA_VISIBLE_DEVICES="")(tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())

    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    model.trainable_weights[0].regularizer = keras.regularizers.L2(0.1)
    assert_close(found["evaluate"], model.evaluate(mixture, sources, batch_size=2, verbose=0, return_dict=True))
    if name == "cyclegan":
        assert "WaveGANSeparator trains on the TensorFlow backend alone" in found["error"]
    else:
        data = (mixture, sources)
        expected = model.fit(*data, batch_size=3, epochs=2, validation_data=data, verbose=0).history
        assert_close(found["fit"], expected)
        # The second loss shows that the first step was the same.
        first, second = expected["loss"]
        assert abs(second / first - 1) > 1e-3
        np.testing.assert_allclose(found["fit"]["loss"], expected["loss"], rtol=1e-5)


def assert_close(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for log, value in expected.items():
        np.testing.assert_allclose(found[log], value, rtol=1e-3, atol=1e-3, err_msg=log)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")
def test_the_wiener_filter_is_as_exact_as_under_tensorflow(tmp_path, script):
    keras.utils.set_random_seed(0)
    model = UNet(sample_rate=8000, segment=4096, filters=2, depth=1, wiener_iterations=1)
    model.save(tmp_path / "model.keras")
    # The covariance of equal channels is singular but for what is added to it.
    time = np.arange(20_000, dtype="float32") / 8000
    song = np.repeat(
        0.5 * np.sin(2 * np.pi * np.outer(time, [300, 440, 1000])).sum(axis=1, keepdims=True) / 3, 2, axis=1
    )
    np.save(tmp_path / "song.npy", song)
    script("jax_wiener.py", KERAS_BACKEND="jax", CUDA_VISIBLE_DEVICES="")(tmp_path)
    expected = separate(song, model, 8000)["vocals"]
    np.testing.assert_allclose(np.load(tmp_path / "vocals.npy"), expected, atol=1e-5 * np.abs(expected).max())
