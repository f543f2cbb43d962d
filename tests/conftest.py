"""Fixtures for all tests."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Threads of BLAS that wait for a core which another test has take twenty times the time of the work itself.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from tfsep import audio

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory):
    """Write decoded audio to a folder of this test session."""
    os.environ["TFSEP_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data():
    """A function from a path in the folder of real audio to the full path; skips the test if it is missing.

    The folder is `$TFSEP_TEST_DATA`, else `shared/data` beside the repository: `musdb18-7s` is MUSDB18's 7-second
    previews, `peers` the regression cases of mir_eval and museval.
    """
    folder = Path(os.environ.get("TFSEP_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))

    def find(path):
        if not (folder / path).exists():
            pytest.skip(f"{folder / path} is missing; TFSEP_TEST_DATA names the folder of real audio")
        return folder / path

    return find


@pytest.fixture(scope="session")
def small_preset(tmp_path_factory):
    """Folder of a preset of a small, untrained U-Net for vocals and drums at 8 kHz."""
    import keras

    from tfsep.models import UNet

    keras.utils.set_random_seed(0)
    model = UNet(sample_rate=8000, segment=4096, filters=2, depth=3)
    folder = tmp_path_factory.mktemp("presets") / "small"
    model.save_to_preset(folder)
    return folder


@pytest.fixture
def noise():
    """A function that makes noise `[samples, channels]`, the same for the same seed."""

    def make(samples, channels=2, seed=0):
        generator = np.random.default_rng(seed)
        return (0.1 * generator.standard_normal((samples, channels))).astype(np.float32)

    return make


@pytest.fixture
def eagerly():
    """TensorFlow's functions run eagerly: a few steps of a small model take less than to trace one."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def example(monkeypatch, capfd):
    """Runs a script of `examples/` in this process, which has loaded TensorFlow already; gives what it prints."""

    def example(script: str, *words) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, words)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capfd.readouterr().out

    return example


@pytest.fixture
def songs(tmp_path):
    """Folder of four songs of half a second with four stems each, at 8 kHz."""
    generator = np.random.default_rng(0)
    root = tmp_path / "songs"
    for song in range(4):
        (root / f"song{song}").mkdir(parents=True)
        for source in ("vocals", "drums", "bass", "other"):
            stem = generator.normal(0, 0.1, (4000, 1)).astype(np.float32)
            audio.write(root / f"song{song}" / f"{source}.wav", stem, 8000)
    return root


@pytest.fixture(scope="session")
def chromium():
    """Options and service of a headless Chromium; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()
