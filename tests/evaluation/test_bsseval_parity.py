"""Against museval 0.4.1 (where ffmpeg is installed, without which it cannot be imported) and mir_eval (always)."""

import math

import numpy as np
import pytest

from tfsep.evaluation import (
    MEASURES,
    bss_eval,
    bss_eval_sources,
    bss_eval_sources_framewise,
    oracle,
    sdr,
)

RATE = 1000

pytestmark = pytest.mark.filterwarnings("ignore:.*:FutureWarning")  # mir_eval announces that separation will go


@pytest.fixture(scope="session")
def song(falcon):
    """Two stereo sources of a real song, 2.5 s, and their estimates by the ideal ratio mask."""
    mixture, stems, sample_rate = falcon
    mixture, stems = (
        mixture[: 5 * sample_rate // 2],
        {name: stem[: 5 * sample_rate // 2] for name, stem in stems.items()},
    )
    targets = ("vocals", "accompaniment")
    estimates = oracle("IRM1", mixture, stems, targets)
    references = np.stack([stems["vocals"], stems["drums"] + stems["bass"] + stems["other"]])
    return references, np.stack([estimates[target] for target in targets]), sample_rate


@pytest.fixture(scope="session")
def scored(museval, song):
    """A function: museval's scores of the song with white noise of some size on the references."""
    references, estimates, sample_rate = song
    cache = {}

    def score(noise):
        if noise not in cache:
            generator = np.random.default_rng(0)
            noisy = references + noise * generator.standard_normal(references.shape)
            scores = museval.evaluate(noisy, estimates, win=sample_rate, hop=sample_rate)
            cache[noise] = noisy, dict(zip(MEASURES, scores, strict=True))
        return cache[noise]

    return score


def test_a_real_song_agrees_with_museval_wherever_museval_is_stable(scored, song):
    """Stable: museval moves by less than 1e-3 dB under noise of 1e-6 on the references."""
    references, estimates, sample_rate = song
    _, expected = scored(0)
    _, moved = scored(1e-6)
    values = bss_eval(references, estimates, sample_rate)
    np.testing.assert_allclose(values["SDR"], expected["SDR"], atol=1e-3)
    np.testing.assert_allclose(sdr(references, estimates, sample_rate), expected["SDR"], atol=1e-3)
    stable = {measure: abs(expected[measure] - moved[measure]) < 1e-3 for measure in MEASURES}
    assert stable["SDR"].all()
    assert stable["ISR"].any()
    for measure in MEASURES:
        np.testing.assert_allclose(
            values[measure][stable[measure]], expected[measure][stable[measure]], atol=1e-3, err_msg=measure
        )


def test_a_song_with_high_frequencies_agrees_with_museval_everywhere(scored, song):
    """Dithered as in 16 bits, well above the codec's empty band."""
    _, estimates, sample_rate = song
    noisy, expected = scored(1e-4)
    values = bss_eval(noisy, estimates, sample_rate)
    for measure in MEASURES:
        np.testing.assert_allclose(values[measure], expected[measure], atol=1e-3, err_msg=measure)


def _synthetic(noise, sources=2, samples=4000, channels=2):
    references = noise(sources, samples, channels)
    error = noise(sources, samples, channels)
    return references, references + 0.5 * error + 0.2 * np.roll(references, 7, axis=1)[::-1]


@pytest.mark.parametrize("permutation", [False, True])
@pytest.mark.parametrize("framewise_filters", [False, True])
def test_versions_windows_and_silence_agree_with_museval(museval, noise, framewise_filters, permutation):
    # Four channels of 512 taps would explain a window of a second whole, and leave no artifacts to compare.
    references, estimates = _synthetic(noise, channels=1 if framewise_filters else 2)
    references[0, :1200] = 0
    estimates[1, 3100:3700] = 0
    estimates = estimates[::-1].copy() if permutation else estimates
    window, hop = (1.0, 0.5) if framewise_filters else (0.5, 0.25)
    if permutation:  # whose mean over NaN chooses the first in museval
        references, estimates = references[:, 1200:3000], estimates[:, 1200:3000]
    *expected, order = museval.metrics.bss_eval(
        references,
        estimates,
        window=int(window * RATE),
        hop=int(hop * RATE),
        compute_permutation=permutation,
        framewise_filters=framewise_filters,
    )
    options = dict(window=window, hop=hop, framewise_filters=framewise_filters, permutation=permutation)
    values = bss_eval(references, estimates, RATE, **options)
    if permutation:
        np.testing.assert_array_equal(values["permutation"], order if framewise_filters else order[:, 0])
    for measure, frames in zip(MEASURES, expected, strict=True):
        np.testing.assert_allclose(values[measure], frames, atol=1e-6, err_msg=measure)


@pytest.mark.parametrize("samples", [700, 1000, 1700, 2999, 3000])
def test_numbers_of_windows_agree_with_museval(museval, noise, samples):
    references, estimates = _synthetic(noise, samples=samples, channels=1)
    expected = museval.metrics.bss_eval(references, estimates, window=RATE, hop=RATE)[0]
    np.testing.assert_allclose(sdr(references, estimates, RATE), expected, atol=1e-6)
    np.testing.assert_allclose(bss_eval(references, estimates, RATE)["SDR"], expected, atol=1e-6)


def test_channels_that_cancel_agree_with_museval(museval, noise):
    references, estimates = _synthetic(noise)
    references[1, 2000:2600, 1] = -references[1, 2000:2600, 0]
    expected = museval.metrics.bss_eval(references, estimates, window=500, hop=250)
    values = bss_eval(references, estimates, RATE, window=0.5, hop=0.25)
    for measure, frames in zip(MEASURES, expected, strict=False):
        np.testing.assert_allclose(values[measure], frames, atol=1e-6, err_msg=measure)


@pytest.mark.parametrize("permutation", [False, True])
def test_sources_agree_with_mir_eval(song, permutation):
    """A real song as mono, as loud voice against accompaniment."""
    separation = pytest.importorskip("mir_eval.separation")
    references, estimates, _ = song
    references, estimates = (audio.astype(float).mean(axis=2)[:, ::2] for audio in (references, estimates))
    estimates = estimates[::-1] if permutation else estimates
    *expected, order = separation.bss_eval_sources(references, estimates, compute_permutation=permutation)
    values = bss_eval_sources(references, estimates, permutation=permutation)
    for measure, scores in zip(("SDR", "SIR", "SAR"), expected, strict=True):
        np.testing.assert_allclose(values[measure], scores, atol=1e-6, err_msg=measure)
    if permutation:
        np.testing.assert_array_equal(values["permutation"], order)


@pytest.mark.parametrize("samples", [3999, 5600])
def test_framewise_sources_agree_with_mir_eval(noise, samples):
    """Fewer than two windows are one; a window with a silent source is NaN."""
    separation = pytest.importorskip("mir_eval.separation")
    references, estimates = (audio.astype(float)[:, :, 0] for audio in _synthetic(noise, samples=samples))
    estimates[0, 2600:] = 0
    *expected, _ = separation.bss_eval_sources_framewise(references, estimates, 2500, 1500)
    values = bss_eval_sources_framewise(references, estimates, 2500, 1500)
    for measure, scores in zip(("SDR", "SIR", "SAR"), expected, strict=True):
        np.testing.assert_allclose(values[measure], scores, atol=1e-6, err_msg=measure)


@pytest.mark.parametrize("permutation", [False, True])
def test_images_agree_with_mir_eval(noise, permutation):
    separation = pytest.importorskip("mir_eval.separation")
    references, estimates = (audio.astype(float) for audio in _synthetic(noise))
    estimates = estimates[::-1] if permutation else estimates
    *expected, order = separation.bss_eval_images(references, estimates, compute_permutation=permutation)
    values = bss_eval(references, estimates, RATE, window=math.inf, framewise_filters=True, permutation=permutation)
    for measure, scores in zip(MEASURES, expected, strict=True):
        np.testing.assert_allclose(values[measure][:, 0], scores, atol=1e-6, err_msg=measure)
    if permutation:
        np.testing.assert_array_equal(values["permutation"][:, 0], order)
