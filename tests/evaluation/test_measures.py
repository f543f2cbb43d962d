"""Measures of whole tracks against their formulas in plain numpy."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep import audio
from tfsep.evaluation import bleedless_fullness, l1_freq, log_wmse, si_bss_eval, usdr
from tfsep.evaluation.weighted_error import hearing_filter

RATE = 44100


@pytest.fixture
def pair(noise):
    """Three sources, the last of which is silent, and their estimates; the first is coloured."""
    references = noise(3, 9000, 2).astype(np.float64)
    references[0] = 0.3 * np.cumsum(references[0], axis=0)
    references[2] = 0
    return references, 0.8 * references + 0.2 * noise(3, 9000, 2)[::-1]


class TestUsdr:
    @pytest.mark.parametrize("delta", [1e-7, 1e-8])
    def test_formula(self, pair, delta):
        references, estimates = pair
        for s, e, value in zip(references, estimates, usdr(references, estimates, delta), strict=True):
            expected = 10 * np.log10((np.sum(s**2) + delta) / (np.sum((s - e) ** 2) + delta))
            assert value == pytest.approx(expected, abs=1e-9)

    def test_is_finite_for_silence_and_perfection(self, pair):
        references = pair[0]
        perfect = usdr(references, references)
        assert perfect[0] == pytest.approx(10 * np.log10(np.sum(references[0] ** 2) / 1e-7 + 1))
        assert perfect[2] == 0


class TestSiBssEval:
    def test_formula(self, pair):
        references, estimates = pair
        values = si_bss_eval(references, estimates)
        sources = references.reshape(3, -1)
        for index in (0, 1):
            s, e = sources[index], estimates[index].ravel()
            target = (e @ s) / (s @ s) * s
            projection = sources[:2].T @ np.linalg.lstsq(sources[:2].T, e, rcond=None)[0]
            for name, error in {
                "SI-SDR": e - target,
                "SI-SIR": projection - target,
                "SI-SAR": e - projection,
            }.items():
                assert values[name][index] == pytest.approx(10 * np.log10(target @ target / (error @ error)), abs=1e-6)
        assert all(np.isnan(values[name][2]) for name in values)

    @settings(deadline=None, max_examples=30)
    @given(st.integers(0, 1000), st.floats(-60, 20), st.floats(-60, 20))
    def test_interference_and_artifacts_add_up_to_the_distortion(self, seed, leaked, added):
        generator = np.random.default_rng(seed)
        references, artifacts = generator.standard_normal((2, 2, 500, 1))
        estimates = references + 10 ** (leaked / 20) * references[::-1] + 10 ** (added / 20) * artifacts
        shares = {name: 10 ** (-value / 10) for name, value in si_bss_eval(references, estimates).items()}
        np.testing.assert_allclose(shares["SI-SIR"] + shares["SI-SAR"], shares["SI-SDR"], rtol=1e-6)

    def test_one_source_has_no_interference(self, noise):
        values = si_bss_eval(noise(1, 500, 1), noise(1, 500, 1) + noise(1, 500, 1))
        assert values["SI-SIR"] == np.inf
        assert values["SI-SAR"] == pytest.approx(values["SI-SDR"])


def _frames(channel, n_fft, mode):
    padded = np.pad(channel, n_fft // 2, mode=mode)
    return np.stack([padded[start : start + n_fft] for start in range(0, len(padded) - n_fft + 1, 1024)])


class TestSpectra:
    @pytest.mark.parametrize("rate", [RATE, 16000])
    def test_bleedless_and_fullness(self, pair, rate):
        librosa = pytest.importorskip("librosa")
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4096) / 4096)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # bands narrower than a bin
            bands = librosa.filters.mel(sr=rate, n_fft=4096, n_mels=512)

        def decibels(sound):
            frames = np.stack([_frames(channel, 4096, "constant") for channel in sound.T])
            level = 20 * np.log10(np.maximum(np.abs(np.fft.rfft(frames * window)) @ bands.T, 1e-10))
            return np.maximum(level, level.max() - 80)

        references, estimates = pair
        values = bleedless_fullness(references, estimates, rate)
        for index in range(3):
            difference = decibels(estimates[index]) - decibels(references[index])
            for name, sign in (("bleedless", 1), ("fullness", -1)):
                part = sign * difference[sign * difference > 0]
                expected = 100 / (1 + part.mean()) if part.size else 100
                assert values[name][index] == pytest.approx(expected, rel=1e-4)

    def test_silence(self, pair):
        references = pair[0]
        values = bleedless_fullness(references, np.zeros_like(references), RATE)
        assert values["bleedless"].tolist() == [100, 100, 100]
        assert (values["fullness"][:2] < 5).all() and values["fullness"][2] == 100

    def test_l1_freq(self, pair):
        references, estimates = pair
        for index, value in enumerate(l1_freq(references, estimates)):
            spectra = [
                np.abs(np.fft.rfft(np.stack([_frames(channel, 2048, "reflect") for channel in sound[index].T])))
                for sound in pair
            ]
            assert value == pytest.approx(100 / (1 + 10 * np.abs(spectra[0] - spectra[1]).mean()), rel=1e-4)
        assert l1_freq(references, references).tolist() == [100, 100, 100]

    def test_audio_shorter_than_a_frame(self, noise):
        references = noise(1, 100, 1)
        assert l1_freq(references, references) == 100
        assert bleedless_fullness(references, references, RATE)["fullness"] == 100


class TestLogWmse:
    @pytest.mark.parametrize("rate", [RATE, 22050])
    def test_formula(self, pair, rate):
        references, estimates = pair
        mixture = references.sum(axis=0)

        def heard(sound):
            sound = audio.resample(sound, rate, RATE)
            whole = [np.convolve(channel, hearing_filter()) for channel in sound.T]
            return np.stack([channel[1999 : 1999 + len(sound)] for channel in whole])

        level = np.sqrt(np.mean(heard(mixture) ** 2, axis=1, keepdims=True))
        for index, value in enumerate(log_wmse(references, estimates, mixture, rate)):
            error = (heard(estimates[index]) - heard(references[index])) / level
            error[np.abs(error) < 10 ** (-3.4)] = 0
            expected = np.mean(-4 * np.log(np.mean(error**2, axis=1) + 1e-8))
            assert value == pytest.approx(expected, abs=1e-3)

    def test_best_and_level(self, pair):
        references, estimates = pair
        mixture = references.sum(axis=0)
        best = -4 * math.log(1e-8)
        np.testing.assert_allclose(log_wmse(references, references, mixture, RATE), best)
        np.testing.assert_allclose(log_wmse(references, estimates, 0 * mixture, RATE), best)
        np.testing.assert_allclose(
            log_wmse(0.1 * references, 0.1 * estimates, 0.1 * mixture, RATE),
            log_wmse(references, estimates, mixture, RATE),
            atol=1e-3,
        )

    def test_the_filter_has_the_gains_of_its_description(self):
        """Of the shelf, the two passes and the peak, in dB, far from and at their frequencies."""
        impulse = hearing_filter()
        np.testing.assert_allclose(impulse[:1999], impulse[2000:3999][::-1], atol=1e-8)
        response = 20 * np.log10(np.abs(np.fft.rfft(impulse, RATE)))
        assert response[120] == pytest.approx(-3, abs=0.3)
        assert response[60] < response[120] - 8
        assert response[500] == pytest.approx(2.5, abs=0.3)
        assert response[4000] == pytest.approx(5 - 1.1, abs=0.5)
        assert response[10000] == pytest.approx(5 - 6, abs=0.5)

    def test_mixtures_of_another_shape_are_refused(self, pair):
        with pytest.raises(ValueError, match="mixture must have the shape of a reference"):
            log_wmse(*pair, pair[0][0, :-1], RATE)


@pytest.mark.parametrize("measure", [usdr, si_bss_eval, l1_freq])
def test_wrong_arrays_are_refused(measure, noise):
    with pytest.raises(ValueError, match="shape"):
        measure(noise(2, 10, 1), noise(2, 11, 1))
