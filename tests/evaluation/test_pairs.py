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


def _halves(sound, first):
    """Sound in one second of two."""
    return np.where((np.arange(len(sound)) < RATE)[:, np.newaxis] == first, sound, 0)


@pytest.mark.parametrize(
    ("change", "measures", "reason"),
    [
        (lambda s: {"estimate": 0 * s["estimate"]}, "SDR, ISR, SAR, SI-SDR", "{estimate} is silent"),
        (lambda s: {"reference": 0 * s["reference"]}, "SDR, ISR, SAR, SI-SDR", "{reference} is silent"),
        (lambda s: {"estimate": s["reference"]}, "SDR, SI-SDR", "{estimate} is perfect"),
        (
            lambda s: {"reference": _halves(s["reference"], True), "estimate": _halves(s["reference"], False)},
            "SDR, ISR, SAR",
            "one of the files is silent in each window",
        ),
    ],
)
def test_a_score_that_is_missing_comes_with_its_reason_in_one_line(tmp_path, sounds, caplog, change, measures, reason):
    paths = dict(zip(sounds, _write(tmp_path, sounds | change(sounds)), strict=True))
    scores = score_files(*paths.values())
    assert f"No {measures}: {reason.format(**paths)}." in [record.getMessage() for record in caplog.records]
    missing = {name for values in scores.values() for name, value in values.items() if value is None}
    assert set(measures.split(", ")) <= missing


def test_lengths_differ_as_those_of_estimates_of_a_corpus(tmp_path, sounds, caplog):
    shorter, filled = sounds["estimate"][:-7], sounds["estimate"].copy()
    filled[-7:] = 0
    scores = score_files(*_write(tmp_path, sounds | {"estimate": shorter}))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{tmp_path / 'estimate.wav'} is 7 samples shorter than {tmp_path / 'reference.wav'}.")
    assert scores == score_files(*_write(tmp_path, sounds | {"estimate": filled}))
    longer = np.concatenate([sounds["estimate"], sounds["estimate"][:7]])
    scores = score_files(*_write(tmp_path, sounds | {"estimate": longer}))
    assert scores == score_files(*_write(tmp_path, sounds))
    with pytest.raises(ValueError, match=r"estimate\.wav has 4000 Hz, 2 channels and 100 samples"):
        score_files(*_write(tmp_path, sounds | {"estimate": sounds["estimate"][:100]}))
    with pytest.raises(ValueError, match=r"estimate\.wav has 4000 Hz, 1 channels"):
        score_files(*_write(tmp_path, sounds | {"estimate": sounds["estimate"][:, :1]}))
