"""Tags and covers: every format stores what its reader, and others, find again, and keeps its audio."""

from __future__ import annotations

import dataclasses
import os
import shutil
import warnings

import av
import numpy as np
import pytest
import soundfile
from material import make_music

from tfsep import audio
from tfsep.audio.writing import read_comment

FORMATS = [".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"]
# The bytes of a picture are not looked at, except for the first. Larger than a page of ogg.
COVER = b"\xff\xd8\xff\xe0" + np.random.default_rng(0).bytes(200001)
TAGS = audio.Tags(
    "Früh",
    "Nobody 誰",
    "Album",
    "1999-12-31",
    "3/12",
    "Rock",
    "A comment",
    "Various",
    "Sömeone",
    disc="1/2",
    bpm="128",
    isrc="DEA829900001",
    copyright="1999 Nobody",
    lyrics="First line\nsecond line",
    cover=COVER,
)


@pytest.fixture(scope="module")
def music():
    return make_music(60001, 2, 48000)


def store(path, music, tags):
    with audio.Writer(path, 48000, 2, tags=tags) as writer:
        for block in np.array_split(music, 3):
            writer.write(block)


@pytest.mark.parametrize("suffix", FORMATS)
def test_tags_are_read_back_and_the_audio_is_the_same(suffix, music, tmp_path):
    store(tmp_path / f"a{suffix}", music, TAGS)
    store(tmp_path / f"b{suffix}", music, None)
    assert audio.read_tags(tmp_path / f"a{suffix}") == TAGS
    assert audio.read_tags(tmp_path / f"b{suffix}") == audio.Tags()
    assert np.array_equal(*(audio.read(tmp_path / f"{name}{suffix}")[0] for name in "ab"))
    excerpt, _ = audio.read(tmp_path / f"a{suffix}", 50000, 10000)
    assert np.abs(excerpt - audio.read(tmp_path / f"b{suffix}", 50000, 10000)[0]).max() < 1e-6
    assert sorted(os.listdir(tmp_path)) == [f"a{suffix}", f"b{suffix}"]


@pytest.mark.parametrize("suffix", FORMATS[:-1])
def test_libsndfile_finds_them(suffix, music, tmp_path):
    store(tmp_path / f"a{suffix}", music[:5000], TAGS)
    with soundfile.SoundFile(tmp_path / f"a{suffix}") as file:
        found = (file.title, file.artist, file.album, file.genre, file.comment)
        assert found == (TAGS.title, TAGS.artist, TAGS.album, TAGS.genre, TAGS.comment)
        assert len(file.read()) == 5000


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(audio.Tags)])
def test_any_of_them_alone(suffix, name, music, tmp_path):
    tags = audio.Tags(**{name: getattr(TAGS, name)})
    audio.write(tmp_path / f"a{suffix}", music[:2001, :1], 48000, tags=tags)
    assert audio.read_tags(tmp_path / f"a{suffix}") == tags
    assert audio.info(tmp_path / f"a{suffix}").samples == 2001


@pytest.mark.parametrize("suffix", FORMATS[:-1])
def test_comments_by_libsndfile(suffix, music, tmp_path):
    """Stems of earlier versions are known by these."""
    subtype = "OPUS" if suffix == ".opus" else None
    container = "OGG" if suffix == ".opus" else None
    with soundfile.SoundFile(tmp_path / f"a{suffix}", "w", 48000, 2, subtype, format=container) as file:
        file.comment = "Stem 'früh'"
        file.write(music)
    assert read_comment(tmp_path / f"a{suffix}") == "Stem 'früh'"


@pytest.mark.parametrize(("codec", "suffix"), [("flac", ".flac"), ("libmp3lame", ".mp3"), ("aac", ".m4a")])
def test_tags_by_ffmpeg(codec, suffix, music, tmp_path):
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata.update(title="Früh", artist="Nobody", date="1999", track="3/12", unknown="x")
        stream = container.add_stream(codec, rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        for one in av.AudioResampler(stream.format.name, "stereo", 48000).resample(frame):
            container.mux(stream.encode(one))
        container.mux(stream.encode(None))
    found = audio.read_tags(path)
    assert found == audio.Tags("Früh", "Nobody", date="1999", track="3/12")


def test_a_comment_replaces_that_of_the_song(music, tmp_path):
    with audio.Writer(tmp_path / "a.flac", 48000, 2, comment="Mark", tags=TAGS) as writer:
        writer.write(music)
    assert audio.read_tags(tmp_path / "a.flac") == dataclasses.replace(TAGS, comment="Mark")


@pytest.mark.parametrize(
    ("suffix", "bad", "kept"),
    [
        (".m4a", {"track": "A3"}, {"track": ""}),
        (".m4a", {"bpm": "127.5"}, {"bpm": ""}),
        (".m4a", {"track": "", "bpm": "128.00", "disc": "A"}, {"bpm": "128", "disc": ""}),
        (".m4a", {"cover": b"GIF89a..."}, {"cover": None}),
        (".mp3", {"cover": b"no picture"}, {"cover": None}),
        (".flac", {"cover": b"\xff\xd8\xff" + bytes(1 << 24)}, {"cover": None}),
        (".flac", {"album": "x" * (1 << 20 | 1), "track": "\udcff\0"}, {"album": "", "track": "? "}),
    ],
)
def test_what_a_format_cannot_hold_is_left_out(suffix, bad, kept, music, tmp_path):
    tags = dataclasses.replace(TAGS, **bad)
    with pytest.warns(UserWarning, match=r"a\.\w+: tags are left out: \w+ \(") as caught:
        store(tmp_path / f"a{suffix}", music, tags)
    assert len(caught) == 1
    found = audio.read_tags(tmp_path / f"a{suffix}")
    assert found == dataclasses.replace(tags, **kept)


def test_a_disk_that_fills_up_loses_the_tags_alone(music, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.warns(UserWarning, match=r"a\.flac: tags are left out: all \(No space left on device\)"):
        store(tmp_path / "a.flac", music, TAGS)
    assert audio.info(tmp_path / "a.flac").samples == len(music)
    assert os.listdir(tmp_path) == ["a.flac"]


def test_odd_sizes_of_wav(tmp_path):
    source = np.zeros((1001, 1), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.write(tmp_path / "a.wav", source, 44100, "PCM_24", tags=TAGS)
    assert audio.read_tags(tmp_path / "a.wav") == TAGS
    assert int.from_bytes((tmp_path / "a.wav").read_bytes()[4:8], "little") + 8 == os.path.getsize(tmp_path / "a.wav")


def test_what_is_no_audio(tmp_path):
    (tmp_path / "a.mp3").write_text("text")
    with pytest.raises(audio.AudioError, match="cannot be read as audio"):
        audio.read_tags(tmp_path / "a.mp3")
    with pytest.raises(FileNotFoundError, match="no such audio file"):
        audio.read_tags(tmp_path / "b.mp3")
    with pytest.raises(ValueError, match=r"tags must be Tags\. Received: .*'title'"):
        audio.write(tmp_path / "a.wav", np.zeros((9, 1)), 8000, tags={"title": "x"})
    with pytest.raises(ValueError, match=r"title must be a str\. Received: title=7"):
        audio.Tags(title=7)
