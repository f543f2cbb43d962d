import io
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep import audio, loading
from tfsep.separation import Separation, separate, separate_file

RATES = (8000, 11025, 16000, 22050, 44100, 48000)


def test_estimates_have_the_song_s_layout(identity, noise):
    song = noise(1234)
    stems = separate(song, identity(), 8000)
    assert list(stems) == ["plain", "minus"]
    for sign, stem in zip((1, -1), stems.values(), strict=True):
        assert stem.dtype == np.float32
        assert stem.flags.c_contiguous
        np.testing.assert_allclose(stem, sign * song, atol=1e-6)


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(
    samples=st.integers(1, 3000),
    rate=st.sampled_from(RATES),
    model_rate=st.sampled_from(RATES),
    channels=st.integers(1, 3),
    segment=st.integers(10, 1000),
    residual=st.sampled_from([None, "rest"]),
)
def test_length_is_exact_and_the_residual_completes_the_mixture(
    identity, samples, rate, model_rate, channels, segment, residual
):
    song = np.random.default_rng(samples).uniform(-1, 1, (samples, channels)).astype(np.float32)
    stems = separate(song, identity(segment, 5, 1, model_rate), rate, residual=residual)
    assert list(stems) == list(Separation(identity(), residual=residual).names)
    assert all(stem.shape == song.shape for stem in stems.values())
    if residual:
        np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 1000, 44100, 44101, 44103])
def test_resampling_keeps_length_and_position(identity, samples):
    song = np.sin(2 * np.pi * 440 / 44100 * np.arange(samples, dtype=np.float32))
    stem = separate(song, identity(3000, 100, sample_rate=11025), 44100)["plain"]
    assert stem.shape == song.shape
    inside = slice(500, -500)
    np.testing.assert_allclose(stem[inside], song[inside], atol=2e-3)


def test_one_dimension_in_one_dimension_out(identity, noise):
    song = noise(500, channels=1)[:, 0]
    for channels in (1, 2):
        stems = separate(song, identity(channels=channels), 8000, residual="rest")
        assert all(stem.shape == (500,) for stem in stems.values())
        np.testing.assert_allclose(stems["plain"], song, atol=1e-6)
    assert separate(song[:, np.newaxis], identity(), 8000)["plain"].shape == (500, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_array_is_not_changed(identity, noise, dtype):
    class InPlace(identity):
        def separate_window(self, window):
            stems = {name: stem.copy() for name, stem in super().separate_window(window).items()}
            window[:] = 99
            return stems

    song = noise(500).astype(dtype)
    before = song.copy()
    song.flags.writeable = False
    stems = separate(song, InPlace(), 8000, residual="rest")
    stems["plain"][:] = 5
    np.testing.assert_array_equal(song, before)


def test_level_is_neither_changed_nor_clipped(identity, noise):
    song = 30 * noise(500)
    assert np.abs(song).max() > 5
    np.testing.assert_allclose(separate(song, identity(), 8000)["plain"], song, rtol=1e-6, atol=1e-6)


def test_silence_stays_silence(identity):
    stems = separate(np.zeros((300, 2), np.float32), identity(), 44100, residual="rest")
    assert not any(stem.any() for stem in stems.values())


def test_residual_is_the_mixture_minus_all_estimates(identity, noise):
    class Third(identity):
        def separate_window(self, window):
            return {"plain": window / 3, "minus": window / 3}

    song = noise(1000)
    stems = separate(song, Third(), 8000, residual="other")
    assert list(stems) == ["plain", "minus", "other"]
    np.testing.assert_allclose(stems["other"], song / 3, atol=1e-6)


def test_overlap_and_batch_size_reach_the_engine(identity, noise):
    model = identity()
    separate(noise(1000, 1), model, 8000, batch_size=7)
    assert model.shapes == {(7, 100, 1)}
    with pytest.raises(ValueError, match="overlap=2"):
        separate(noise(1000), model, 8000, overlap=2)


def test_progress_is_at_the_rate_of_the_model(identity, noise):
    calls = []
    separate(noise(1000), identity(sample_rate=4000), 8000, progress=lambda *call: calls.append(call))
    assert calls[-1] == (500, 500, 0)
    assert all(left >= 0 for _, _, left in calls)


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_files_have_their_own_rate(identity, noise, tmp_path, kind):
    song = noise(2000)
    audio.write(tmp_path / "song.wav", song, 16000)
    from_file = separate(kind(tmp_path / "song.wav"), identity())
    from_array = separate(song, identity(), 16000)
    for name, stem in from_array.items():
        np.testing.assert_array_equal(from_file[name], stem)
    with pytest.raises(ValueError, match="sample_rate is for arrays"):
        separate(tmp_path / "song.wav", identity(), 16000)


@pytest.mark.parametrize(
    ("song", "message"),
    [
        (np.zeros((100, 2), np.int16), "dtype int16.*Divide by full scale"),
        (np.zeros((0, 2), np.float32), r"empty.*\(0, 2\)"),
        (np.zeros(0, np.float32), r"empty.*\(0,\)"),
        (np.zeros((1, 100, 2), np.float32), r"\[samples, channels\].*\(1, 100, 2\)"),
        (np.float32(0), r"\[samples, channels\].*\(\)"),
        (np.zeros((2, 44100), np.float32), r"\[samples, channels\] with at most 32.*\(2, 44100\).*Transpose"),
        (np.array([0, np.nan], np.float32), "NaN or infinite"),
        (np.array([0, -np.inf], np.float32), "NaN or infinite"),
        (np.array([0, 1e300]), "NaN or infinite"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_audio_of_another_kind_is_an_error(identity, song, message):
    with pytest.raises(ValueError, match=message):
        separate(song, identity(), 8000)


@pytest.mark.parametrize("name", ["../vocals", "a/b", "..", ""])
def test_names_of_sources_cannot_lead_out_of_the_folder(identity, tmp_path, name):
    model = identity()
    model.sources = (name, *model.sources[1:])
    audio.write(tmp_path / "song.wav", np.zeros((100, 1), np.float32), 8000)
    with pytest.raises(ValueError, match="sources need names that files can have"):
        separate_file(tmp_path / "song.wav", tmp_path / "out", model)
    assert {path.name for path in tmp_path.iterdir()} == {"song.wav"}


@pytest.mark.parametrize("sample_rate", [None, 0, -8000, "8000", 1, 10**7, float("nan")])
def test_array_without_a_rate_is_an_error(identity, noise, sample_rate):
    with pytest.raises(ValueError, match=f"sample_rate={sample_rate!r}"):
        separate(noise(100), identity(), sample_rate)


def test_three_channels_for_a_stereo_model_are_an_error(identity, noise):
    with pytest.raises(ValueError, match=r"2 channels\. Received: 3 channels"):
        separate(noise(100, 3), identity(channels=2), 8000)


def test_residual_of_a_source_s_name_is_an_error(identity, noise):
    with pytest.raises(ValueError, match="'plain' already"):
        separate(noise(100), identity(), 8000, residual="plain")


def test_unreadable_files_are_errors_that_name_them(identity, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.wav"):
        separate(tmp_path / "nothing.wav", identity())
    (tmp_path / "text.mp3").write_text("no audio")
    with pytest.raises(audio.AudioError, match=r"text\.mp3"):
        separate(tmp_path / "text.mp3", identity())


def test_unknown_model_is_an_error_that_lists_the_presets(noise):
    with pytest.raises(ValueError, match=r"No model 'no-such-model'.*Presets:"):
        separate(noise(100), "no-such-model", 8000)


@pytest.mark.parametrize("song", [b"RIFF", bytearray(b"RIFF"), io.BytesIO(b"RIFF")])
def test_bytes_and_file_objects_are_errors_that_name_their_type(identity, song):
    with pytest.raises((ValueError, TypeError), match=f"path or an array.*{type(song).__name__}"):
        separate(song, identity(), 8000)


def test_a_model_by_path_or_name_stays_loaded(small_preset, noise, tmp_path, monkeypatch):
    loads = []
    load = loading.load_model
    monkeypatch.setattr(loading, "load_model", lambda *given: loads.append(given) or load(*given))
    folder = tmp_path / "preset"
    shutil.copytree(small_preset, folder)
    expected = separate(noise(1000), folder, 8000)
    monkeypatch.chdir(tmp_path)
    for name in ("preset", str(folder), folder):
        np.testing.assert_array_equal(separate(noise(1000), name, 8000)["drums"], expected["drums"])
    assert len(loads) == 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: separate(noise(1000), folder, 8000), range(4)))
    assert len(loads) == 1
    os.utime(folder / "model.weights.h5", ns=(1, 1))
    separate(noise(1000), folder, 8000)
    assert len(loads) == 2
    for copy in range(5):
        shutil.copytree(small_preset, tmp_path / str(copy))
        separate(noise(1000), tmp_path / str(copy), 8000)
    assert len(loading._cache) <= 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_error_in_a_forked_process(small_preset, noise):
    """It is raised instead of a deadlock, and names the way to start processes."""
    separate(noise(1000), small_preset, 8000)
    process = os.fork()
    if process == 0:
        try:
            separate(noise(1000), small_preset, 8000)
        except RuntimeError as error:
            os._exit(7 if "get_context('spawn')" in str(error) else 8)
        os._exit(9)
    for _ in range(300):
        if (status := os.waitpid(process, os.WNOHANG))[0]:
            break
        time.sleep(0.1)
    else:
        os.kill(process, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(status[1]) == 7
