"""Averages over shifts, swapped channels and inverted polarity; the Wiener filter on any model's estimates."""

import numpy as np
import pytest

from tfsep.layers import STFT, magnitude
from tfsep.layers.wiener import wiener_filter
from tfsep.separation import Separation, separate
from tfsep.separation.song import _wiener


@pytest.fixture
def uneven(identity):
    """A model whose estimates depend on the place in a segment, on the channel and on the sign."""

    class Uneven(identity):
        def separate_window(self, window):
            place = np.arange(window.shape[1], dtype="float32")[:, np.newaxis] / window.shape[1]
            channel = np.arange(1, window.shape[2] + 1, dtype="float32")
            return {"plain": place * channel * window, "minus": np.maximum(window, 0)}

    return Uneven


@pytest.mark.parametrize("shifts", [2, 3])
def test_shifts_are_evenly_spaced_and_averaged(uneven, noise, shifts):
    song, model = noise(1234), uneven(channels=2)
    hop = 75  # of segments of 100 samples
    expected = []
    for index in range(shifts):
        shift = round(index * hop / shifts)
        shifted = np.pad(song, ((shift, 0), (0, 0)))
        expected.append(separate(shifted, model, 8000)["plain"][shift:])
    found = separate(song, model, 8000, shifts=shifts)["plain"]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-6)
    assert not np.allclose(found, expected[0], atol=1e-3)


def test_tta_swaps_channels_and_inverts(uneven, noise):
    song, model = noise(500), uneven(channels=2)
    plain, swapped, inverted = (separate(variant, model, 8000) for variant in (song, song[:, ::-1], -song))
    found = separate(song, model, 8000, tta=True)
    for name, stem in found.items():
        expected = (plain[name] + swapped[name][:, ::-1] - inverted[name]) / 3
        np.testing.assert_allclose(stem, expected, atol=1e-6)
    mono = noise(500, channels=1)
    found = separate(mono, uneven(), 8000, tta=True)["minus"]
    np.testing.assert_allclose(found, mono / 2, atol=1e-6)  # of max(x, 0) and -max(-x, 0)


def test_variants_advance_together(uneven, noise):
    """What has been read of the song is never far from what is done."""
    read = []

    def blocks():
        for index in range(50):
            read.append(index)
            yield np.zeros((1000, 2), np.float32)

    stream = Separation(uneven(channels=2), shifts=4, tta=True).blocks(blocks(), 50_000, 2, 8000)
    done = 0
    for block in stream:
        done += len(block)
        assert 1000 * len(read) - done < 3000
    assert done == 50_000


@pytest.mark.parametrize("channels", [1, 2])
def test_wiener_filter_refines_any_models_estimates(identity, noise, channels):
    class Halves(identity):
        def separate_window(self, window):
            return {"plain": 0.25 * np.cumsum(window, axis=1), "minus": 0.5 * window}

    song, model = noise(3000, channels), Halves(segment=9000, channels=channels)
    estimates = separate(song, model, 8000)
    found = separate(song, model, 8000, wiener=1)
    stft = STFT(4096, 1024)
    size = 4096 + 80_000 + 4096  # the window of a segment with its context
    padded = [
        np.pad(part, ((4096, size - 4096 - len(song)), (0, 0)))[np.newaxis]
        for part in (song, *estimates.values(), song - sum(estimates.values()))
    ]
    spectra = [stft(part) for part in padded]
    magnitudes = np.stack([magnitude(*spectrum) for spectrum in spectra[1:]], axis=1)
    refined = wiener_filter(magnitudes, spectra[0], 1, softmask=True)
    expected = np.asarray(stft.inverse(*(part[:, 0] for part in refined), size))[0, 4096 : 4096 + len(song)]
    np.testing.assert_allclose(found["plain"], expected, atol=1e-5)


def test_wiener_filter_leaves_what_is_no_source(identity, noise):
    class Third(identity):
        def separate_window(self, window):
            return {"plain": window / 3, "minus": np.zeros_like(window)}

    song, model = noise(3000), Third(segment=9000)
    found = separate(song, model, 8000, wiener=1)
    # Of the powers, the estimate has a share of 1 : 4.
    np.testing.assert_allclose(found["plain"], song / 5, atol=1e-3)
    np.testing.assert_allclose(found["minus"], 0, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 2])
def test_what_adds_up_to_the_song_does_so_after_the_wiener_filter(identity, noise, channels):
    class Parts(identity):
        adds_up = True

        def separate_window(self, window):
            part = 0.25 * np.cumsum(window, axis=1)
            return {"plain": part, "minus": window - part}

    song = noise(3000, channels)
    found = separate(song, Parts(segment=9000, channels=channels), 8000, wiener=1)
    np.testing.assert_allclose(sum(found.values()), song, atol=1e-4)


def test_wiener_filter_keeps_the_level_of_quiet_songs(identity, noise):
    class Halves(identity):
        def separate_window(self, window):
            return {"plain": 0.25 * np.cumsum(window, axis=1), "minus": 0.5 * window}

    song, model = noise(3000, 2), Halves(segment=9000, channels=2)
    loud, quiet = (
        separate(level * song, model, 8000, wiener=1)["plain"] for level in (np.float32(1), np.float32(1e-4))
    )
    np.testing.assert_allclose(1e4 * quiet, loud, atol=1e-3 * np.abs(loud).max())


def test_wiener_filter_is_that_of_the_model_unless_told_otherwise(identity, noise):
    class Refined(identity):
        wiener_iterations = 1

    song = noise(3000, 2)
    plain, refined = (separate(song, model(segment=9000, channels=2), 8000) for model in (identity, Refined))
    asked = separate(song, identity(segment=9000, channels=2), 8000, wiener=1)
    none = separate(song, Refined(segment=9000, channels=2), 8000, wiener=0)
    assert np.abs(refined["plain"] - plain["plain"]).max() > 0.01
    np.testing.assert_array_equal(refined["plain"], asked["plain"])
    np.testing.assert_array_equal(none["plain"], plain["plain"])
    surround = noise(3000, 6)
    found = separate(surround, Refined(segment=9000, channels=6), 8000)
    np.testing.assert_array_equal(found["plain"], separate(surround, identity(segment=9000, channels=6), 8000)["plain"])


def test_refinements_are_compiled_once(identity, noise):
    model = identity(segment=9000, channels=2)
    for samples in (3000, 100_000):
        separate(noise(samples, 2), model, 8000, wiener=3)
    refinement = _wiener(model, 2, 3)
    assert refinement.compiled_separate_window.experimental_get_tracing_count() == 1


def test_estimates_are_continued_above_the_band_of_the_model(identity, noise):
    class Quarter(identity):
        """Half the mixture, and a quarter of it: of 0.5, 0.25 and a rest of 0.25, the powers are 4 : 1 : 1."""

        def separate_window(self, window):
            return {"plain": window / 2, "minus": window / 4}

    song, model = noise(20_000), Quarter(segment=2000)
    plain, extended = (separate(song, model, 16000, extend_band=on) for on in (False, True))

    def share(stems, name, lowest):
        spectra = np.fft.rfft(stems[name][:, 0]), np.fft.rfft(song[:, 0])
        return np.linalg.norm(spectra[0][lowest:]) / np.linalg.norm(spectra[1][lowest:])

    assert share(plain, "plain", 5500) < 0.01
    assert share(extended, "plain", 5500) == pytest.approx(4 / 6, abs=0.01)
    assert share(extended, "minus", 5500) == pytest.approx(1 / 6, abs=0.01)
    below = [np.fft.rfft(stems["plain"][:, 0])[:4000] for stems in (plain, extended)]
    assert np.linalg.norm(below[0] - below[1]) < 0.02 * np.linalg.norm(below[0])
    same = [separate(song, model, 8000, extend_band=on)["plain"] for on in (False, True)]
    np.testing.assert_array_equal(*same)
    with Separation(model, extend_band=True).stream(16000, 2) as stream:
        parts = [stream.push(song)["plain"], stream.finish()["plain"]]
    np.testing.assert_allclose(np.concatenate(parts), extended["plain"], atol=1e-6)


def test_what_does_not_apply_is_an_error(identity, noise):
    with pytest.raises(ValueError, match="shifts=0"):
        separate(noise(100), identity(), 8000, shifts=0)
    with pytest.raises(ValueError, match="wiener=-1"):
        separate(noise(100), identity(), 8000, wiener=-1)
    with pytest.raises(ValueError, match="takes 1 or 2 channels"):
        separate(noise(100, 3), identity(channels=3), 8000, wiener=1)
    with pytest.raises(ValueError, match="separates a song as a whole"):
        separate(noise(8000), "hpss", 8000, shifts=2)
