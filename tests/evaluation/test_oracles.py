import numpy as np
import pytest

from tfsep.evaluation import ideal_ratio_mask, mixture_estimates, sdr

STEMS = ("vocals", "drums", "bass", "other")


def _ideal_ratio_mask(mixture, stems):
    """The oracle in plain numpy, one channel: STFT 2048/1024, periodic Hann, half a frame of zeros around."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)

    def stft(audio):
        audio = np.pad(audio.astype(float), (1024, 1024 + -len(audio) % 1024))
        starts = range(0, len(audio) - 2047, 1024)
        return np.stack([np.fft.rfft(window * audio[start : start + 2048]) for start in starts])

    magnitudes = np.stack([np.abs(stft(stem)) for stem in stems])
    frames = np.fft.irfft(magnitudes / np.maximum(magnitudes.sum(0), 1e-12) * stft(mixture))
    weight = np.zeros(frames.shape[1] * 1024 + 1024)
    audio = np.zeros((len(stems), len(weight)))
    for index in range(frames.shape[1]):
        audio[:, index * 1024 : index * 1024 + 2048] += window * frames[:, index]
        weight[index * 1024 : index * 1024 + 2048] += window**2
    return (audio / np.maximum(weight, 1e-12))[:, 1024 : 1024 + len(mixture)]


def test_mixture_estimates_count_the_stems_of_a_target():
    mixture = np.full((5, 2), 0.8, np.float32)
    four = mixture_estimates(mixture, STEMS, STEMS)
    assert tuple(four) == STEMS
    assert all(np.allclose(estimate, 0.2) and estimate.dtype == np.float32 for estimate in four.values())
    two = mixture_estimates(mixture, ("vocals", "accompaniment"), STEMS)
    np.testing.assert_allclose(two["vocals"], 0.2)
    np.testing.assert_allclose(two["accompaniment"], 0.6)
    # A stem that is itself called accompaniment counts as one.
    pair = mixture_estimates(mixture, ("accompaniment",), ("vocals", "accompaniment"))
    np.testing.assert_allclose(pair["accompaniment"], 0.4)


def test_mixture_row_of_equal_orthogonal_stems():
    """A quarter of the mixture keeps 3/4 of the target away and lets 1/4 of the three others in."""
    stems = {name: np.eye(4)[index][:, None] + 0.0 for index, name in enumerate(STEMS)}
    mixture = sum(stems.values())
    targets = ("vocals", "accompaniment")
    references = np.stack([stems["vocals"], mixture - stems["vocals"]])
    estimates = np.stack(list(mixture_estimates(mixture, targets, STEMS).values()))
    expected = [10 * np.log10(1 / (9 / 16 + 3 / 16)), 10 * np.log10(3 / (9 / 16 + 3 / 16))]
    np.testing.assert_allclose(sdr(references, estimates, sample_rate=4)[:, 0], expected)


@pytest.mark.parametrize("targets", [("piano",), (*STEMS, "accompaniment")])
def test_unknown_targets_are_refused(noise, targets):
    mixture = noise(100, 1)
    with pytest.raises(ValueError, match=targets[-1]):
        mixture_estimates(mixture, targets, STEMS)
    with pytest.raises(ValueError, match=targets[-1]):
        ideal_ratio_mask(mixture, dict.fromkeys(STEMS, mixture), targets)


@pytest.mark.parametrize("samples", [1, 1000, 2047, 2048, 5000])
def test_ideal_ratio_mask_agrees_with_plain_numpy(noise, samples):
    stems = {name: noise(samples, 2) for name in ("vocals", "drums", "bass")}
    mixture = sum(stems.values()) + noise(samples, 2)  # a residual, as in MUSDB18's AAC files
    estimates = ideal_ratio_mask(mixture, stems)
    for channel in range(2):
        expected = _ideal_ratio_mask(mixture[:, channel], [stem[:, channel] for stem in stems.values()])
        for estimate, plain in zip(estimates.values(), expected, strict=True):
            assert estimate.shape == (samples, 2)
            assert estimate.dtype == np.float32
            np.testing.assert_allclose(estimate[:, channel], plain, atol=1e-6)


def test_ideal_ratio_mask_adds_up_to_the_mixture(noise):
    stems = {name: noise(5000, 1) for name in STEMS}
    mixture = noise(5000, 1)
    np.testing.assert_allclose(sum(ideal_ratio_mask(mixture, stems).values()), mixture, atol=1e-6)


def test_ideal_ratio_mask_of_the_accompaniment_is_the_sum_of_the_others(noise):
    stems = {name: noise(5000, 1) for name in STEMS}
    mixture = sum(stems.values())
    four = ideal_ratio_mask(mixture, stems)
    two = ideal_ratio_mask(mixture, stems, ("vocals", "accompaniment"))
    np.testing.assert_allclose(two["vocals"], four["vocals"], atol=1e-7)
    np.testing.assert_allclose(two["accompaniment"], four["drums"] + four["bass"] + four["other"], atol=1e-6)


def test_ideal_ratio_mask_of_silence_is_silence():
    silence = np.zeros((3000, 2), np.float32)
    estimates = ideal_ratio_mask(silence, {"vocals": silence, "drums": silence})
    assert all((estimate == 0).all() for estimate in estimates.values())


def test_bounds_stand_in_order_on_a_real_song(falcon):
    mixture, stems, sample_rate = falcon
    references = np.stack(list(stems.values()))
    low, high = (
        np.nanmedian(sdr(references, np.stack(list(estimates.values())), sample_rate), axis=1)
        for estimates in (mixture_estimates(mixture, stems, stems), ideal_ratio_mask(mixture, stems))
    )
    assert (high > low + 3).all()
