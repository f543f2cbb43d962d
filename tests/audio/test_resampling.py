"""Resampling: exact lengths, no delay, and the same result in blocks as in one piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from material import make_music

from tfsep import audio

RATES = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000])


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 11025), (44100, 48000), (48000, 44100), (16000, 44100)])
def test_a_tone_stays_in_place_and_at_its_level(from_rate, to_rate):
    def tone(rate: int) -> np.ndarray:
        time = np.arange(rate) / rate
        return np.stack([np.sin(2 * np.pi * 997 * time), 0.1 * np.cos(2 * np.pi * 440 * time)], axis=1)

    resampled = audio.resample(tone(from_rate), from_rate, to_rate)
    assert resampled.dtype == np.float32
    assert resampled.shape == (to_rate, 2)
    middle = slice(to_rate // 10, -to_rate // 10)
    assert np.abs(resampled - tone(to_rate))[middle].max() < 1e-5


def test_frequencies_above_the_band_are_removed():
    time = np.arange(44100) / 44100
    high = np.sin(2 * np.pi * 9000 * time)[:, np.newaxis]
    assert np.abs(audio.resample(high, 44100, 16000)[1600:-1600]).max() < 1e-4


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    samples=st.integers(0, 9000),
    channels=st.integers(1, 3),
    rates=st.tuples(RATES, RATES),
    splits=st.lists(st.integers(0, 9000), max_size=6),
)
def test_blocks_equal_the_whole(samples, channels, rates, splits):
    source = make_music(9000, channels)[:samples]
    whole = audio.resample(source, *rates)
    assert whole.shape == (round(samples * rates[1] / rates[0]), channels)
    blocks = list(audio.resample_blocks(np.split(source, sorted(splits)), *rates, samples))
    assert np.array_equal(np.concatenate([whole[:0], *blocks]), whole)


@pytest.mark.parametrize(
    ("samples", "from_rate", "to_rate", "expected"), [(490, 24000, 176400, 3602), (202, 44100, 11025, 50)]
)
def test_lengths_at_one_half(samples, from_rate, to_rate, expected):
    """soxr makes one sample less of the first and one more of the second."""
    source = make_music(samples, 1)
    whole = audio.resample(source, from_rate, to_rate)
    assert len(whole) == round(samples * to_rate / from_rate) == expected
    blocks = audio.resample_blocks([source], from_rate, to_rate, samples)
    assert np.array_equal(np.concatenate(list(blocks)), whole)


def test_blocks_are_streamed():
    """The stream runs ahead of its end, so that a long file needs little memory."""
    taken = 0

    def source():
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield np.zeros((10000, 1), np.float32)

    next(audio.resample_blocks(source(), 44100, 16000, 1_000_000))
    assert taken < 5


def test_equal_rates_change_nothing():
    source = make_music(1000, 2)
    assert np.array_equal(audio.resample(source, 44100, 44100), source)
    blocks = audio.resample_blocks([source[:300], source[300:]], 44100, 44100, 1000)
    assert np.array_equal(np.concatenate(list(blocks)), source)


@pytest.mark.parametrize("samples", [999, 1001])
@pytest.mark.parametrize("to_rate", [16000, 44100])
def test_blocks_of_another_length_than_announced(samples, to_rate):
    blocks = audio.resample_blocks([make_music(1000, 1)], 44100, to_rate, samples)
    with pytest.raises(ValueError, match=rf"samples={samples} samples together\. Received: 1000"):
        list(blocks)


@pytest.mark.parametrize(
    ("source", "rates", "words"),
    [
        (np.zeros(100, np.float32), (44100, 16000), r"Received: float32 of shape \(100,\)"),
        (np.zeros((100, 2), np.int16), (44100, 16000), "Received: int16"),
        (np.zeros((100, 2)), (0, 16000), r"from_rate must be a number above 0\. Received: from_rate=0"),
        (np.zeros((100, 2)), (44100, -1), r"to_rate must be a number above 0\. Received: to_rate=-1"),
    ],
)
def test_bad_arguments(source, rates, words):
    with pytest.raises(ValueError, match=words):
        audio.resample(source, *rates)
    with pytest.raises(ValueError, match=words):
        list(audio.resample_blocks([source], *rates, len(source)))
