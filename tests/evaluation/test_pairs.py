"""One file against another."""

import numpy as np
import pytest

from tfsep import audio
from tfsep.evaluation import bss_eval, log_wmse, score_files, usdr

RATE = 4000


@pytest.fixture
def sounds(noise):
    reference = noise(2 * RATE, 2)
    return {"reference": reference, "estimate": reference + 0.3 * noise(2 * RATE, 2), "mixture": 2 * reference}


def _write(folder, sounds, rate=RATE):
    for name, sound in sounds.items():
        audio.write(folder / f"{name}.wav", sound, rate, overwrite=True)
    return [folder / f"{name}.wav" for name in sounds]


def test_scores_of_files_are_those_of_their_arrays(tmp_path, sounds):
    scores = score_files(*_write(tmp_path, sounds))
    reference, estimate, mixture = (sound[np.newaxis] for sound in sounds.values())
    windows = bss_eval(reference, estimate, RATE)
    assert scores["bsseval_v4"] == pytest.approx(
        {name: np.median(windows[name]) for name in ("SDR", "ISR", "SAR")}, abs=1e-4
    )
    assert scores["mdx"]["uSDR"] == pytest.approx(usdr(reference, estimate)[0], abs=1e-4)
    assert scores["log_wmse"]["log-WMSE"] == pytest.approx(log_wmse(reference, estimate, mixture[0], RATE)[0], abs=1e-4)
    assert "log_wmse" not in score_files(tmp_path / "reference.wav", tmp_path / "estimate.wav")


def test_a_silent_reference_has_the_scores_that_are_defined(tmp_path, sounds):
    scores = score_files(*_write(tmp_path, sounds | {"reference": np.zeros_like(sounds["reference"])}))
    assert scores["bsseval_v4"]["SDR"] is None and scores["si_sdr"]["SI-SDR"] is None
    assert all(scores[name][measure] is not None for name, measure in (("mdx", "uSDR"), ("log_wmse", "log-WMSE")))


def test_lengths_may_differ_by_a_few_samples(tmp_path, sounds, caplog):
    score_files(*_write(tmp_path, sounds | {"estimate": sounds["estimate"][:-7]}))
    assert f"differ in length: {2 * RATE - 7} samples are compared" in caplog.text
    with pytest.raises(ValueError, match=r"estimate\.wav has 4000 Hz, 2 channels and 100 samples"):
        score_files(*_write(tmp_path, sounds | {"estimate": sounds["estimate"][:100]}))
    with pytest.raises(ValueError, match=r"estimate\.wav has 4000 Hz, 1 channels"):
        score_files(*_write(tmp_path, sounds | {"estimate": sounds["estimate"][:, :1]}))
