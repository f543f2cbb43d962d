"""Writing: every format round trips, levels stay, and a file appears complete or not at all."""

from __future__ import annotations

import errno
import os
import signal
import tempfile

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from material import make_music

from tfsep import audio
from tfsep.audio import writing

FORMATS = [
    (".wav", None, "FLOAT", 0),
    (".wav", "FLOAT", "FLOAT", 0),
    (".wav", "PCM_16", "PCM_16", 0.5 / 2**15),
    (".wav", "PCM_24", "PCM_24", 0.5 / 2**23),
    (".flac", None, "PCM_24", 0.5 / 2**23),
    (".flac", "PCM_16", "PCM_16", 0.5 / 2**15),
    (".ogg", None, "VORBIS", None),
    (".mp3", None, "MPEG_LAYER_III", None),
    (".m4a", None, "AAC", None),
]
LOSSY = [".ogg", ".mp3", ".opus", ".m4a"]


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(-1, 1, (3000, 2)).astype(np.float32)


@pytest.mark.parametrize(("suffix", "subtype", "stored", "error"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_round_trip(suffix, subtype, stored, error, channels, tmp_path):
    path = tmp_path / f"a{suffix}"
    source = make_music(30001, channels)
    audio.write(path, source, 44100, subtype)
    if suffix != ".m4a":  # which libsndfile does not read
        assert soundfile.info(path).subtype == stored
    decoded, rate = audio.read(path)
    assert rate == 44100
    assert decoded.shape == source.shape
    if error is None:
        assert 10 * np.log10((source**2).sum() / ((decoded - source) ** 2).sum()) > 10
    else:
        assert np.abs(decoded - source).max() <= error
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".wav", ".flac", *LOSSY])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(samples=st.integers(1, 4000), splits=st.lists(st.integers(0, 4000), max_size=4))
def test_any_length_in_any_blocks(suffix, tmp_path_factory, samples, splits):
    folder = tmp_path_factory.mktemp("blocks")
    source = make_music(samples, 2)
    rate = 48000 if suffix == ".opus" else 44100
    audio.write(folder / f"whole{suffix}", source, rate)
    with audio.Writer(folder / f"blocks{suffix}", rate, 2) as writer:
        for block in np.split(source, sorted(splits)):
            writer.write(block)
    whole, _ = audio.read(folder / f"whole{suffix}")
    blocks, _ = audio.read(folder / f"blocks{suffix}")
    assert len(whole) == samples
    assert np.array_equal(blocks, whole)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_decoded_pcm_is_written_back_to_the_bit(suffix, subtype, bits, tmp_path):
    codes = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (5000, 2))
    source = (codes / 2 ** (bits - 1)).astype(np.float32)
    audio.write(tmp_path / f"a{suffix}", source, 44100, subtype)
    assert np.array_equal(audio.read(tmp_path / f"a{suffix}")[0], source)


def test_full_scale_fits_pcm(tmp_path):
    audio.write(tmp_path / "a.wav", np.array([[1.0], [-1.0]]), 44100, "PCM_16")
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [32767, -32768]


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".opus", ".mp3"])
def test_levels_above_one_are_kept(suffix, tmp_path):
    source = 3 * make_music(20000, 2)
    audio.write(tmp_path / f"a{suffix}", source, 48000)
    peak = np.abs(audio.read(tmp_path / f"a{suffix}")[0]).max()
    assert peak == pytest.approx(2.7, rel=0.1)


@pytest.mark.parametrize(
    ("suffix", "subtype"), [(".wav", "PCM_16"), (".wav", "PCM_24"), (".flac", None), (".m4a", None)]
)
def test_what_would_clip_is_refused(suffix, subtype, noise, tmp_path):
    with pytest.raises(ValueError, match=r"reaches 1\.5 .* would clip .*'FLOAT', or lower the level"):
        audio.write(tmp_path / f"a{suffix}", noise / np.abs(noise).max() * 1.5, 44100, subtype)
    with (
        pytest.raises(ValueError, match="would clip"),
        audio.Writer(tmp_path / f"a{suffix}", 44100, 2, subtype) as writer,
    ):
        writer.write(noise)
        writer.write(2 * noise)
    assert os.listdir(tmp_path) == []


def test_one_axis_is_one_channel(noise, tmp_path):
    audio.write(tmp_path / "a.wav", noise[:, 0], 44100)
    assert np.array_equal(audio.read(tmp_path / "a.wav")[0], noise[:, :1])


def test_doubles_strides_and_strings(noise, tmp_path):
    audio.write(str(tmp_path / "a.WAV"), np.asfortranarray(noise[::-1].astype(np.float64)), np.int64(44100))
    assert np.array_equal(audio.read(tmp_path / "a.WAV")[0], noise[::-1])


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((100, 2), np.int16), "Received: int16"),
        (np.zeros((2, 3, 4), np.float32), r"Received: \(2, 3, 4\)"),
        (np.float32(0.5), r"Received: \(\)"),
        (np.zeros((0, 2), np.float32), "no samples"),
        (np.full((100, 2), np.nan, np.float32), "NaN or infinite"),
        (np.full((100, 2), -np.inf, np.float32), "NaN or infinite"),
    ],
)
def test_bad_audio(bad, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        audio.write(tmp_path / "a.wav", bad, 44100)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("a.aiff", {}, r"suffix must be one of '\.wav', .* Received: suffix='\.aiff'"),
        ("a", {}, "suffix must be one of .* Received: suffix=''"),
        ("a.wav", {"subtype": "PCM_8"}, "subtype must be one of .*'PCM_16'.* Received: subtype='PCM_8'"),
        ("a.mp3", {"subtype": "PCM_16"}, "mp3 takes no subtype. Received: subtype='PCM_16'"),
        ("a.mp3", {"channels": 3}, r"1 or 2 channels\. Received: channels=3"),
        ("a.mp3", {"sample_rate": 96000}, "2 channels at 96000 Hz"),
        ("a.ogg", {"sample_rate": 352800}, "ogg supports at most 200000 Hz"),
        ("a.flac", {"channels": 9}, "9 channels"),
        ("a.stem.m4a", {}, r"is the name of a STEM file; use tfsep\.audio\.write_stems"),
        ("a.m4a", {"channels": 4}, r"channels must be one of 1, 2, 3, 5, 6\. Received: channels=4"),
        ("a.m4a", {"sample_rate": 44000}, "AAC has the sample rates 96000, .* Received: sample_rate=44000"),
        ("a.wav", {"bitrate": 320000}, r"wav is lossless and takes no bitrate\. Received: bitrate=320000"),
        ("a.mp3", {"bitrate": 100000}, r"bitrate must be 64000, .*, 320000 bits per second\. Received: bitrate=100000"),
        (
            "a.mp3",
            {"bitrate": 320000, "sample_rate": 22050},
            r"bitrate must be 64000, .*, 160000 bits per second\. Received: bitrate=320000",
        ),
        ("a.ogg", {"bitrate": 10000}, r"bitrate must be from 64000 to 499821 bits per second"),
        ("a.ogg", {"bitrate": 250000, "sample_rate": 96000}, "ogg takes no bitrate at 96000 Hz"),
        ("a.opus", {"bitrate": 9000}, r"bitrate must be from 12000 to 512000 bits per second"),
        ("a.m4a", {"bitrate": 600000}, r"bitrate must be from 32000 to 529200 bits per second"),
        ("a.m4a", {"bitrate": 256.0}, r"bitrate must be an integer of at least 1\. Received: bitrate=256\.0"),
        ("a.wav", {"channels": 0}, r"channels must be an integer of at least 1\. Received: channels=0"),
        (
            "a.wav",
            {"sample_rate": 44100.5},
            r"sample_rate must be an integer .* Received: sample_rate=44100.5",
        ),
        ("a.wav", {"sample_rate": -1}, "sample_rate must be"),
    ],
)
def test_what_a_format_cannot_hold(name, arguments, words, tmp_path):
    arguments = {"sample_rate": 44100, "channels": 2, **arguments}
    with pytest.raises(ValueError, match=words) as caught, audio.Writer(tmp_path / name, **arguments):
        pytest.fail("the writer opened")
    assert str(tmp_path / name) in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_block_with_other_channels(noise, tmp_path):
    with (
        pytest.raises(ValueError, match=r"\[samples, 2\]\. Received: float32 of shape \(3000, 1\)"),
        audio.Writer(tmp_path / "a.wav", 44100, 2) as writer,
    ):
        writer.write(noise[:, :1])
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_kept(noise, tmp_path):
    path = tmp_path / "a.wav"
    audio.write(path, noise, 44100)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        audio.write(path, noise / 2, 44100)
    assert path.read_bytes() == before
    audio.write(path, noise / 2, 44100, overwrite=True)
    assert np.array_equal(audio.read(path)[0], noise / 2)


def test_a_file_that_appears_meanwhile_is_kept(noise, tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(FileExistsError), audio.Writer(path, 44100, 2) as writer:
        writer.write(noise)
        path.write_text("another's")
    assert path.read_text() == "another's"
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", *LOSSY])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_appears_before_the_end_nor_after_an_exception(suffix, error, noise, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_text("before")
    with pytest.raises(error), audio.Writer(path, 44100, 2, overwrite=True) as writer:
        writer.write(noise)
        assert path.read_text() == "before"
        raise error
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == [path.name]


def test_an_exception_in_closing_leaves_nothing(noise, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        audio.write(tmp_path / "a.wav", noise, 44100)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder(noise, tmp_path):
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        audio.write(tmp_path / "none" / "a.wav", noise, 44100)


def test_a_folder_of_that_name(noise, tmp_path):
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        audio.write(tmp_path / "a.wav", noise, 44100, overwrite=True)


def test_a_folder_that_may_not_be_written(noise, tmp_path, monkeypatch):
    def refuse(dir, prefix):
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)  # the superuser, who runs tests in containers, may write anywhere
    with pytest.raises(PermissionError, match=r"cannot write \(Permission denied\): .*a\.wav"):
        audio.write(tmp_path / "a.wav", noise, 44100)


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as only posix systems can")
@pytest.mark.parametrize("share", [0.3, 0.95])
@pytest.mark.parametrize("suffix", [".wav", ".flac", *LOSSY])
def test_a_full_disk(suffix, share, tmp_path):
    """With most of the file written, encoders fail only when they are closed, and libsndfile says nothing."""
    resource = pytest.importorskip("resource")
    samples = 60000 if share < 0.5 else 3000
    source = np.random.default_rng(0).normal(0, 0.1, (samples, 2))
    path = tmp_path / f"a{suffix}"
    audio.write(path, source, 44100)
    limit = int(share * path.stat().st_size)
    path.unlink()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match="not all samples could be written") as caught:
            audio.write(path, source, 44100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == []


def test_a_wav_ends_at_four_gigabytes(noise, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_WAV_LIMIT", noise.nbytes)
    audio.write(tmp_path / "fits.wav", noise, 44100)
    with (
        pytest.raises(ValueError, match="at most 4 GiB; write flac"),
        audio.Writer(tmp_path / "a.wav", 44100, 2) as writer,
    ):
        writer.write(noise)
        writer.write(noise[:1])


def test_a_long_ogg_in_one_call(tmp_path):
    """libsndfile crashes the process where it gets as many samples at once."""
    audio.write(tmp_path / "a.ogg", np.zeros((3_000_000, 1), np.float32), 8000)
    assert audio.info(tmp_path / "a.ogg").samples == 3_000_000


@pytest.mark.parametrize(("suffix", "subtype"), [(".wav", "PCM_16"), (".wav", "PCM_24"), (".flac", None)])
def test_clip(suffix, subtype, noise, tmp_path):
    loud = 2 * noise
    audio.write(tmp_path / f"a{suffix}", loud, 44100, subtype, clip="rescale")
    audio.write(tmp_path / f"b{suffix}", loud, 44100, subtype, clip="clamp")
    np.testing.assert_allclose(audio.read(tmp_path / f"a{suffix}")[0], loud / np.abs(loud).max(), atol=2**-15)
    np.testing.assert_allclose(audio.read(tmp_path / f"b{suffix}")[0], np.clip(loud, -1, 1), atol=2**-15)
    audio.write(tmp_path / f"c{suffix}", noise, 44100, subtype, clip="rescale")
    audio.write(tmp_path / f"d{suffix}", noise, 44100, subtype)
    assert np.array_equal(audio.read(tmp_path / f"c{suffix}")[0], audio.read(tmp_path / f"d{suffix}")[0])
    with pytest.raises(ValueError, match=r"clip must be one of .*clip='limit'"):
        audio.write(tmp_path / f"e{suffix}", noise, 44100, subtype, clip="limit")


@pytest.mark.parametrize("clip", ["rescale", "clamp", "error"])
def test_float_formats_are_never_clipped(clip, noise, tmp_path):
    audio.write(tmp_path / "a.wav", 2 * noise, 44100, clip=clip)
    assert np.array_equal(audio.read(tmp_path / "a.wav")[0], 2 * noise)


def test_files_of_one_peak_are_scaled_alike(noise, tmp_path):
    with audio.Writer(tmp_path / "a.wav", 44100, 2, "PCM_16", clip="rescale") as a:
        a.write(noise / 8)
        a.write(noise / 4)
        a.peak = 2.0
        assert a.gain == 0.5
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0][len(noise) :], noise / 8, atol=2**-16)
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("suffix", [".wav", ".flac", *LOSSY])
def test_comment(suffix, noise, tmp_path):
    with audio.Writer(tmp_path / f"a{suffix}", 44100, 2, comment="Stem 'früh'") as writer:
        writer.write(noise)
    audio.write(tmp_path / f"b{suffix}", noise, 44100)
    assert [writing.read_comment(tmp_path / f"{name}{suffix}") for name in "ab"] == ["Stem 'früh'", ""]
    assert np.array_equal(*(audio.read(tmp_path / f"{name}{suffix}")[0] for name in "ab"))
    assert writing.read_comment(tmp_path) == ""


@pytest.mark.parametrize(("rate", "samples"), [(44100, 1), (44100, 30001), (22050, 5000), (16000, 5000)])
def test_opus_has_rates_of_its_own(rate, samples, tmp_path):
    source = make_music(samples, 2, rate)
    with audio.Writer(tmp_path / "a.opus", rate, 2) as writer:
        for block in np.array_split(source, 3):
            writer.write(block)
    decoded, stored = audio.read(tmp_path / "a.opus")
    expected = audio.resample(source, rate, stored)
    assert stored == (16000 if rate == 16000 else 48000)
    assert decoded.shape == expected.shape
    if samples > 1:
        assert 10 * np.log10((expected**2).sum() / ((decoded - expected) ** 2).sum()) > 6


@pytest.mark.parametrize("suffix", [".ogg", ".opus", ".m4a"])
def test_channels_keep_their_order(suffix, tmp_path):
    tones = np.sin(2 * np.pi * np.arange(1, 7) * 300 * np.arange(20000)[:, np.newaxis] / 48000) / 4
    audio.write(tmp_path / f"a{suffix}", tones, 48000)
    decoded, _ = audio.read(tmp_path / f"a{suffix}")
    likeness = np.abs(decoded.T @ tones)
    likeness[3] = likeness[:, 3] = 0  # the bass channel contains low frequencies alone
    assert likeness.argmax(axis=0)[[0, 1, 2, 4, 5]].tolist() == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("suffix", LOSSY)
def test_bitrate(suffix, tmp_path):
    source = make_music(3 * 48000, 2, 48000)
    for bitrate in (96000, 192000):
        audio.write(tmp_path / f"{bitrate}{suffix}", source, 48000, bitrate=bitrate)
        size = (tmp_path / f"{bitrate}{suffix}").stat().st_size
        assert size * 8 / 3 == pytest.approx(bitrate, rel=0.2)
        assert audio.info(tmp_path / f"{bitrate}{suffix}").samples == len(source)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("rate", "bitrate"), [(48000, 64000), (32000, 64000), (24000, 64000), (12000, 64000)])
def test_the_lowest_bitrates_of_mp3_keep_the_length(channels, rate, bitrate, tmp_path):
    audio.write(tmp_path / "a.mp3", make_music(12345, channels, rate), rate, bitrate=bitrate)
    assert audio.info(tmp_path / "a.mp3").samples == 12345


def test_what_aac_cannot_hold_is_scaled_or_cut(tmp_path):
    """Its encoder distorts all of a frame with samples beyond 1."""
    loud = 3 * make_music(40000, 2)
    audio.write(tmp_path / "a.m4a", loud, 44100, clip="rescale")
    audio.write(tmp_path / "b.m4a", loud, 44100, clip="clamp")
    for name, expected in (("a", loud / np.abs(loud).max()), ("b", np.clip(loud, -1, 1))):
        error = audio.read(tmp_path / f"{name}.m4a")[0] - expected
        assert 10 * np.log10((expected**2).sum() / (error**2).sum()) > 10


def test_too_few_samples_for_one_of_opus(tmp_path):
    with pytest.raises(ValueError, match="no samples were written"):
        audio.write(tmp_path / "a.opus", np.zeros((1, 1)), 192000)
