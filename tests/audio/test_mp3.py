"""Mp3: the frames determine the length, whatever a header announces and whatever surrounds them."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest
from material import SAMPLES, encode

from tfsep import audio
from tfsep.audio import mp3

VARIABLE = {"global_quality": str(4 * 118), "flags": "+qscale"}
ID3V1 = b"TAG" + bytes(125)
ID3V2 = b"ID3\x04\0\0\0\0\x02\0" + np.random.default_rng(1).bytes(256)
_APE = b"APETAGEX" + b"".join(n.to_bytes(4, "little") for n in (2000, 47, 1, 0xA0000000)) + bytes(8)
APE = _APE + (4).to_bytes(4, "little") + bytes(4) + b"Title\0a" + b"APETAGEX" + _APE[8:20] + b"\0\0\0\x80" + bytes(8)
LYRICS = b"LYRICSBEGININD00002100LYR00010Hello you 000045LYRICS200"


@pytest.fixture(scope="module")
def streams(music, tmp_path_factory) -> dict[str, bytes]:
    """By name: variable bit rate with and without a header that counts the frames."""
    folder = tmp_path_factory.mktemp("mp3")
    settings = {"options": VARIABLE, "container_options": {"id3v2_version": "0"}}
    counted = encode(folder / "a.mp3", music, "libmp3lame", **settings)
    settings["container_options"] = {"id3v2_version": "0", "write_xing": "0"}
    uncounted = encode(folder / "b.mp3", music, "libmp3lame", **settings)
    return {"counted": counted.read_bytes(), "uncounted": uncounted.read_bytes()}


def announce(content: bytes, frames: int) -> bytes:
    place = max(content.find(b"Xing"), content.find(b"Info")) + 8
    return content[:place] + frames.to_bytes(4, "big") + content[place + 4 :]


def reads_as_ffmpeg(path) -> int:
    with av.open(str(path)) as container:
        frames = []
        for packet in container.demux(audio=0):
            try:
                frames += [frame.to_ndarray() for frame in packet.decode()]
            except av.InvalidDataError:
                assert not mp3.begins_frame(bytes(packet))
    expected = np.concatenate(frames, axis=1).T
    decoded, _ = audio.read(path)
    assert audio.info(path).samples == len(decoded) == len(expected)
    assert np.abs(decoded - expected).max() < 1e-5
    start = len(expected) - 5000
    assert np.abs(audio.read(path, start, 3000)[0] - expected[start : start + 3000]).max() < 1e-5
    return len(decoded)


def test_a_variable_bit_rate_without_header(streams, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(streams["uncounted"])
    assert SAMPLES <= reads_as_ffmpeg(path) < SAMPLES + 3 * 1152


@pytest.mark.parametrize("frames", [0, 1, 20, 60, 63, 5000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_header_that_announces_another_number_of_frames(frames, streams, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(announce(streams["counted"], frames))
    assert SAMPLES <= reads_as_ffmpeg(path) < SAMPLES + 3 * 1152


@pytest.mark.parametrize("between", [b"", ID3V1, ID3V2, APE + ID3V1, bytes(500)])
@pytest.mark.parametrize("kind", ["counted", "uncounted"])
def test_joined_files(kind, between, streams, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(between + streams[kind] + between + streams[kind])
    assert reads_as_ffmpeg(path) >= 2 * SAMPLES


def test_a_joined_file_of_another_rate_is_not_left_out(streams, music, tmp_path):
    other = encode(tmp_path / "b.mp3", music, "libmp3lame", rate=22050)
    path = tmp_path / "a.mp3"
    path.write_bytes(streams["counted"] + other.read_bytes())
    with pytest.raises(audio.AudioError, match="changes its rate or channels"):
        audio.info(path)


@pytest.mark.parametrize(
    "behind",
    [ID3V1, APE, APE + ID3V1, LYRICS + ID3V1, ID3V2, bytes(100), np.random.default_rng(0).bytes(700), b"\xff" * 99],
)
@pytest.mark.parametrize("kind", ["counted", "uncounted"])
def test_tags_and_foreign_bytes_behind(kind, behind, streams, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(streams[kind])
    samples = reads_as_ffmpeg(path)
    path.write_bytes(streams[kind] + behind)
    assert reads_as_ffmpeg(path) == samples


def test_frames_are_counted_by_their_headers(files):
    for kind in ("mp3", "mp3 48k", "mp3 mono", "mp3 low", "mp3 16k mono"):
        frames = mp3.scan(files[kind])
        assert frames.count == frames.announced + 1
        assert (frames.runs, frames.torn, frames.cut) == (1, False, False)
    assert mp3.scan(files["wav 16"]) is None


@pytest.mark.parametrize("kind", ["counted", "uncounted"])
def test_bad_bytes_in_the_middle(kind, streams, tmp_path):
    content = bytearray(streams[kind])
    middle = len(content) // 2
    content[middle : middle + 700] = np.random.default_rng(0).bytes(700)
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    for function in (audio.info, audio.read, lambda path: audio.blocks(path, 1000)):
        with pytest.raises(audio.AudioError, match=re.escape(str(path)) + r": is damaged.*tolerant=True"):
            function(path)
    facts = audio.info(path, tolerant=True)
    assert SAMPLES - 6 * 1152 < facts.samples < SAMPLES + 1152
    with pytest.warns(UserWarning, match=rf"{facts.samples} samples were read"):
        decoded, _ = audio.read(path, tolerant=True)
    with pytest.warns(UserWarning, match="is damaged"):
        pieces = list(audio.blocks(path, 1000, tolerant=True))
    assert np.array_equal(np.concatenate(pieces), decoded)
    assert len(decoded) == facts.samples
    path.write_bytes(streams[kind])
    assert np.abs(decoded[:20000] - audio.read(path)[0][:20000]).max() < 1e-5


def test_a_cut_file_whose_header_announces_more(streams, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(streams["counted"][: len(streams["counted"]) // 2])
    with pytest.raises(audio.AudioError, match=r"is truncated: contains \d+ of \d+ frames"):
        audio.info(path)
    assert SAMPLES // 3 < audio.info(path, tolerant=True).samples < SAMPLES
