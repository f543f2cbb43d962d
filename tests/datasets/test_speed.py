import numpy as np
import pytest

from tfsep import datasets
from tfsep.pipeline.cache import SCALE, decode

RATE = 8000


@pytest.fixture
def song(tmp_path, write_song):
    """Tones of 400 Hz and 1 kHz, one second each."""
    time = np.arange(RATE) / RATE
    tones = {
        "vocals.wav": 0.5 * np.sin(2 * np.pi * 400 * time)[:, np.newaxis].astype(np.float32),
        "other.wav": 0.2 * np.sin(2 * np.pi * 1000 * time)[:, np.newaxis].astype(np.float32),
    }
    write_song(tmp_path / "songs" / "tones", tones, RATE)
    return datasets.StemsFolder(tmp_path / "songs", split=None)[0]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.25])
def test_tempo_and_pitch_change_together(song, factor, tmp_path):
    (track,) = datasets.change_speed([song], [factor])
    (stems,) = decode([track], RATE, 1, tmp_path / "cache")
    samples = stems.shape[1]
    assert samples == round(RATE / factor)
    for source, tone, level in (("vocals", 400, 0.5), ("other", 1000, 0.2)):
        audio = stems[track.sources.index(source), :, 0] / SCALE
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(samples)))
        assert np.argmax(spectrum) * RATE / samples == pytest.approx(tone * factor, abs=1)
        assert np.abs(audio[100:-100]).max() == pytest.approx(level, rel=1e-2)


def test_every_speed_has_its_own_samples_in_the_cache(song, tmp_path):
    tracks = [song, *datasets.change_speed([song], [0.8, 1.25])]
    lengths = [stems.shape[1] for stems in decode(tracks, RATE, 1, tmp_path / "cache")]
    assert lengths == [8000, 10000, 6400]


def test_names_and_sources(song):
    slow, fast = datasets.change_speed([song], [0.8, 1.25])
    assert (slow.name, fast.name) == ("tones at speed 0.8", "tones at speed 1.25")
    assert slow.sources == song.sources
    np.testing.assert_array_equal(slow.read("mixture", 10, 5), song.read("mixture", 10, 5))


@pytest.mark.parametrize("factor", [0.0, -1.0, 5.0, float("nan")])
def test_wrong_speeds(song, factor):
    with pytest.raises(ValueError, match=r"speed must be a number of at least 0.25 and at most 4. Received: speed="):
        datasets.change_speed([song], [factor])


def test_messages_about_a_song_are_logged_once_for_all_its_copies(tmp_path, caplog):
    vocals = datasets.ArrayStem(np.full(100, 5.0, np.float32), RATE)
    drums = datasets.ArrayStem(np.zeros(60, np.float32), RATE)
    song = datasets.Track("song", {"vocals": vocals, "drums": drums, "bass": None})
    decode([song, *datasets.change_speed([song], [0.8, 1.25])], RATE, 1, tmp_path / "cache")
    assert sorted(caplog.messages) == [
        "song has no bass: silence is used instead.",
        "song: samples beyond -4 and 4 are clipped.",
        "song: stems of 60 to 100 samples; the shorter ones are padded with silence.",
    ]
