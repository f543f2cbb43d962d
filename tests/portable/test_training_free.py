import numpy as np
import pytest

import tfsep
from tfsep.loading import load_model
from tfsep.portable.training_free import TRAINING_FREE

RATE = 8000


@pytest.fixture
def song():
    """Clicks over a steady tone, two seconds in stereo."""
    time = np.arange(4 * RATE) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 440 * time)
    clicks = np.zeros_like(tone)
    clicks[:: RATE // 2] = 0.9
    return np.stack([tone + clicks, tone + 0.5 * clicks], axis=1).astype(np.float32), tone, clicks


def correlation(first, second):
    return np.dot(first, second) / np.sqrt(np.dot(first, first) * np.dot(second, second))


def test_hpss_tells_clicks_from_tones(song):
    mixture, tone, clicks = song
    stems = tfsep.separate(mixture, "hpss", RATE)
    assert list(stems) == ["drums", "accompaniment"]
    assert all(stem.shape == mixture.shape and stem.dtype == np.float32 for stem in stems.values())
    for channel in range(2):
        assert correlation(stems["drums"][:, channel], clicks) > 0.8
        assert correlation(stems["accompaniment"][:, channel], tone) > 0.99


def test_repet_sim_finds_what_does_not_recur():
    # Noise that comes back every half second, and once a tone on it.
    generator = np.random.default_rng(0)
    music = np.tile(0.1 * generator.standard_normal(RATE // 2), 16)
    voice = np.zeros_like(music)
    voice[30000:34000] = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(4000) / RATE)
    mixture = (music + voice).astype(np.float32)[:, np.newaxis]
    stems = tfsep.separate(mixture, "repet-sim", RATE)
    assert list(stems) == ["vocals", "accompaniment"]
    assert correlation(stems["vocals"][:, 0], voice) > 0.8
    assert correlation(stems["accompaniment"][:, 0], music) > 0.9
    np.testing.assert_allclose(stems["vocals"] + stems["accompaniment"], mixture, atol=1e-6)


@pytest.mark.parametrize("name", ["hpss", "repet-sim"])
@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_short_and_silent_songs(name, samples):
    for mixture in (np.zeros((samples, 1), np.float32), np.full((samples, 1), 0.1, np.float32)):
        stems = tfsep.separate(mixture, name, RATE, residual="rest")
        assert [stem.shape for stem in stems.values()] == [mixture.shape] * 3
        assert all(np.isfinite(stem).all() for stem in stems.values())
        np.testing.assert_allclose(sum(stems.values()), mixture, atol=1e-6)


def test_they_are_loaded_by_name():
    assert load_model("hpss") is TRAINING_FREE["hpss"]
    with pytest.raises(ValueError, match="Without training: hpss, repet-sim"):
        load_model("hpss2")


def test_those_of_nussl_say_how_to_install_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "nussl", None)
    with pytest.raises(RuntimeError, match=r"pip install 'tfsep\[nussl\]'"):
        tfsep.separate(np.zeros(100, np.float32), "nussl-repet", RATE)
