import sys

import numpy as np
import pytest

from tfsep.evaluation import MEASURES, bss_eval, ideal_ratio_mask, sdr
from tfsep.evaluation.bss_eval import _import_museval

RATE = 1000


@pytest.fixture(autouse=True)
def _forget_museval():
    _import_museval.cache_clear()
    yield
    _import_museval.cache_clear()


def _compare(museval, references, estimates, window=1.0, hop=1.0):
    """SDR of ours and of museval, NaN windows included."""
    expected = museval.evaluate(references, estimates, win=int(window * RATE), hop=int(hop * RATE), padding=False)[0]
    np.testing.assert_allclose(sdr(references, estimates, RATE, window, hop), expected, atol=1e-3)


def test_sdr_by_hand():
    reference = np.array([[[3.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    estimate = np.array([[[3.0, 0.5], [0.0, 4.0]], [[1.0, 1.0], [1.0, 0.8]]])
    values = sdr(reference, estimate, sample_rate=2)
    assert values.shape == (2, 1)
    np.testing.assert_allclose(values[:, 0], [10 * np.log10(25 / 0.25), 10 * np.log10(4 / 0.04)])


def test_sdr_windows_are_independent_and_the_partial_one_is_left_out(noise):
    references, error = noise(2, 3500, 2), noise(2, 3500, 2)
    estimates = references + error
    values = sdr(references, estimates, RATE)
    assert values.shape == (2, 3)
    for index in range(3):
        span = slice(index * RATE, (index + 1) * RATE)
        power = (references[:, span].astype(float) ** 2).sum((1, 2))
        distortion = ((estimates[:, span].astype(float) - references[:, span]) ** 2).sum((1, 2))
        np.testing.assert_allclose(values[:, index], 10 * np.log10(power / distortion))
    # The last 500 samples belong to no window.
    estimates[:, 3000:] = 0
    np.testing.assert_array_equal(sdr(references, estimates, RATE), values)


@pytest.mark.parametrize(
    ("samples", "window", "hop", "expected"),
    [
        (1, 1.0, 1.0, 1),
        (999, 1.0, 1.0, 1),
        (1000, 1.0, 1.0, 1),
        (1999, 1.0, 1.0, 1),
        (2000, 1.0, 1.0, 2),
        (3499, 2.0, 1.5, 1),
        (3500, 2.0, 1.5, 2),
        (2000, 0.5, 0.25, 7),
    ],
)
def test_number_of_windows(noise, samples, window, hop, expected):
    references = noise(1, samples, 1)
    assert sdr(references, references + noise(1, samples, 1), RATE, window, hop).shape == (1, expected)


def test_silence_of_any_source_makes_the_window_nan_for_all(noise):
    references = noise(2, 3000, 2)
    estimates = references + noise(2, 3000, 2)
    references[1, :1000] = 0
    estimates[0, 2000:] = 0
    values = sdr(references, estimates, RATE)
    assert np.isnan(values[:, [0, 2]]).all()
    assert np.isfinite(values[:, 1]).all()


def test_channels_that_cancel_are_silence_as_in_museval(noise):
    references = noise(2, 2000, 2)
    references[0, :1000, 1] = -references[0, :1000, 0]
    values = sdr(references, references + noise(2, 2000, 2), RATE)
    assert np.isnan(values[:, 0]).all()
    assert np.isfinite(values[:, 1]).all()


def test_perfect_estimate_is_infinite(noise):
    references = noise(1, 1000, 1)
    assert sdr(references, references, RATE) == np.inf


def test_sums_are_made_in_float64():
    reference = np.ones((1, 1 << 22, 1), np.float32)
    estimate = reference + np.float32(2.0**-16)
    values = sdr(reference, estimate, sample_rate=1 << 22)
    np.testing.assert_allclose(values, 20 * np.log10(2.0**16), atol=1e-9)


def test_wrong_arrays_are_refused(noise):
    audio = noise(2, 1000, 2)
    broken = audio.copy()
    broken[1, 5, 0] = np.nan
    with pytest.raises(ValueError, match=r"estimates must have the shape .*\(2, 1000, 2\).*\(2, 999, 2\)"):
        sdr(audio, audio[:, :-1], RATE)
    with pytest.raises(ValueError, match=r"references must be .*\(1000, 2\)"):
        sdr(audio[0], audio[0], RATE)
    with pytest.raises(ValueError, match="non-empty"):
        sdr(audio[:, :0], audio[:, :0], RATE)
    with pytest.raises(ValueError, match="estimates hold NaN"):
        sdr(audio, broken, RATE)
    with pytest.raises(ValueError, match=r"hop=0\.0005"):
        sdr(audio, audio, RATE, hop=0.0005)


@pytest.mark.parametrize("samples", [700, 1000, 1700, 2999, 3000])
def test_sdr_windows_agree_with_museval(museval, noise, samples):
    references = noise(2, samples, 1)
    _compare(museval, references, references + noise(2, samples, 1))


def test_sdr_nan_rule_and_overlap_agree_with_museval(museval, noise):
    references = noise(2, 4000, 2)
    estimates = references + noise(2, 4000, 2)
    references[0, :1200] = 0
    references[1, 2000:2600, 1] = -references[1, 2000:2600, 0]
    estimates[1, 3100:3700] = 0
    _compare(museval, references, estimates, window=0.5, hop=0.25)


def test_sdr_agrees_with_museval_on_a_real_song(museval, falcon):
    mixture, stems, sample_rate = falcon
    references = np.stack(list(stems.values()))
    estimates = np.stack(list(ideal_ratio_mask(mixture, stems).values()))
    expected = museval.evaluate(references, estimates, win=sample_rate, hop=sample_rate)[0]
    np.testing.assert_allclose(sdr(references, estimates, sample_rate), expected, atol=1e-3)


def test_each_measure_tells_its_own_distortion(museval, noise):
    """Gain shows in ISR, another source in SIR, noise in SAR; each is -20 dB here."""
    references, other = noise(2, 8000, 1), noise(1, 8000, 1)
    cases = {
        "ISR": 0.9 * references,
        "SIR": references + 0.1 * references[::-1],
        "SAR": references + 0.1 * other,
    }
    for measure, estimates in cases.items():
        values = bss_eval(references, estimates, RATE)
        assert tuple(values) == MEASURES
        assert all(value.shape == (2, 8) for value in values.values())
        np.testing.assert_allclose(np.median(values.pop(measure)), 20, atol=2)
        values.pop("SDR")
        assert all(np.median(value) > 25 for value in values.values())


def test_sdr_only_asks_for_no_museval(noise, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "museval", None)
    references = noise(1, 1000, 1)
    assert tuple(bss_eval(references, references, RATE, sdr_only=True)) == ("SDR",)
    assert not caplog.messages


@pytest.mark.parametrize("error", ["ImportError('no module')", "RuntimeError('ffmpeg or ffprobe not found')"])
def test_without_museval_the_others_are_nan_and_it_is_said_once(noise, monkeypatch, tmp_path, caplog, error):
    (tmp_path / "museval.py").write_text(f"raise {error}")
    monkeypatch.delitem(sys.modules, "museval", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    references = noise(2, 2000, 1)
    for _ in range(2):
        values = bss_eval(references, references + noise(2, 2000, 1), RATE)
    assert np.isfinite(values["SDR"]).all()
    assert all(np.isnan(values[measure]).all() for measure in ("ISR", "SIR", "SAR"))
    assert len(caplog.messages) == 1
    assert "ISR, SIR and SAR" in caplog.messages[0]


@pytest.mark.parametrize("which", ["references", "estimates"])
def test_a_source_silent_throughout_gives_nan_and_no_crash(noise, which):
    audio = {"references": noise(2, 2000, 2), "estimates": noise(2, 2000, 2)}
    audio[which][1] = 0
    values = bss_eval(**audio, sample_rate=RATE)
    assert all(np.isnan(value).all() and value.shape == (2, 2) for value in values.values())


def test_singular_system_in_museval_gives_nan(noise, monkeypatch, caplog):
    class Singular:
        @staticmethod
        def evaluate(*args, **kwargs):
            raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setitem(sys.modules, "museval", Singular)
    references = noise(2, 2000, 1)
    values = bss_eval(references, references + noise(2, 2000, 1), RATE)
    assert np.isfinite(values["SDR"]).all()
    assert np.isnan(values["SAR"]).all()
    assert "singular" in caplog.text
