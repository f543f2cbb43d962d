"""Songs that are read twice from a temporary file, and their normalization."""

import numpy as np
import pytest

from tfsep.separation import separate
from tfsep.separation.spool import Spool


@pytest.mark.parametrize("sizes", [(1,), (5, 300, 1), (300_000, 7)])
def test_every_iteration_is_the_whole_stream(noise, sizes):
    audio = noise(sum(sizes))
    with Spool(np.split(audio, np.cumsum(sizes)[:-1]), 2) as spool:
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(spool)), audio)
        mono = audio.mean(axis=1, dtype=np.float64)
        assert spool.mean == pytest.approx(mono.mean(), abs=1e-9)
        assert spool.deviation == pytest.approx(mono.std(ddof=1) if len(mono) > 1 else 0, rel=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_model_receives_a_normalized_song(identity, noise, channels):
    class Cubes(identity):
        normalize_song = True

        def separate_window(self, window):
            return {"plain": window**3, "minus": -window}

    song = (3 * noise(1000, channels) + 0.5).astype("float32")
    stems = separate(song, Cubes(channels=channels), 8000)
    mono = song.mean(axis=1)
    mean, deviation = mono.mean(), mono.std(ddof=1)
    np.testing.assert_allclose(
        stems["plain"], ((song - mean) / deviation) ** 3 * deviation + mean, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(stems["minus"], 2 * mean - song, atol=1e-5)


def test_silence_stays_silence(identity, noise):
    class Normalizing(identity):
        normalize_song = True

    stems = separate(np.zeros((500, 1), np.float32), Normalizing(), 8000)
    assert not np.any(stems["plain"])
