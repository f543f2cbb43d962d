import numpy as np
import pytest

from tfsep.evaluation import leakage

RATE = 1000

pytestmark = pytest.mark.filterwarnings("error")


def test_leakage_is_relative_to_the_mixture_of_the_window():
    references = np.ones((3, 3500, 2), np.float32)
    references[0, :1000] = 0
    references[:, 2000:3000] = 0
    estimates = np.full((3, 3500, 2), 0.2, np.float32)
    values = leakage(references, estimates, RATE)
    assert values.shape == (3, 3)
    np.testing.assert_allclose(values[0, 0], -20, atol=1e-5)  # 0.2 beside 1 + 1
    assert np.count_nonzero(~np.isnan(values)) == 1  # where all is silent there is nothing to leak


def test_the_mixture_itself_is_0_db_and_silence_minus_infinity(noise):
    references = noise(3, 1000, 1)
    references[:2] = 0
    estimates = np.stack([references[2], references[0], references[2]])
    values = leakage(references, estimates, RATE)
    np.testing.assert_array_equal(values[:, 0], [0, -np.inf, np.nan])


def test_windows_overlap(noise):
    references, estimates = noise(2, 2000, 1), noise(2, 2000, 1)
    references[1, 500:1500] = 0
    assert np.isnan(leakage(references, estimates, RATE)[1]).all()
    values = leakage(references, estimates, RATE, window=0.5, hop=0.25)
    assert (~np.isnan(values)).tolist() == [[False] * 7, [False, False, True, True, True, False, False]]


def test_channels_that_cancel_are_sound(noise):
    references = noise(2, 1000, 2)
    references[0, :, 1] = -references[0, :, 0]
    assert np.isnan(leakage(references, references, RATE)).all()


def test_wrong_arrays_are_refused(noise):
    with pytest.raises(ValueError, match="shape"):
        leakage(noise(2, 1000, 1), noise(2, 999, 1), RATE)
    with pytest.raises(ValueError, match="NaN"):
        leakage(np.full((1, 10, 1), np.nan), np.ones((1, 10, 1)), RATE)
