"""STEM files: five streams that our reader and others find, the names of the stems, and whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import struct

import numpy as np
import pytest
from material import make_music

from tfsep import audio
from tfsep.audio import av_encoder

SAMPLES = 30001
NAMES = ("drums", "bass", "other", "vocals")


def ratio(reference, estimate) -> float:
    return 10 * np.log10((reference**2).sum() / ((reference - estimate) ** 2).sum())


def atoms(content: bytes) -> dict[bytes, bytes]:
    found, position = {}, 0
    while position < len(content):
        size, name = struct.unpack(">I4s", content[position : position + 8])
        found[name] = content[position + 8 : position + size]
        position += size
    return found


def manifest(path) -> dict:
    return json.loads(atoms(atoms(atoms(path.read_bytes())[b"moov"])[b"udta"])[b"stem"])


@pytest.fixture(scope="module")
def streams():
    music = make_music(5 * SAMPLES, 2).reshape(5, SAMPLES, 2)
    return music * np.array([1, 0.5, 0.4, 0.3, 0.2], np.float32)[:, np.newaxis, np.newaxis]


@pytest.mark.parametrize("suffix", av_encoder.STEM_SUFFIXES)
def test_five_streams(suffix, streams, tmp_path):
    path = tmp_path / f"song{suffix}"
    tags = audio.Tags(title="Song", cover=b"\xff\xd8\xff" + bytes(1000))
    audio.write_stems(path, streams[0], dict(zip(NAMES, streams[1:], strict=True)), 44100, tags=tags)
    assert audio.info(path).streams == 5
    for stream, expected in enumerate(streams):
        decoded, rate = audio.read(path, stream=stream)
        assert rate == 44100
        assert decoded.shape == expected.shape
        assert ratio(expected, decoded) > 10
    assert audio.read_tags(path) == tags
    assert os.listdir(tmp_path) == [path.name]


def test_names_and_colours_as_players_read_them(streams, tmp_path):
    audio.write_stems(tmp_path / "a.stem.mp4", streams[0], dict(zip(NAMES, streams[1:], strict=True)), 44100)
    found = manifest(tmp_path / "a.stem.mp4")
    assert found["version"] == 1
    assert [stem["name"] for stem in found["stems"]] == list(NAMES)
    assert [stem["color"] for stem in found["stems"]] == ["#009E73", "#D55E00", "#CC79A7", "#56B4E9"]
    assert not found["mastering_dsp"]["compressor"]["enabled"]
    assert not found["mastering_dsp"]["limiter"]["enabled"]


def test_fewer_stems_are_followed_by_silence(streams, tmp_path):
    path = tmp_path / "a.stem.m4a"
    audio.write_stems(path, streams[0], {"vocals": streams[1], "accompaniment": streams[2]}, 44100)
    described = manifest(path)["stems"]
    assert [stem["name"] for stem in described] == ["vocals", "accompaniment", "silence", "silence"]
    assert len({stem["color"] for stem in described}) == 4
    assert ratio(streams[2], audio.read(path, stream=2)[0]) > 10
    assert not audio.read(path, stream=4)[0].any()


def test_blocks_are_the_whole(streams, tmp_path):
    audio.write_stems(tmp_path / "a.stem.m4a", streams[0], {"vocals": streams[1]}, 44100)
    with audio.StemFileWriter(tmp_path / "b.stem.m4a", 44100, ("vocals",)) as writer:
        for start in range(0, SAMPLES, 7000):
            writer.write(streams[:2, start : start + 7000])
    for stream in range(2):
        a, b = (audio.read(tmp_path / f"{name}.stem.m4a", stream=stream)[0] for name in "ab")
        assert np.array_equal(a, b)


def test_mono_becomes_stereo(streams, tmp_path):
    audio.write_stems(tmp_path / "a.stem.m4a", streams[0][:, 0], {"vocals": streams[1][:, 0]}, 44100)
    with pytest.raises(ValueError, match=r"streams must be 2 arrays \[samples, 1\]"):
        audio.write_stems(tmp_path / "b.stem.m4a", streams[0][:, :1], {"vocals": streams[1]}, 44100)
    decoded, _ = audio.read(tmp_path / "a.stem.m4a", stream=1)
    assert decoded.shape == (SAMPLES, 2)
    assert ratio(streams[1][:, :1], decoded) > 10


def test_all_streams_are_scaled_by_one_gain(streams, tmp_path):
    loud = 2 * streams
    with pytest.raises(ValueError, match=r"reaches 1\.\d+ and AAC would clip it"):
        audio.write_stems(tmp_path / "a.stem.m4a", loud[0], {"vocals": loud[1]}, 44100)
    with audio.StemFileWriter(tmp_path / "a.stem.m4a", 44100, ("vocals",), clip="rescale") as writer:
        writer.write(loud[:2])
    assert writer.gain == 1 / np.abs(loud[:2]).max()
    decoded = audio.read_streams(tmp_path / "a.stem.m4a", (0, 1))
    for source, found in zip(loud, decoded, strict=False):
        assert ratio(source * writer.gain, found) > 10


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="stempeg decodes by ffmpeg")
def test_stempeg_reads_it(streams, tmp_path):
    stempeg = pytest.importorskip("stempeg")
    path = tmp_path / "a.stem.mp4"
    audio.write_stems(path, streams[0], dict(zip(NAMES, streams[1:], strict=True)), 44100)
    found, rate = stempeg.read_stems(str(path))
    assert rate == 44100
    assert stempeg.Info(str(path)).title_streams == ["mixture", *NAMES]
    ours = np.stack(audio.read_streams(path, range(5)))
    # ffmpeg keeps the padding of the last frame.
    assert np.abs(found[:, :SAMPLES] - ours).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "names", "settings", "words"),
    [
        ("a.mp4", NAMES, {}, r"must end in \.stem\.m4a or \.stem\.mp4"),
        ("a.stem.mp4", (*NAMES, "piano"), {}, r"1 to 4 stems of different names\. Received: \('drums'"),
        ("a.stem.mp4", (), {}, "1 to 4 stems"),
        ("a.stem.mp4", ("a", "a"), {}, "of different names"),
        ("a.stem.mp4", NAMES, {"channels": 6}, r"channels must be 1 or 2\. Received: channels=6"),
        ("a.stem.mp4", NAMES, {"sample_rate": 12345}, "AAC has the sample rates"),
        ("a.stem.mp4", NAMES, {"bitrate": 1000000}, "bitrate must be from 32000 to 529200 bits per second"),
    ],
)
def test_what_the_format_cannot_hold(name, names, settings, words, tmp_path):
    with pytest.raises(ValueError, match=words) as caught:
        audio.StemFileWriter(tmp_path / name, **{"sample_rate": 44100, "names": names, **settings})
    assert str(tmp_path / name) in str(caught.value)


def test_the_format_is_checked_without_a_file():
    assert audio.check_format(".stem.mp4", None, 44100, 1, 256000) == "AAC"
    with pytest.raises(ValueError, match=r"channels must be 1 or 2\. Received: channels=5"):
        audio.check_format(".stem.m4a", None, 44100, 5)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([np.zeros((9, 2))], r"streams must be 2 arrays \[samples, 2\] of one length, the mixture first"),
        ([np.zeros((9, 2)), np.zeros((8, 2))], r"Received: \[\(9, 2\), \(8, 2\)\]"),
        ([np.zeros((9, 2), int), np.zeros((9, 2), int)], "must be a float array"),
        ([np.full((9, 2), np.nan), np.zeros((9, 2))], "NaN or infinite"),
    ],
)
def test_bad_blocks_leave_nothing(blocks, words, tmp_path):
    with (
        pytest.raises(ValueError, match=words),
        audio.StemFileWriter(tmp_path / "a.stem.m4a", 44100, ("vocals",)) as writer,
    ):
        writer.write(np.zeros((2, 5000, 2)))
        writer.write(blocks)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(streams, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        audio.write_stems(tmp_path / "a.stem.m4a", streams[0], {"vocals": streams[1]}, 44100)
    assert caught.value.filename == str(tmp_path / "a.stem.m4a")
    assert os.listdir(tmp_path) == []
