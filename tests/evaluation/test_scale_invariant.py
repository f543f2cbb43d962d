import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tfsep.evaluation import si_sdr

NUMBERS = st.floats(-1, 1, width=32).map(lambda x: round(x, 3))


def test_formula(noise):
    references = noise(3, 500, 2)
    estimates = references + 0.3 * noise(3, 500, 2)[::-1]
    for reference, estimate, value in zip(references, estimates, si_sdr(references, estimates), strict=True):
        s, e = reference.ravel().astype(float), estimate.ravel().astype(float)
        target = (e @ s) / (s @ s) * s
        assert value == pytest.approx(10 * np.log10((target @ target) / ((e - target) @ (e - target))), abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(arrays(np.float64, (2, 16, 1), elements=NUMBERS), st.floats(0.01, 100), st.booleans())
def test_level_and_sign_of_the_estimate_do_not_count(audio, gain, negative):
    reference, estimate = audio[:1], audio[1:]
    value = si_sdr(reference, estimate)[0]
    scaled = si_sdr(reference, (-gain if negative else gain) * estimate)[0]
    if np.isnan(value) or abs(value) > 100:  # rounding decides
        return
    assert scaled == pytest.approx(value, abs=1e-6)


def test_silence_is_nan_and_a_scaled_reference_infinite(noise):
    references = noise(3, 100, 1)
    references[0] = 0
    estimates = np.stack([references[1], np.zeros_like(references[1]), -2 * references[2]])
    np.testing.assert_array_equal(si_sdr(references, estimates), [np.nan, np.nan, np.inf])


def test_what_is_orthogonal_is_minus_infinity():
    reference, estimate = np.eye(4)[0, :, None], np.eye(4)[1, :, None]
    assert si_sdr(reference[None], estimate[None])[0] == -np.inf


def test_wrong_arrays_are_refused(noise):
    with pytest.raises(ValueError, match="shape"):
        si_sdr(noise(2, 10, 1), noise(2, 11, 1))
