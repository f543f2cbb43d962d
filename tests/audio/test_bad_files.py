"""Unreadable files raise errors of one line that name the file and the fault; audio is never returned in part."""

from __future__ import annotations

import io
import os
import shutil
import struct
import warnings

import numpy as np
import pytest
import soundfile
from material import SAMPLES, encode

from tfsep import audio
from tfsep.audio import ogg


def refuses(path, words: str, error: type[Exception] = audio.AudioError, **arguments) -> None:
    """Check that reading raises one line with the path and `words`."""
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


def test_a_suffix_alone_is_no_format(tmp_path):
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


@pytest.mark.parametrize(
    "sizes",
    [
        *((0, 0), (2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (0x7FFFF024, 0x7FFFF000), (36 + 4000, 0)),
        *((0x80000023, 0x7FFFFFFF), (0x7FFFFFFF, 0x7FFFFFFF), (0x7FFFFFFF, 0x7FFFFFDB), (0x80000024, 0x80000000)),
        *((0, 4000), (0xFFFFFFF7, 0xFFFFFFD3)),
    ],
)
def test_a_wav_written_to_a_pipe_is_whole(sizes, tmp_path):
    path = tmp_path / "a.wav"
    codes = np.arange(-1000, 1000, dtype="<i2")
    riff_size, data_size = sizes
    path.write_bytes(wav_bytes(codes.tobytes(), data_size, riff_size))
    assert audio.info(path).samples == 1000
    assert np.array_equal(audio.read(path)[0], codes.reshape(-1, 2) / np.float32(32768))
    assert np.array_equal(audio.read(path, 300, 50)[0], codes.reshape(-1, 2)[300:350] / np.float32(32768))


@pytest.mark.parametrize("size", [0, 24, 2**64 - 1, 2**63 - 1])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("kind", ["RF64", "W64"])
def test_wav_with_64_bit_sizes_written_to_a_pipe_is_whole(kind, subtype, size, music, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, music, 44100, format=kind, subtype=subtype)
    expected, _ = audio.read(path)
    content = bytearray(path.read_bytes())
    for place in (16, content.index(b"data\xf3") + 16) if kind == "W64" else (20, 28):
        content[place : place + 8] = struct.pack("<Q", 0 if kind == "RF64" and size == 24 else size)
    path.write_bytes(content)
    assert audio.info(path).samples == SAMPLES
    assert np.array_equal(audio.read(path)[0], expected)
    assert np.array_equal(audio.read(path, 30000, 100)[0], expected[30000:30100])


@pytest.mark.parametrize("between", [b"", b"TAG" + bytes(125)])
@pytest.mark.parametrize(("first", "second"), [(44100, 100), (70000, 70000), (200000, 200000)])
def test_joined_flac_files_are_refused(first, second, between, tmp_path):
    path = tmp_path / "a.flac"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (first, 2))
    parts = []
    for samples in (first, second):
        soundfile.write(path, noise[:samples], 44100)
        parts.append(path.read_bytes())
    path.write_bytes(parts[0] + between + parts[1])
    for function in (audio.info, audio.read):
        with pytest.raises(audio.AudioError, match="is several flac files joined"):
            function(path)


@pytest.mark.parametrize("block", [1, 5, 1000])
def test_joined_flac_files_are_found_wherever_a_block_ends(block, files, tmp_path, monkeypatch):
    monkeypatch.setattr("tfsep.audio.headers._BLOCK", block)
    (tmp_path / "a.flac").write_bytes(2 * files["flac"].read_bytes()[:3000])
    with pytest.raises(audio.AudioError, match="is several flac files joined"):
        audio.info(tmp_path / "a.flac")


def test_deviations_of_wav_writers(tmp_path):
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
def test_nan_and_infinite_samples(value, music, tmp_path):
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
def test_a_missing_stream(kind, files):
    for stream in (1, -1):
        refuses(files[kind], "1 audio stream", ValueError, stream=stream)
        with pytest.raises(ValueError, match="stream"):
            audio.info(files[kind], stream)


def test_a_sixth_stream(falcon):
    refuses(falcon, "5 audio streams", ValueError, stream=5)


@pytest.mark.parametrize("kind", ["wav 16", "mp3", "m4a", "aac"])
@pytest.mark.parametrize(("start", "samples"), [(-1, 10), (0, 10**9), (10**9, None), (0, -1), (SAMPLES, 5000)])
def test_an_excerpt_out_of_range(kind, start, samples, files):
    refuses(files[kind], "samples. Received: an excerpt from", ValueError, start=start, samples=samples)


def test_positions_are_integers(files):
    for arguments in ({"start": 1.5}, {"samples": 100.0}, {"stream": "drums"}):
        name = next(iter(arguments))
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            audio.read(files["wav 16"], **arguments)
    with pytest.raises(ValueError, match="block_size must be"):
        audio.blocks(files["wav 16"], 0)
    assert len(audio.read(files["wav 16"], np.int64(5), np.int32(7))[0]) == 7


def test_a_wav_without_samples_before_other_chunks(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(b"", riff_size=36 + 12) + b"LIST" + struct.pack("<I", 4) + b"INFO")
    refuses(path, "no samples")


@pytest.mark.parametrize("name", ["a.aiff", "a.caf", "a.au", "a.w64"])
def test_other_formats_cut_short(name, music, tmp_path):
    path = tmp_path / name
    soundfile.write(path, music, 44100, subtype="PCM_16")
    assert audio.info(path).samples == SAMPLES
    path.write_bytes(path.read_bytes()[:100000])
    refuses(path, "truncated")


def test_aiff_caf_and_au_written_to_a_pipe(music, tmp_path):
    codes = np.rint(music[:1000] * 32767).astype(">i2")
    common = struct.pack(">hIhhQ", 2, 0, 16, 0x400E, 0xAC44 << 48)
    sound = b"SSND" + struct.pack(">III", 0, 0, 0) + codes.tobytes()
    contents = {
        "a.aiff": b"FORM" + bytes(4) + b"AIFFCOMM" + struct.pack(">I", 18) + common + sound,
        **{
            f"{size:x}.au": b".snd" + struct.pack(">5I", 24, size, 3, 44100, 2) + codes.tobytes()
            for size in (0, 0x7FFFFFFF, 0xFFFFFFFF)
        },
        "a.caf": b"caff\0\x01\0\0desc"
        + struct.pack(">qd4s5I", 32, 44100, b"lpcm", 0, 4, 1, 2, 16)
        + b"data"
        + struct.pack(">qI", -1, 0)
        + codes.tobytes(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert audio.info(tmp_path / name).samples == 1000, name
        assert np.array_equal(audio.read(tmp_path / name)[0], codes / np.float32(32768)), name


ID3V1 = b"TAG" + bytes(125)
FOREIGN = [ID3V1, bytes(1000), np.random.default_rng(0).bytes(700), b"ID3\x04\0\0\0\0\0\x40" + b"x" * 64]


@pytest.mark.parametrize("behind", FOREIGN)
@pytest.mark.parametrize("kind", ["wav 16", "flac", "ogg", "opus", "m4a", "aac", "ogg flac"])
def test_foreign_bytes_behind(kind, behind, files, tmp_path):
    path = tmp_path / files[kind].name
    path.write_bytes(files[kind].read_bytes() + behind)
    expected, _ = audio.read(files[kind])
    assert audio.info(path).samples == len(expected)
    assert np.array_equal(audio.read(path)[0], expected)
    assert np.array_equal(audio.read(path, 60000, 5000)[0], audio.read(files[kind], 60000, 5000)[0])


@pytest.mark.parametrize("kind", ["ogg", "opus"])
@pytest.mark.parametrize("between", [b"", ID3V1])
def test_a_second_stream_behind_the_first_of_an_ogg(between, kind, files, tmp_path):
    content = files[kind].read_bytes()
    path = tmp_path / "a.ogg"
    path.write_bytes(content + between + content)
    single = audio.info(files[kind]).samples
    assert 2 * single <= audio.info(path).samples < 2 * single + 3000
    decoded, _ = audio.read(path)
    assert np.abs(decoded[:single] - audio.read(files[kind])[0]).max() < 1e-4


def test_a_wav_of_the_other_byte_order(music, tmp_path):
    codes = np.rint(music[:1000] * 32767).astype(">i2")
    for number, size in enumerate((4000, 0, 0x7FFFFFFF)):
        path = tmp_path / f"{number}.wav"
        head = struct.pack(">4sI4s4sIHHIIHH", b"RIFX", 36 + size, b"WAVE", b"fmt ", 16, 1, 2, 44100, 176400, 4, 16)
        path.write_bytes(head + b"data" + struct.pack(">I", size) + codes.tobytes())
        assert np.array_equal(audio.read(path)[0], codes / np.float32(32768))
    path.write_bytes(head + b"data" + struct.pack(">I", 5000) + codes.tobytes())
    refuses(path, "truncated")


def test_a_voc_of_several_blocks(music, tmp_path):
    path = encode(tmp_path / "a.voc", music, "pcm_s16le")
    assert audio.info(path).samples == SAMPLES
    assert np.abs(audio.read(path)[0] - music).max() < 1e-4


def ogg_pages(content: bytes) -> list[bytes]:
    pages = content.split(b"OggS")[1:]
    return [b"OggS" + page for page in pages]


def with_checksum(page: bytes) -> bytes:
    page = page[:22] + bytes(4) + page[26:]
    return page[:22] + struct.pack("<I", ogg.checksum(page)) + page[26:]


def at_position(page: bytes, position: int) -> bytes:
    return with_checksum(page[:6] + struct.pack("<q", position) + page[14:])


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_an_ogg_of_a_recorded_broadcast(kind, files, tmp_path):
    """Its positions begin late, and its last page has no mark."""
    head, tags, *pages = ogg_pages(files[kind].read_bytes())
    later = [at_position(page, int.from_bytes(page[6:14], "little") + 480000) for page in pages]
    later[-1] = with_checksum(later[-1][:5] + b"\0" + later[-1][6:])
    (tmp_path / "a.ogg").write_bytes(head + tags + b"".join(later))
    decoded, expected = audio.read(tmp_path / "a.ogg")[0], audio.read(files[kind])[0]
    assert len(expected) <= len(decoded) <= len(expected) + 5760
    assert np.abs(decoded[: len(expected)] - expected).max() < 1e-3


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_an_ogg_whose_positions_are_wrong_loses_nothing_silently(kind, files, tmp_path):
    *pages, last = ogg_pages(files[kind].read_bytes())
    (tmp_path / "a.ogg").write_bytes(b"".join(pages) + at_position(last, -1))
    refuses(tmp_path / "a.ogg", "is damaged: 1 of its pages")


def test_an_ogg_whose_positions_are_all_zero(files, tmp_path):
    pages = ogg_pages(files["ogg"].read_bytes())
    (tmp_path / "a.ogg").write_bytes(b"".join(at_position(page, 0) for page in pages))
    assert SAMPLES <= audio.info(tmp_path / "a.ogg").samples < SAMPLES + 4096


def test_an_ogg_joined_of_others_that_changes_its_channels(tmp_path):
    parts = []
    for channels in (2, 1):
        audio.write(tmp_path / "part.ogg", np.zeros((8000, channels), np.float32), 8000, overwrite=True)
        parts.append((tmp_path / "part.ogg").read_bytes())
    (tmp_path / "joined.ogg").write_bytes(b"".join(parts))
    with pytest.raises(audio.AudioError, match=r"joined.ogg: changes its channels.*convert it to wav"):
        audio.info(tmp_path / "joined.ogg")


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("kind", ["ogg", "opus", "ogg flac"])
def test_an_ogg_that_lacks_a_page_or_has_a_bad_one(kind, joined, files, tmp_path):
    pages = ogg_pages(files[kind].read_bytes())
    bad = bytearray(pages[-2])
    bad[-50] ^= 1
    for number, damaged in enumerate(([*pages[:-2], pages[-1]], [*pages[:-2], bytes(bad), pages[-1]])):
        path = tmp_path / f"{number}.ogg"
        path.write_bytes(b"".join((pages if joined else []) + damaged))
        if number == 1 or len(pages) > 4:
            refuses(path, "is damaged: 1 of its pages")


@pytest.mark.parametrize(("codec", "container"), [("flac", "matroska"), ("libopus", "webm"), ("mp2", "avi")])
def test_a_video_container_cut_short(codec, container, music, tmp_path):
    path = encode(tmp_path / "a", music, codec, container=container, rate=48000)
    assert audio.info(path).samples >= SAMPLES
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refuses(path, "truncated")
    with pytest.warns(UserWarning, match="is truncated"):
        assert 20000 < len(audio.read(path, tolerant=True)[0]) < SAMPLES


def total(content: bytes, samples: int) -> bytes:
    """A flac whose header claims so many samples."""
    head = bytearray(content)
    head[21] = head[21] & 0xF0 | samples >> 32
    head[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
    return bytes(head)


@pytest.mark.parametrize("samples", [0, 1, 1000, 4096, SAMPLES - 1, SAMPLES])
def test_a_flac_that_claims_too_few_samples(samples, files, tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(total(files["flac"].read_bytes(), samples))
    assert audio.info(path).samples == SAMPLES
    assert np.array_equal(audio.read(path)[0], audio.read(files["flac"])[0])


@pytest.mark.parametrize("samples", [SAMPLES + 5000, 10**7, 2**36 - 1])
def test_a_flac_that_claims_too_many_samples(samples, files, tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(total(files["flac"].read_bytes(), samples))
    refuses(path, "truncated")
    with pytest.warns(UserWarning, match="70000 samples were read"):
        assert np.array_equal(audio.read(path, tolerant=True)[0], audio.read(files["flac"])[0])


def test_a_flac_whose_samples_look_like_a_header(tmp_path):
    # FFmpeg takes these bytes, which have the checksum of a frame's header, for one, and then the file for damaged.
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 5000).astype(np.int16)  # noise is stored as it is
    samples[4800:4804] = np.frombuffer(bytes.fromhex("fff84e62275512b1"), ">i2")
    soundfile.write(tmp_path / "a.flac", samples, 16000)
    assert np.array_equal(audio.read(tmp_path / "a.flac")[0][:, 0], samples / np.float32(2**15))


@pytest.mark.parametrize("rate", [0, 1, 999, 768001, 2**31])
def test_a_rate_out_of_range(rate, tmp_path):
    path = tmp_path / "a.wav"
    content = wav_bytes(bytes(40000))
    path.write_bytes(content[:24] + struct.pack("<I", rate) + content[28:])
    refuses(path, str(path))
    for tolerant in (False, True):
        with pytest.raises(audio.AudioError, match=r"rate|damaged"):
            audio.info(path, tolerant=tolerant)


@pytest.mark.parametrize("channels", [33, 64, 255, 1000])
def test_more_channels_than_any_song_has(channels, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((100, channels), np.float32), 44100)
    refuses(path, "number of channels")
    with pytest.raises(audio.AudioError, match="number of channels is"):
        audio.blocks(path, 1000)


def test_an_unknown_codec(tmp_path):
    path = tmp_path / "a.wav"
    content = wav_bytes(bytes(4000))
    path.write_bytes(content[:20] + struct.pack("<H", 0x3333) + content[22:])
    refuses(path, "codec is unknown")


def test_integers_of_64_bits(tmp_path):
    path = tmp_path / "a.wav"
    codes = np.linspace(-(2**62), 2**62, 500, dtype="<i8")
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + 4000, b"WAVE", b"fmt ", 16, 1, 1, 44100, 352800, 8, 64)
    path.write_bytes(head + b"data" + struct.pack("<I", 4000) + codes.tobytes())
    assert np.abs(audio.read(path)[0][:, 0] - codes / 2.0**63).max() < 1e-7


PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{song}\n#EXT-X-ENDLIST\n",
    "a.ffconcat": "ffconcat version 1.0\nfile '{song}'\n",
    "a.mp3": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{song}\n#EXT-X-ENDLIST\n",
    "a.ffmeta": ";FFMETADATA1\ntitle={song}\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "a.mpd": '<MPD><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>'
    "{song}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>",
    "a.pls": "[playlist]\nFile1={song}\nNumberOfEntries=1\n",
    "a.txt": "no music at all, but many words of it\n" * 100,
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_only_the_file_named_is_opened(name, files, tmp_path):
    shutil.copy(files["aac"], tmp_path / "song.aac")
    for song in ("song.aac", tmp_path / "song.aac"):
        path = tmp_path / name
        path.write_text(PLAYLISTS[name].format(song=song))
        for tolerant in (False, True):
            with pytest.raises(audio.AudioError, match="cannot be read as audio"):
                audio.info(path, tolerant=tolerant)


def test_a_path_of_another_type(files):
    content = files["wav 16"].read_bytes()
    with open(files["wav 16"], "rb") as file:
        for source in (io.BytesIO(content), content, file, None, 3, np.zeros(3)):
            for function in (audio.info, audio.read, lambda source: audio.blocks(source, 100)):
                with pytest.raises(TypeError, match=r"path must be a str or path\. Received: "):
                    function(source)


def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    refuses(tmp_path / "a.wav", "is a pipe or a device")


def test_tolerant_reading_changes_nothing_in_a_whole_file(files):
    for kind in ("wav 16", "flac", "ogg", "opus", "mp3", "m4a"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.array_equal(audio.read(files[kind], tolerant=True)[0], audio.read(files[kind])[0])
            assert audio.info(files[kind], tolerant=True) == audio.info(files[kind])


@pytest.mark.parametrize("kind", ["flac", "m4a"])
def test_silence_fills_what_is_missing(kind, files, tmp_path):
    whole, _ = audio.read(files[kind])
    content = bytearray(files[kind].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1000] = bytes(1000)
    path = tmp_path / files[kind].name
    path.write_bytes(content)
    refuses(path, "tolerant=True")
    with pytest.warns(UserWarning, match=f"{len(whole)} samples were read, [1-9]"):
        decoded, _ = audio.read(path, tolerant=True)
    assert decoded.shape == whole.shape
    assert np.array_equal(decoded[:20000], whole[:20000])
    assert np.array_equal(decoded[-15000:], whole[-15000:])
    with pytest.warns(UserWarning, match="silence"):
        assert np.array_equal(audio.read(path, 50000, 9000, tolerant=True)[0], decoded[50000:59000])


def test_silence_for_nan_samples(music, tmp_path):
    path = tmp_path / "a.wav"
    broken = music.copy()
    broken[40000, 1] = np.nan
    soundfile.write(path, broken, 44100, subtype="FLOAT")
    with pytest.warns(UserWarning, match="70000 samples were read, 1 of them silence"):
        decoded, _ = audio.read(path, tolerant=True)
    assert np.array_equal(decoded, np.nan_to_num(broken))


@pytest.mark.parametrize("kind", ["wav 16", "flac", "ogg", "mp3", "aac"])
def test_what_is_left_of_a_truncated_file(kind, files, tmp_path):
    whole = files[kind].read_bytes()
    path = tmp_path / files[kind].name
    path.write_bytes(whole[: int((0.97 if kind == "ogg" else 0.6) * len(whole))])
    refuses(path, "truncated")
    with pytest.warns(UserWarning, match="The decodable part is used"):
        decoded, _ = audio.read(path, tolerant=True)
    assert 20000 < len(decoded) == audio.info(path, tolerant=True).samples < SAMPLES
    assert np.abs(decoded[:20000] - audio.read(files[kind])[0][:20000]).max() < 1e-4
