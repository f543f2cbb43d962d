import math
import sys

import numpy as np
import pytest
import scipy.signal

from tfsep.evaluation import MEASURES, bss_eval, bss_eval_sources, sdr

RATE = 1000


pytestmark = pytest.mark.filterwarnings("error")


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
    with pytest.raises(ValueError, match="estimates contain NaN"):
        sdr(audio, broken, RATE)
    with pytest.raises(ValueError, match=r"hop=0\.0005"):
        sdr(audio, audio, RATE, hop=0.0005)


@pytest.mark.parametrize("evaluate", [sdr, bss_eval])
def test_integers_are_refused(noise, evaluate):
    audio = noise(2, 1000, 2)
    with pytest.raises(ValueError, match=r"references must be floats.*int16"):
        evaluate((audio * 32767).astype(np.int16), audio, RATE)


@pytest.mark.parametrize("options", [{"window": math.nan}, {"window": -1.0}, {"hop": 0.0}])
def test_wrong_windows_are_refused(noise, options):
    with pytest.raises(ValueError, match="at least one sample"):
        bss_eval(noise(1, 1000, 1), noise(1, 1000, 1), RATE, **options)


def test_an_infinite_window_is_the_whole_track(noise):
    references = noise(2, 70000, 1)  # longer than the blocks in which sums are made
    estimates = references + noise(2, 70000, 1)
    distortion = ((estimates.astype(float) - references) ** 2).sum((1, 2))
    expected = 10 * np.log10((references.astype(float) ** 2).sum((1, 2)) / distortion)
    np.testing.assert_allclose(sdr(references, estimates, RATE, window=math.inf)[:, 0], expected)
    np.testing.assert_allclose(bss_eval(references, estimates, RATE, window=math.inf)["SDR"][:, 0], expected)


def _projections(rows, targets, fitted=slice(None), applied=slice(None)):
    """Rows filtered to come nearest to each target: normal equations of the matrix of all delayed rows."""
    delayed = np.array([np.pad(row[fitted], (delay, 511 - delay)) for row in rows for delay in range(512)])
    targets = np.array([np.pad(target[fitted], (0, 511)) for target in targets])
    filters = np.linalg.solve(delayed @ delayed.T, delayed @ targets.T).T.reshape(len(targets), len(rows), 512)
    return [sum(np.convolve(row[applied], taps) for row, taps in zip(rows, each, strict=True)) for each in filters]


def _ratio(above, below):
    return 10 * np.log10(np.sum(np.square(above)) / np.sum(np.square(below)))


@pytest.mark.parametrize("framewise_filters", [False, True])
def test_measures_by_the_definition(noise, framewise_filters):
    """Two stereo sources, two windows: filters from the whole track or the window, applied to the window alone."""
    references = noise(2, 4400, 2).astype(float)
    estimates = 0.5 * noise(2, 4400, 2) + references + 0.3 * np.roll(references[::-1], 100, axis=1)
    values = bss_eval(references, estimates, RATE, window=2.2, hop=2.2, framewise_filters=framewise_filters)
    assert tuple(values) == MEASURES
    rows, targets = (audio.transpose(0, 2, 1).reshape(4, -1) for audio in (references, estimates))
    for index, span in enumerate((slice(0, 2200), slice(2200, 4400))):
        fitted = span if framewise_filters else slice(None)
        all_projections = np.array(_projections(rows, targets, fitted, span))
        for source, own in enumerate((slice(0, 2), slice(2, 4))):
            s, e = (np.pad(audio[own, span], ((0, 0), (0, 511))) for audio in (rows, targets))
            p, f = all_projections[own], np.array(_projections(rows[own], targets[own], fitted, span))
            expected = [_ratio(s, e - s), _ratio(s, f - s), _ratio(f, p - f), _ratio(p, e - p)]
            found = [values[measure][source, index] for measure in MEASURES]
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sources_by_the_definition(noise):
    references = noise(2, 3000).astype(float)
    estimates = references + noise(2, 3000)
    values = bss_eval_sources(references, estimates)
    assert tuple(values) == ("SDR", "SIR", "SAR")
    for source in range(2):
        e = np.pad(estimates[source], (0, 511))
        (f,) = _projections(references[[source]], estimates[[source]])
        (p,) = _projections(references, estimates[[source]])
        expected = [_ratio(f, e - f), _ratio(f, p - f), _ratio(p, e - p)]
        np.testing.assert_allclose([value[source] for value in values.values()], expected, atol=1e-6)


def test_each_measure_tells_its_own_distortion(noise):
    """Gain shows in ISR, another source in SIR, noise in SAR; each is -20 dB here."""
    references, other = noise(2, 60000, 1), noise(1, 60000, 1)
    cases = {
        "ISR": 0.9 * references,
        "SIR": references + 0.1 * references[::-1],
        "SAR": references + 0.1 * other,
    }
    for measure, estimates in cases.items():
        values = bss_eval(references, estimates, RATE)
        assert all(value.shape == (2, 60) for value in values.values())
        np.testing.assert_allclose(np.median(values.pop(measure)), 20, atol=0.3)
        np.testing.assert_allclose(np.median(values.pop("SDR")), 20, atol=0.3)
        assert all(np.median(value) > 30 for value in values.values())


def test_a_filtered_reference_has_neither_interference_nor_artifacts(noise):
    references = noise(2, 8000, 1)
    filters = noise(2, 100)
    filters[:, 0] = 1
    estimates = np.stack(
        [scipy.signal.lfilter(f, 1, audio, axis=0) for f, audio in zip(filters, references, strict=True)]
    )
    whole = bss_eval_sources(references, estimates)
    # The end of the filtered reference is cut off: 100 of 8000 samples, at full size.
    assert all((value > 15).all() for value in whole.values())
    padded = np.pad(references, ((0, 0), (0, 100), (0, 0)))
    estimates = np.stack([scipy.signal.lfilter(f, 1, audio, axis=0) for f, audio in zip(filters, padded, strict=True)])
    whole = bss_eval_sources(padded, estimates)
    assert all((value > 120).all() for value in whole.values())
    images = bss_eval(padded, estimates, RATE, window=math.inf)
    assert (images["SDR"] < 10).all()
    np.testing.assert_allclose(images["ISR"], images["SDR"], atol=1e-6)
    assert (images["SIR"] > 120).all()
    assert (images["SAR"] > 120).all()


def test_known_interference(noise):
    """References of one energy, apart by more than the filters reach: the leaked share of the other is the SIR."""
    references = np.zeros((2, 4000, 1))
    references[0, :1000] = noise(1000, 1)
    references[1, 3000:] = references[0, :1000]
    estimates = references + np.array([0.1, 0.01])[:, None, None] * references[::-1]
    values = bss_eval_sources(references, estimates)
    np.testing.assert_allclose(values["SIR"], [20, 40], atol=1e-6)
    np.testing.assert_allclose(values["SDR"], [20, 40], atol=1e-6)
    assert (values["SAR"] > 120).all()


def test_the_level_of_an_estimate_moves_neither_sir_nor_sar(noise):
    references = noise(2, 3000, 2)
    estimates = references + noise(2, 3000, 2)
    one, other = (bss_eval(references, scale * estimates, RATE) for scale in (1, 8))
    np.testing.assert_allclose(other["SIR"], one["SIR"], atol=1e-8)
    np.testing.assert_allclose(other["SAR"], one["SAR"], atol=1e-8)
    assert (abs(other["SDR"] - one["SDR"]) > 1).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_level_of_a_track_moves_nothing(noise, scale):
    references = noise(2, 3000, 1).astype(float)
    estimates = references + noise(2, 3000, 1)
    expected = bss_eval(references, estimates, RATE)
    for measure, values in bss_eval(scale * references, scale * estimates, RATE).items():
        np.testing.assert_allclose(values, expected[measure], atol=1e-8)


def test_permutation_finds_shuffled_estimates(noise):
    references = noise(3, 3000, 1)
    estimates = references + 0.5 * noise(3, 3000, 1)
    shuffled = [2, 0, 1]  # reference 0 is estimated by the last one, and so on
    expected = bss_eval(references, estimates, RATE)
    values = bss_eval(references, estimates[np.argsort(shuffled)], RATE, permutation=True)
    np.testing.assert_array_equal(values.pop("permutation"), shuffled)
    for measure in MEASURES:
        np.testing.assert_allclose(values[measure], expected[measure], atol=1e-8)
    whole = bss_eval_sources(references, estimates[np.argsort(shuffled)], permutation=True)
    np.testing.assert_array_equal(whole.pop("permutation"), shuffled)
    for measure, value in bss_eval_sources(references, estimates).items():
        np.testing.assert_allclose(whole[measure], value, atol=1e-8)


def test_version_4_permutes_once_and_version_3_in_each_window(noise):
    references = noise(2, 3000, 1)
    estimates = references + 0.5 * noise(2, 3000, 1)
    estimates[:, :1000] = estimates[::-1, :1000]  # the first of three windows is crossed
    estimates[0, 2000:] = 0  # and the last does not count
    once = bss_eval(references[:, :2000], estimates[:, :2000], 500, permutation=True)
    assert once["permutation"].shape == (2,)
    each = bss_eval(references, estimates, RATE, framewise_filters=True, permutation=True)
    np.testing.assert_array_equal(each["permutation"], [[1, 0, 0], [0, 1, 1]])
    assert np.isnan(each["SIR"][:, 2]).all()
    assert (each["SIR"][:, :2] > 0).all()


def test_a_perfect_estimate_among_permutations(noise):
    references = noise(2, 2000, 1)
    values = bss_eval(references, references[::-1], RATE, permutation=True)
    np.testing.assert_array_equal(values["permutation"], [1, 0])
    assert np.isinf(values["SDR"]).all()
    assert all((values[measure] > 150).all() for measure in ("ISR", "SIR", "SAR"))


@pytest.mark.parametrize("framewise_filters", [False, True])
def test_silence_of_any_source_makes_all_measures_nan_in_the_window(noise, framewise_filters):
    references = noise(2, 3000, 2)
    estimates = references + noise(2, 3000, 2)
    references[1, :1000] = 0
    values = bss_eval(references, estimates, RATE, framewise_filters=framewise_filters)
    for value in values.values():
        assert np.isnan(value).tolist() == [[True, False, False]] * 2


@pytest.mark.parametrize("which", ["references", "estimates"])
def test_a_source_silent_throughout_gives_nan_and_no_crash(noise, which):
    audio = {"references": noise(2, 2000, 1), "estimates": noise(2, 2000, 1)}
    audio[which][1] = 0
    for permutation in (False, True):
        values = bss_eval(**audio, sample_rate=RATE, permutation=permutation)
        assert all(np.isnan(values[measure]).all() and values[measure].shape == (2, 2) for measure in MEASURES)
        values = bss_eval_sources(**audio, permutation=permutation)
        assert all(np.isnan(values[measure]).all() for measure in ("SDR", "SIR", "SAR"))
        assert not permutation or values["permutation"].tolist() == [0, 1]


def test_mono_stems_in_stereo_score_as_in_mono(noise):
    references = noise(2, 3000, 1)
    estimates = references + noise(2, 3000, 1)
    mono = bss_eval(references, estimates, RATE)
    stereo = bss_eval(references.repeat(2, axis=2), estimates.repeat(2, axis=2), RATE)
    for measure in MEASURES:
        np.testing.assert_allclose(stereo[measure], mono[measure], atol=1e-6)


def test_a_silent_channel_scores_as_none(noise):
    references, estimates = noise(2, 3000, 1), noise(2, 3000, 1)
    mono = bss_eval(references, estimates, RATE)
    padding = ((0, 0), (0, 0), (0, 1))
    stereo = bss_eval(np.pad(references, padding), np.pad(estimates, padding), RATE)
    for measure in MEASURES:
        np.testing.assert_allclose(stereo[measure], mono[measure], atol=1e-6)


def test_references_that_depend_on_each_other_have_a_finite_score(noise):
    same = np.repeat(noise(1, 3000, 1), 2, axis=0)
    estimates = same + noise(2, 3000, 1)
    one = bss_eval(same[:1], estimates[:1], RATE)
    two = bss_eval(same, estimates, RATE)
    assert (two["SIR"] > 100).all()  # nothing tells them apart
    for measure in ("SDR", "ISR", "SAR"):
        np.testing.assert_allclose(two[measure][:1], one[measure], atol=1e-6)
    tone = np.sin(0.1 * np.arange(3000))[None, :, None] * np.ones((2, 1, 1))
    values = bss_eval(tone, tone + noise(2, 3000, 1), RATE)
    assert all(np.isfinite(value).all() for value in values.values())


@pytest.mark.parametrize("samples", [1, 2, 511, 512, 700])
def test_tracks_shorter_than_the_filters(noise, samples):
    references = noise(2, samples, 2)
    values = bss_eval(references, references + 0.1, RATE)
    assert all(value.shape == (2, 1) and not np.isnan(value).any() for value in values.values())
    np.testing.assert_allclose(values["SDR"], sdr(references, references + 0.1, RATE))


def test_sdr_only(noise):
    references, estimates = noise(2, 2000, 1), noise(2, 2000, 1)
    values = bss_eval(references, estimates, RATE, sdr_only=True)
    assert tuple(values) == ("SDR",)
    np.testing.assert_allclose(values["SDR"], bss_eval(references, estimates, RATE)["SDR"])
    with pytest.raises(ValueError, match="permutation"):
        bss_eval(references, estimates, RATE, sdr_only=True, permutation=True)


def test_sources_are_mono(noise):
    with pytest.raises(ValueError, match="2 channels"):
        bss_eval_sources(noise(2, 1000, 2), noise(2, 1000, 2))
    references, estimates = noise(2, 1000), noise(2, 1000)
    values = bss_eval_sources(references, estimates)
    for measure, value in bss_eval_sources(references[:, :, None], estimates[:, :, None]).items():
        np.testing.assert_array_equal(value, values[measure])


def test_museval_is_not_asked_for(noise, monkeypatch):
    monkeypatch.setitem(sys.modules, "museval", None)  # its import would fail
    values = bss_eval(noise(2, 1000, 1), noise(2, 1000, 1), RATE)
    assert all(np.isfinite(value).all() for value in values.values())


def test_noise_in_the_equations_is_noise_on_the_references(noise):
    """Where it matters: on sounds without high frequencies, whose scores it moves by decibels."""
    spectrum = np.fft.rfft(noise(4, 100_000, 1), axis=1)
    spectrum[:, spectrum.shape[1] // 3 :] = 0
    sounds = np.fft.irfft(spectrum, 100_000, axis=1)
    references, errors = sounds[:2], sounds[2:]
    estimates = references + 0.3 * errors + 0.2 * references[::-1]
    noisy = references + 1e-6 * np.random.default_rng(1).standard_normal(references.shape)
    plain, expected = (bss_eval(audio, estimates, 4000) for audio in (references, noisy))
    values = bss_eval(references, estimates, 4000, noise=1e-6)
    assert np.abs(plain["SIR"] - values["SIR"]).max() > 1
    for measure in values:
        np.testing.assert_allclose(values[measure], expected[measure], atol=0.5)
    np.testing.assert_array_equal(values["SDR"], plain["SDR"])
