"""What cannot be read says so: one line that names the file, what is wrong, and never half of the audio."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile
from material import SAMPLES, encode

from tfsep import audio


def refuses(path, words: str, error: type[Exception] = audio.AudioError, **arguments) -> None:
    """Reading fails with one line that holds the path and `words`."""
    with pytest.raises(error) as caught:
        audio.read(path, **arguments)
    message = str(caught.value)
    assert str(path) in message
    assert words in message
    assert "\n" not in message


def wav_bytes(data: bytes, data_size: int | None = None, riff_size: int | None = None) -> bytes:
    """A wav file of 16-bit stereo, with the sizes in its headers as given, or else right."""
    data_size = len(data) if data_size is None else data_size
    riff_size = 36 + len(data) if riff_size is None else riff_size
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", riff_size, b"WAVE", b"fmt ", 16, 1, 2, 44100, 176400, 4, 16)
    return head + struct.pack("<4sI", b"data", data_size) + data


def test_a_missing_file(tmp_path):
    refuses(tmp_path / "none.wav", "no such", FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        audio.info(tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError):
        audio.blocks(tmp_path / "none.wav", 1000)


def test_a_folder(tmp_path):
    refuses(tmp_path, "is a folder")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a"])
@pytest.mark.parametrize(
    "content",
    [b"", b"no audio at all\n" * 50, b"\x89PNG\r\n\x1a\n" + bytes(100), np.random.default_rng(0).bytes(20000)],
)
def test_no_audio(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    refuses(path, "empty" if not content else "audio")
    with pytest.raises(audio.AudioError):
        audio.info(path)


def test_a_suffix_alone_is_not_believed(tmp_path):
    """libsndfile takes any bytes named .vox for telephone audio."""
    path = tmp_path / "a.vox"
    path.write_bytes(np.random.default_rng(0).bytes(20000))
    refuses(path, "format is unknown")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.97])
@pytest.mark.parametrize("kind", ["wav 16", "wav float", "flac", "ogg", "opus", "mp3", "m4a", "m4a alac", "aac"])
def test_a_truncated_file(kind, share, files, tmp_path):
    whole = files[kind].read_bytes()
    path = tmp_path / files[kind].name
    path.write_bytes(whole[: int(share * len(whole))])
    refuses(path, "truncated")
    with pytest.raises(audio.AudioError):
        list(audio.blocks(path, 5000))


def test_a_truncated_mp4_with_its_index_in_front(music, tmp_path):
    path = encode(tmp_path / "a.m4a", music, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[:20000])
    refuses(path, "truncated")
    refuses(path, "truncated", start=0, samples=1000)


def test_a_damaged_file(files, tmp_path):
    for kind in ("flac", "m4a", "ogg"):
        content = bytearray(files[kind].read_bytes())
        middle = len(content) // 2
        content[middle : middle + 1000] = bytes(1000)
        path = tmp_path / files[kind].name
        path.write_bytes(content)
        refuses(path, "damaged")


def test_a_wav_shorter_than_its_chunks(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(bytes(4000), riff_size=36 + 4000 + 500))
    refuses(path, "truncated")
    path.write_bytes(wav_bytes(bytes(4000), data_size=4004))
    refuses(path, "truncated")
    path.write_bytes(wav_bytes(bytes(4000))[:30])
    refuses(path, "truncated")


@pytest.mark.parametrize("sizes", [(0, 0), (2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (0x7FFFF024, 0x7FFFF000)])
def test_a_wav_written_to_a_pipe_is_whole(sizes, tmp_path):
    path = tmp_path / "a.wav"
    codes = np.arange(-1000, 1000, dtype="<i2")
    riff_size, data_size = sizes
    path.write_bytes(wav_bytes(codes.tobytes(), data_size, riff_size))
    assert audio.info(path).samples == 1000
    assert np.array_equal(audio.read(path)[0], codes.reshape(-1, 2) / np.float32(32768))
    assert np.array_equal(audio.read(path, 300, 50)[0], codes.reshape(-1, 2)[300:350] / np.float32(32768))


def test_small_liberties_of_wav_writers(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(bytes(4000), riff_size=44 + 4000))  # counts its own first eight bytes
    assert audio.info(path).samples == 1000
    path.write_bytes(wav_bytes(bytes(4000)) + b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert audio.info(path).samples == 1000


def test_a_wav_with_an_odd_chunk_before_its_data(tmp_path):
    path = tmp_path / "a.wav"
    whole = wav_bytes(bytes(4000), riff_size=36 + 12 + 4000)
    path.write_bytes(whole[:36] + b"note" + struct.pack("<I", 3) + b"abc\0" + whole[36:])
    assert audio.info(path).samples == 1000
    path.write_bytes(path.read_bytes()[:-4])
    refuses(path, "truncated")


def test_an_aac_that_changes_its_rate(music, tmp_path):
    first = encode(tmp_path / "1.aac", music).read_bytes()
    second = encode(tmp_path / "2.aac", music, rate=22050).read_bytes()
    path = tmp_path / "joined.aac"
    path.write_bytes(first + second)
    refuses(path, "changes its rate or channels")


def test_wav_with_64_bit_sizes(music, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, music, 44100, format="RF64", subtype="FLOAT")
    assert np.array_equal(audio.read(path)[0], music)
    path.write_bytes(path.read_bytes()[:-100])
    refuses(path, "truncated")


def test_a_flac_that_does_not_know_its_length(files, tmp_path):
    content = bytearray(files["flac"].read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "piped.flac"
    path.write_bytes(content)
    assert audio.info(path).samples == SAMPLES
    expected, _ = audio.read(files["flac"])
    assert np.array_equal(audio.read(path)[0], expected)
    assert np.array_equal(audio.read(path, 30000, 100)[0], expected[30000:30100])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value, music, tmp_path):
    path = tmp_path / "a.wav"
    broken = music.copy()
    broken[40000, 1] = value
    soundfile.write(path, broken, 44100, subtype="FLOAT")
    refuses(path, "sample 40000 is NaN or infinite")
    refuses(path, "sample 40000 is NaN or infinite", start=39990, samples=11)
    assert np.array_equal(audio.read(path, 0, 40000)[0], music[:40000])
    with pytest.raises(audio.AudioError):
        list(audio.blocks(path, 1000))


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.ogg"])
def test_no_samples(name, tmp_path):
    path = tmp_path / name
    soundfile.write(path, np.zeros((0, 2)), 44100)
    refuses(path, "no samples")


def test_a_gap_in_time(music, tmp_path):
    path = encode(tmp_path / "a.m4a", music, gap=5000)
    refuses(path, "audio is missing after sample")


@pytest.mark.parametrize("kind", ["wav 16", "m4a"])
def test_a_stream_that_is_not_there(kind, files):
    for stream in (1, -1):
        refuses(files[kind], "1 audio stream", ValueError, stream=stream)
        with pytest.raises(ValueError, match="stream"):
            audio.info(files[kind], stream)


def test_a_sixth_stream(falcon):
    refuses(falcon, "5 audio streams", ValueError, stream=5)


@pytest.mark.parametrize("kind", ["wav 16", "mp3", "m4a", "aac"])
@pytest.mark.parametrize(("start", "samples"), [(-1, 10), (0, 10**9), (10**9, None), (0, -1), (SAMPLES, 5000)])
def test_an_excerpt_out_of_range(kind, start, samples, files):
    refuses(files[kind], "samples, received an excerpt from", ValueError, start=start, samples=samples)


def test_positions_are_integers(files):
    for arguments in ({"start": 1.5}, {"samples": 100.0}, {"stream": "drums"}):
        name = next(iter(arguments))
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            audio.read(files["wav 16"], **arguments)
    with pytest.raises(ValueError, match="block_size must be"):
        audio.blocks(files["wav 16"], 0)
    assert len(audio.read(files["wav 16"], np.int64(5), np.int32(7))[0]) == 7
