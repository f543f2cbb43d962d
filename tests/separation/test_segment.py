"""Segments of another length than the model's."""

import numpy as np
import pytest

from tfsep.models import HTDemucs, OpenUnmix, Spleeter, UNet, WaveGANSeparator
from tfsep.separation import Separation, separate

SMALL = {"n_fft": 256, "hop": 64, "input_bins": 60, "hidden_size": 8, "recurrent_layers": 1}


def test_the_weights_are_kept_and_the_segment_is_another(noise):
    model = UNet(segment=256, depth=2, filters=2, sample_rate=8000)
    longer = model.with_segment(0.128)
    assert (longer.segment, model.segment) == (1024, 256)
    song = noise(3000)
    separation = Separation(model, segment=0.128)
    found = separation.separate(song, 8000)["vocals"]
    np.testing.assert_allclose(found, separate(song, longer, 8000)["vocals"], atol=1e-6)
    assert separation.stream(8000, 2).latency == 1023
    assert np.abs(found).max() > 0
    assert np.abs(found - separate(song, model, 8000)["vocals"]).max() > 1e-4


def test_segments_are_rounded_to_what_the_network_takes():
    model = Spleeter(n_fft=256, bins=64, filters=2, segment=4096, sample_rate=8000)
    assert model.with_segment(0.1).segment == 768  # 12 hops


def test_models_of_whole_songs_can_be_cut_into_segments(noise):
    model = OpenUnmix(("vocals", "other"), sample_rate=8000, wiener=0, **SMALL)
    separation = Separation(model, segment=0.5)
    assert separation.stream(8000, 2).latency == 3999
    assert separation.separate(noise(9000), 8000)["vocals"].shape == (9000, 2)
    spleeter = Spleeter(n_fft=256, bins=64, filters=2, segment=4096, sample_rate=8000, wiener=1)
    assert Separation(spleeter, segment=0.5).stream(8000, 2).latency == 3967


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            HTDemucs(segment=4096, filters=8, depth=1, n_fft=256, transformer_layers=1),
            "HTDemucs does not take segments of 5 s. Its own have 0.0929 s, and no longer ones were in its training",
        ),
        (WaveGANSeparator(segment=1024, filters=4, blocks=1, sample_rate=16000), "must be a power of two"),
    ],
)
def test_what_a_network_does_not_take_is_refused(noise, model, words):
    with pytest.raises(ValueError, match=words) as error:
        separate(noise(100, model.channels), model, model.sample_rate, segment=5)
    assert len(str(error.value).splitlines()) == 1


def test_a_fixed_length_may_be_shorter(noise):
    model = HTDemucs(segment=4096, filters=8, depth=1, n_fft=256, transformer_layers=1, sample_rate=8000)
    assert model.with_segment(0.256).segment == 2048


def test_what_does_not_apply_is_an_error(identity, noise):
    with pytest.raises(ValueError, match="segment must be"):
        Separation(identity(), segment=-1)
    with pytest.raises(ValueError, match=r"as a whole, without overlap, .*, segment"):
        Separation("hpss", segment=3)
    with pytest.raises(ValueError, match=r"An exported model keeps its segments of 0.0125 s. Received: segment=3"):
        separate(noise(100), identity(), 8000, segment=3)
