import numpy as np
import pytest

from tfsep.evaluation import ORACLES, mixture_estimates, oracle, sdr

STEMS = ("vocals", "drums", "bass", "other")
WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)


def _stft(audio):
    """`[..., samples]` -> `[..., frames, bins]`: 2048/1024, periodic Hann, half a frame of zeros around."""
    samples = audio.shape[-1]
    edges = [(0, 0)] * (audio.ndim - 1) + [(1024, 1024 + -samples % 1024)]
    audio = np.pad(audio.astype(float), edges)
    starts = range(0, audio.shape[-1] - 2047, 1024)
    return np.stack([np.fft.rfft(WINDOW * audio[..., start : start + 2048]) for start in starts], axis=-2)


def _inverse(spectra, samples):
    frames = np.fft.irfft(spectra)
    weight = np.zeros(frames.shape[-2] * 1024 + 1024)
    audio = np.zeros((*frames.shape[:-2], len(weight)))
    for index in range(frames.shape[-2]):
        audio[..., index * 1024 : index * 1024 + 2048] += WINDOW * frames[..., index, :]
        weight[index * 1024 : index * 1024 + 2048] += WINDOW**2
    return (audio / np.maximum(weight, 1e-12))[..., 1024 : 1024 + samples]


def _masked(name, mixture, stems):
    """The oracles by masks in plain numpy; mixture `[channels, samples]`, stems `[stems, channels, samples]`."""
    exponent = int(name[-1])
    mixed, powers = _stft(mixture), np.abs(_stft(stems)) ** exponent
    if name.startswith("IBM"):
        masks = powers / np.maximum(np.abs(mixed) ** exponent, 1e-12) > 0.5
    else:
        masks = powers / np.maximum(powers.sum(axis=0), 1e-12)
    return _inverse(masks * mixed, mixture.shape[-1])


def _wiener(mixture, stems):
    """The multichannel Wiener filter bin by bin; shapes as above."""
    channels = len(mixture)
    mixed, spectra = _stft(mixture), _stft(stems)
    estimates = np.zeros_like(spectra)
    for f in range(mixed.shape[-1]):
        x, y = mixed[:, :, f], spectra[:, :, :, f]  # [channels, frames], [stems, channels, frames]
        outer = np.einsum("sit,skt->stik", y, y.conj())
        power = np.mean(np.abs(y) ** 2, axis=1)
        spatial = np.mean(outer / power[:, :, None, None], axis=1)
        spatial *= channels / np.trace(spatial, axis1=1, axis2=2)[:, None, None]
        density = np.einsum("sik,stki->st", np.linalg.inv(spatial), outer).real / channels
        covariances = density[:, :, None, None] * spatial[:, None]
        filters = covariances @ np.linalg.inv(covariances.sum(axis=0))
        estimates[:, :, :, f] = np.einsum("stik,kt->sit", filters, x)
    return _inverse(estimates, mixture.shape[-1])


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
        oracle("IRM1", mixture, dict.fromkeys(STEMS, mixture), targets)


@pytest.mark.parametrize("name", ["IBM1", "IBM2", "IRM1", "IRM2"])
@pytest.mark.parametrize("samples", [1, 1000, 2047, 2048, 5000])
def test_masks_agree_with_plain_numpy(noise, name, samples):
    stems = {name: noise(samples, 2) for name in ("vocals", "drums", "bass")}
    mixture = sum(stems.values()) + noise(samples, 2)  # a residual, as in MUSDB18's AAC files
    estimates = oracle(name, mixture, stems)
    expected = _masked(name, mixture.T, np.stack([stem.T for stem in stems.values()]))
    for estimate, plain in zip(estimates.values(), expected, strict=True):
        assert estimate.shape == (samples, 2)
        assert estimate.dtype == np.float32
        np.testing.assert_allclose(estimate.T, plain, atol=1e-6)


@pytest.mark.parametrize("channels", [2, 3])
def test_wiener_filter_agrees_with_plain_numpy(noise, channels):
    stems = {name: noise(8000, channels) @ noise(channels, channels) for name in ("vocals", "drums", "bass")}
    mixture = sum(stems.values()) + 0.1 * noise(8000, channels)
    estimates = oracle("MWF", mixture, stems)
    expected = _wiener(mixture.T, np.stack([stem.T for stem in stems.values()]))
    for estimate, plain in zip(estimates.values(), expected, strict=True):
        assert estimate.shape == (8000, channels)
        assert estimate.dtype == np.float32
        np.testing.assert_allclose(estimate.T, plain, atol=1e-5 * np.abs(plain).max())


def test_wiener_filter_of_one_channel_is_irm2(noise):
    stems = {name: noise(5000, 1) for name in STEMS}
    mixture = sum(stems.values())
    wiener, ratio = oracle("MWF", mixture, stems), oracle("IRM2", mixture, stems)
    for name in STEMS:
        np.testing.assert_allclose(wiener[name], ratio[name], atol=1e-6)


def test_wiener_filter_separates_by_place_what_masks_cannot(noise):
    """Two stems of the same spectrum, one in each channel."""
    left, right = noise(8000, 2), noise(8000, 2)[::-1].copy()
    left[:, 1] = right[:, 0] = 0
    estimates = oracle("MWF", left + right, {"vocals": left, "drums": right})
    np.testing.assert_allclose(estimates["vocals"], left, atol=1e-4)
    np.testing.assert_allclose(estimates["drums"], right, atol=1e-4)


@pytest.mark.parametrize("name", ORACLES)
def test_oracles_of_mono_and_silent_stems_are_finite(noise, name):
    mono = np.repeat(noise(5000, 1), 2, axis=1)
    silence = np.zeros_like(mono)
    for stems in ({"vocals": mono, "drums": silence}, {"vocals": silence, "drums": silence}):
        estimates = oracle(name, sum(stems.values()), stems)
        np.testing.assert_allclose(estimates["vocals"], stems["vocals"], atol=1e-5)
        assert not estimates["drums"].any() or np.abs(estimates["drums"]).max() < 1e-5


def test_unknown_oracles_are_refused(noise):
    with pytest.raises(ValueError, match=r"Unknown oracle 'IRM'\. Expected one of: IBM1, IBM2, IRM1, IRM2, MWF\."):
        oracle("IRM", noise(10, 1), {"vocals": noise(10, 1)})


def test_ideal_ratio_mask_adds_up_to_the_mixture(noise):
    stems = {name: noise(5000, 1) for name in STEMS}
    mixture = noise(5000, 1)
    np.testing.assert_allclose(sum(oracle("IRM1", mixture, stems).values()), mixture, atol=1e-6)


@pytest.mark.parametrize("name", ORACLES)
def test_accompaniment_is_the_sum_of_the_others(noise, name):
    stems = {name: noise(5000, 1) for name in STEMS}
    mixture = sum(stems.values())
    four = oracle(name, mixture, stems)
    two = oracle(name, mixture, stems, ("vocals", "accompaniment"))
    np.testing.assert_allclose(two["vocals"], four["vocals"], atol=1e-7)
    np.testing.assert_allclose(two["accompaniment"], four["drums"] + four["bass"] + four["other"], atol=1e-6)


def test_ideal_ratio_mask_of_silence_is_silence():
    silence = np.zeros((3000, 2), np.float32)
    estimates = oracle("IRM1", silence, {"vocals": silence, "drums": silence})
    assert all((estimate == 0).all() for estimate in estimates.values())


def test_bounds_stand_in_order_on_a_real_song(falcon):
    mixture, stems, sample_rate = falcon
    references = np.stack(list(stems.values()))
    rows = {name: oracle(name, mixture, stems) for name in ORACLES}
    rows["mixture"] = mixture_estimates(mixture, stems, stems)
    medians = {
        row: np.nanmedian(sdr(references, np.stack(list(estimates.values())), sample_rate), axis=1)
        for row, estimates in rows.items()
    }
    for name in ORACLES:
        assert (medians[name] > medians["mixture"] + 3).all()
    # As in SiSEC 2018: power ratios beat magnitude ratios, and both beat binary masks.
    assert medians["IRM2"].mean() > medians["IRM1"].mean() > medians["IBM1"].mean()
    assert medians["MWF"].mean() > medians["IBM1"].mean()
