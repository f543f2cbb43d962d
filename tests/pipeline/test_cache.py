import errno
import logging
import os

import numpy as np
import pytest

from tfsep import audio, files
from tfsep.datasets import FileStem, Track
from tfsep.pipeline import cache


@pytest.fixture
def track(make_songs):
    return make_songs((40,))[0]


@pytest.fixture
def no_decoding(monkeypatch):
    def refuse(*args):
        raise AssertionError("decoded again")

    return lambda: monkeypatch.setattr(Track, "read", refuse)


def test_rows_are_the_sources_and_the_residual(track):
    (rows,) = cache.decode([track], 8000, 1)
    assert rows.dtype == np.int16
    assert rows.shape == (4, 40, 1)
    assert isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows[:, :, 0].T, [[place, 100, -1, 7] for place in range(1, 41)])


def test_residual_is_zero_without_a_mixture_file(make_track):
    (rows,) = cache.decode([make_track("song", {"vocals": np.arange(9), "drums": np.arange(9)})], 8000, 1)
    assert not rows[-1].any()


def test_audio_is_resampled(make_track):
    wave = 5000 * np.sin(np.arange(2000) / 20)
    (rows,) = cache.decode([make_track("song", {"vocals": wave}, sample_rate=16000)], 8000, 1)
    assert rows.shape == (2, 1000, 1)
    np.testing.assert_allclose(rows[0, 50:-50, 0], wave[100:-100:2], atol=5)


@pytest.mark.parametrize("sample_rate", [8000, 5000])
def test_decoding_in_blocks_gives_the_same(make_track, monkeypatch, tmp_path, sample_rate):
    generator = np.random.default_rng(0)
    stems = {name: generator.integers(-2000, 2000, (20500, 2)) for name in ("vocals", "drums")}
    song = make_track("song", stems, mixture=sum(stems.values()) + generator.integers(-9, 9, (20500, 2)))
    whole = cache.decode([song], sample_rate, 2, tmp_path / "whole")[0]
    monkeypatch.setattr(cache, "_BLOCK", 1)
    blocks = cache.decode([song], sample_rate, 2, tmp_path / "blocks")[0]
    np.testing.assert_array_equal(blocks, whole)
    assert whole[-1].any()


def test_channels_are_converted(make_track):
    left, right = np.arange(0, 20, 2), np.arange(0, 60, 6)
    stereo = make_track("stereo", {"vocals": np.stack([left, right], axis=1)})
    mono = make_track("mono", {"vocals": left})
    np.testing.assert_array_equal(cache.decode([stereo], 8000, 1)[0][0, :, 0], (left + right) // 2)
    np.testing.assert_array_equal(cache.decode([stereo], 8000, 2)[0][0], np.stack([left, right], axis=1))
    np.testing.assert_array_equal(cache.decode([mono], 8000, 2)[0][0], np.stack([left, left], axis=1))
    with pytest.raises(ValueError, match=r"stereo has 2 channels.*3 channels"):
        cache.decode([stereo], 8000, 3)


def test_samples_beyond_full_scale_are_kept_and_clipping_is_logged(make_track, caplog):
    full_scale = int(cache.SCALE)
    with caplog.at_level(logging.WARNING, "tfsep"):
        (rows,) = cache.decode([make_track("loud", {"vocals": [1.5 * full_scale, -2 * full_scale]})], 8000, 1)
        assert not caplog.records
        np.testing.assert_array_equal(rows[0, :, 0], [1.5 * full_scale, -2 * full_scale])
        (rows,) = cache.decode([make_track("louder", {"vocals": [5 * full_scale, -5 * full_scale]})], 8000, 1)
    np.testing.assert_array_equal(rows[0, :, 0], [32767, -32768])
    assert [record.getMessage() for record in caplog.records] == ["louder: samples beyond -4 and 4 are clipped."]


def test_decoded_audio_is_reused(track, no_decoding):
    (first,) = cache.decode([track], 8000, 1)
    no_decoding()
    (second,) = cache.decode([Track("another name", track.stems, track.mixture)], 8000, 1)
    np.testing.assert_array_equal(first, second)
    # Another rate or other channels are another entry.
    for rate, channels in ((4000, 1), (8000, 2)):
        with pytest.raises(AssertionError, match="decoded again"):
            cache.decode([track], rate, channels)


def test_changed_content_is_decoded_again(track, make_track):
    before = cache.decode([track], 8000, 1)[0]
    path = track.stems["drums"].path
    stat = path.stat()
    make_track("song0", {"drums": np.full(40, 55)})
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = cache.decode([Track("song0", track.stems, track.mixture)], 8000, 1)[0]
    np.testing.assert_array_equal(before[1], 100)
    np.testing.assert_array_equal(after[1], 55)
    np.testing.assert_array_equal(before[0], after[0])


def test_same_files_in_other_roles_are_another_entry(track):
    stems = track.stems
    swapped = Track("song", {**stems, "vocals": stems["drums"], "drums": stems["vocals"]}, track.mixture)
    plain = Track("song", stems)
    original = cache.decode([track, swapped, plain], 8000, 1)
    np.testing.assert_array_equal(original[1][[1, 0, 2, 3]], original[0])
    assert original[0][-1].all()
    assert not original[2][-1].any()


def test_missing_stem_is_a_silent_row(track):
    (rows,) = cache.decode([Track("song", {"vocals": None, "drums": track.stems["drums"]})], 8000, 1)
    assert not rows[0].any()
    assert rows[1].all()


def test_order_of_the_tracks_is_kept(make_songs):
    lengths = (40, 30, 50, 20, 60, 10)
    rows = cache.decode(make_songs(lengths), 8000, 1)
    assert tuple(row.shape[1] for row in rows) == lengths
    assert [row[1, 0, 0] for row in rows] == [100, 200, 300, 400, 500, 600]


def test_entry_appears_only_when_it_is_complete(track, cache_folder, monkeypatch):
    resample, seen = audio.resample_blocks, []

    def spy(*args):
        seen.extend(cache_folder.glob("*.npy"))
        return resample(*args)

    monkeypatch.setattr(audio, "resample_blocks", spy)
    cache.decode([track], 8000, 1)
    assert seen == []
    assert len(list(cache_folder.glob("*.npy"))) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_interrupted_decoding_leaves_nothing(track, cache_folder, monkeypatch, error):
    resample, calls = audio.resample_blocks, []

    def fail_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise error
        return resample(*args)

    monkeypatch.setattr(audio, "resample_blocks", fail_at_the_third)
    with pytest.raises(error):
        cache.decode([track], 8000, 1)
    assert list(cache_folder.iterdir()) == []
    assert cache.decode([track], 8000, 1)[0].shape == (4, 40, 1)


def test_full_disk_is_an_error_that_names_the_song(track, cache_folder, monkeypatch):
    class FullDisk:
        def __init__(self, path, mode):
            self.file = open(path, mode)  # noqa: SIM115
            self.name = self.file.name

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            if isinstance(data, np.ndarray):
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(data)

    monkeypatch.setattr(cache, "open", FullDisk, raising=False)
    message = r"decoded audio of song0 could not be written \(No space left.*free space.*" + cache_folder.name
    with pytest.raises(OSError, match=message) as raised:
        cache.decode([track], 8000, 1)
    assert raised.value.errno == errno.ENOSPC
    assert list(cache_folder.iterdir()) == []


def test_unreadable_stem_is_an_error_that_names_the_file(track, cache_folder):
    track.stems["drums"].path.write_bytes(b"no audio")
    with pytest.raises(audio.AudioError, match=r"drums\.wav"):
        cache.decode([track], 8000, 1)
    assert list(cache_folder.iterdir()) == []


def test_stem_with_nan_is_an_error_that_names_the_file(track, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan, 0], np.float32), 8000, subtype="FLOAT")
    with pytest.raises(audio.AudioError, match=r"nan\.wav"):
        cache.decode([Track("song", {"vocals": FileStem(tmp_path / "nan.wav")})], 8000, 1)


def test_folder_is_the_argument_or_from_the_environment_or_in_the_home(track, tmp_path, cache_folder, monkeypatch):
    cache.decode([track], 8000, 1, tmp_path / "given")
    assert len(list((tmp_path / "given").iterdir())) == 1
    assert not cache_folder.exists()
    assert files.cache_folder() == cache_folder
    monkeypatch.delenv("TFSEP_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / ".cache" / "tfsep"


def test_folder_that_cannot_be_made_is_an_error_that_names_it(track, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        cache.decode([track], 8000, 1, tmp_path / "file" / "cache")
