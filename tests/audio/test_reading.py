"""Reading: every format, whole, in excerpts and in blocks; positions, lengths and values."""

from __future__ import annotations

import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from material import SAMPLES, decode_with_ffmpeg, encode, make_music

from tfsep import audio
from tfsep.audio import mp3
from tfsep.audio.reading import checksum

# What the docstring of `read` promises about an excerpt, by format; to the bit where none is named.
TOLERANCE = {"mp3": 2e-7, "mp3 48k": 2e-7, "mp3 mono": 2e-7, "mp3 low": 2e-7, "opus": 1e-6}
FRAMED = {"m4a", "m4a mono 22k", "m4a 5.1", "mp4 fragments", "aac", "mpeg-ts"}  # whole frames: the last one is padded
KINDS = [
    *("wav 16", "wav 24", "wav float", "flac", "ogg", "ogg flac", "opus"),
    *("mp3", "mp3 48k", "mp3 mono", "mp3 low", "mp3 16k mono", "mp3 uncounted"),
    *("m4a", "m4a mono 22k", "m4a 5.1", "m4a alac", "mp4 fragments", "aac", "mpeg-ts", "webm"),
]


@pytest.fixture(scope="module")
def whole(files):
    return {kind: audio.read(path)[0] for kind, path in files.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_info_equals_the_full_decode(kind, files, whole):
    facts = audio.info(files[kind])
    decoded, rate = audio.read(files[kind])
    assert decoded.dtype == np.float32
    assert decoded.shape == (facts.samples, facts.channels)
    assert rate == facts.sample_rate
    assert facts.streams == 1
    assert facts.path == str(files[kind])
    assert facts.channels == (1 if "mono" in kind else 6 if "5.1" in kind else 2)
    assert np.array_equal(decoded, whole[kind])


def test_checksums_differ_by_sound(files, tmp_path):
    checksums = {kind: checksum(path) for kind, path in files.items()}
    # The same frames of AAC in two containers.
    assert checksums.pop("mp4 fragments") == checksums["m4a"]
    assert checksums.pop("mpeg-ts") == checksums["aac"]
    assert len(set(checksums.values())) == len(checksums)
    (tmp_path / "text").write_bytes(b"no sound" * 500_000)
    assert checksum(tmp_path / "text") == f"{zlib.crc32(b'no sound' * 500_000):08x}"


@pytest.mark.parametrize("kind", KINDS)
def test_length_equals_that_of_the_source(kind, files, whole):
    extra = len(whole[kind]) - SAMPLES
    if kind in FRAMED:
        assert 0 <= extra < 3 * 1024
    elif kind == "mp3 uncounted":
        assert 0 <= extra < 3 * 1152
    else:
        assert extra == 0


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *(("wav 16", 2**-15), ("wav 24", 2**-23), ("wav float", 0), ("flac", 2**-15)),
        *(("ogg flac", 2**-15), ("m4a alac", 2**-15)),
    ],
)
def test_lossless_values_are_those_of_the_source(kind, step, music, whole):
    assert np.abs(whole[kind] - music).max() <= step


@pytest.mark.parametrize("kind", ["ogg", "opus", "webm", "mp3", "mp3 mono", "mp3 16k mono", "m4a", "m4a mono 22k"])
def test_lossy_values_have_position_and_level_of_the_source(kind, music, whole):
    source = music[1000:60000, 0]
    errors = [np.square(whole[kind][1000 + lag : 60000 + lag, 0] - source).sum() for lag in range(-3, 4)]
    assert np.argmin(errors) == 3
    assert errors[3] < 0.3 * np.square(source).sum()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_an_excerpt_is_the_slice_of_the_whole(kind, files, whole, data):
    length = len(whole[kind])
    start = data.draw(st.integers(0, length))
    samples = data.draw(st.integers(0, min(5000, length - start)))
    excerpt, _ = audio.read(files[kind], start, samples)
    expected = whole[kind][start : start + samples]
    assert excerpt.shape == expected.shape
    assert np.abs(excerpt - expected).max(initial=0) <= TOLERANCE.get(kind, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_excerpt_to_the_end(kind, files, whole):
    excerpt, _ = audio.read(files[kind], start=SAMPLES - 1500)
    assert np.abs(excerpt - whole[kind][SAMPLES - 1500 :]).max() <= TOLERANCE.get(kind, 0)


@pytest.mark.parametrize("block_size", [1000, 30000, 10**9])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_the_whole(kind, block_size, files, whole):
    blocks = list(audio.blocks(files[kind], block_size))
    assert all(len(block) == block_size for block in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks), whole[kind])


def test_blocks_do_not_share_memory(files):
    first, second, *_ = audio.blocks(files["flac"], 1000)
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("kind", ["mp3", "mp3 mono", "mp3 16k mono", "mp3 uncounted"])
def test_mp3_agrees_with_another_decoder(kind, files):
    """Catches the frames that libsndfile damages where one seeks between blocks, as soundfile does."""
    blocks = np.concatenate(list(audio.blocks(files[kind], 500)))
    assert np.abs(blocks - decode_with_ffmpeg(files[kind])).max() < 1e-5


@pytest.mark.parametrize("kind", ["m4a", "m4a 5.1", "aac"])
def test_aac_is_what_ffmpeg_decodes(kind, files, whole):
    assert np.array_equal(whole[kind], decode_with_ffmpeg(files[kind]))


def test_vorbis_positions_in_the_last_page(tmp_path):
    """libsndfile is off by up to a block there, and the file must be long enough for a seek to pay."""
    path = tmp_path / "long.ogg"
    piece = make_music(60000, 1)
    settings = {"format": "OGG", "subtype": "VORBIS", "compression_level": 1.0}
    with soundfile.SoundFile(path, "w", 44100, 1, **settings) as file:
        for gain in np.linspace(0.2, 1, 20):
            file.write(piece * gain)
        file.write(piece[:777])
    whole, _ = audio.read(path)
    for end in (1, 10, 300, 1000, 3000, 9000, 16000, 30000, 60000, 400000, len(whole) - 20000):
        start = len(whole) - end
        excerpt, _ = audio.read(path, start, min(2000, end))
        assert np.array_equal(excerpt, whole[start : start + 2000]), f"{end} samples before the end"


def test_every_stream_of_a_stem_file(falcon):
    facts = audio.info(falcon)
    assert (facts.sample_rate, facts.samples, facts.channels, facts.streams) == (44100, 268288, 2, 5)
    streams = [audio.read(falcon, stream=stream)[0] for stream in range(5)]
    for stream, expected in enumerate(streams):
        assert np.array_equal(expected, decode_with_ffmpeg(falcon, stream))
        excerpt, _ = audio.read(falcon, 100001, 5000, stream)
        assert np.array_equal(excerpt, expected[100001:105001])
    mixture, stems = streams[0], sum(streams[1:])
    assert 10 * np.log10((mixture**2).mean() / ((mixture - stems) ** 2).mean()) > 15


def test_noise_substitution_changes_noise_and_not_position(tmp_path, music):
    path = encode(tmp_path / "noisy.m4a", music, bit_rate=64000, options={"aac_pns": "1"})
    whole, _ = audio.read(path)
    for start in (5000, 20001, 50000):
        excerpt, _ = audio.read(path, start, 8000)
        errors = [np.square(excerpt - whole[start + lag : start + lag + 8000]).sum() for lag in (-1, 0, 1)]
        assert np.argmin(errors) == 1
        assert errors[1] < 0.3 * np.square(excerpt).sum()
        assert np.abs(excerpt - whole[start : start + 8000]).max() < 0.25


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 48000, 96000, 192000])
def test_any_rate_and_channel_count(rate, channels, tmp_path):
    source = make_music(999, channels)
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, source, rate, subtype="PCM_24")
        decoded, decoded_rate = audio.read(tmp_path / name)
        assert decoded_rate == rate
        assert np.abs(decoded - source).max() < 2e-7


@pytest.mark.parametrize(
    ("kind", "name"),
    [("m4a", "a.mp3"), ("m4a", "a.wav"), ("flac", "a.wav"), ("aac", "a.mp3"), ("mp3", "a.wav"), ("wav 16", "a.raw")],
)
def test_the_content_determines_the_format(kind, name, files, whole, tmp_path):
    shutil.copy(files[kind], tmp_path / name)
    decoded, _ = audio.read(tmp_path / name)
    assert np.array_equal(decoded, whole[kind])


@pytest.mark.parametrize(
    ("kind", "name"),
    [("m4a", "with: colon.m4a"), ("m4a", "späce ünd 音.m4a"), ("wav 16", "-"), ("flac", "with: colon.flac")],
)
def test_any_file_name(kind, name, files, whole, tmp_path, monkeypatch):
    shutil.copy(files[kind], tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(audio.read(name)[0], whole[kind])


def test_a_long_tag_before_an_mp3(files, whole, tmp_path):
    picture = np.random.default_rng(0).bytes(1 << 20)
    size = bytes((len(picture) >> shift) & 127 for shift in (21, 14, 7, 0))
    path = tmp_path / "tagged.mp3"
    path.write_bytes(b"ID3\x03\0\0" + size + picture + files["mp3"].read_bytes())
    assert mp3.scan(path).announced == mp3.scan(path).count - 1
    assert audio.info(path).samples == SAMPLES
    assert np.array_equal(audio.read(path)[0], whole["mp3"])


def test_an_mp3_header_that_counts_no_frames(files, tmp_path):
    content = bytearray(files["mp3 low"].read_bytes())
    flags = max(content.find(b"Xing"), content.find(b"Info")) + 7
    content[flags] &= 0xFE
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert audio.info(path).samples == len(decode_with_ffmpeg(path))
    assert len(audio.read(path)[0]) == audio.info(path).samples


def test_a_replaced_file_is_probed_again(tmp_path):
    path = tmp_path / "a.wav"
    for rate, samples in ((8000, 100), (16000, 200)):
        soundfile.write(path, np.zeros((samples, 1)), rate)
        facts = audio.info(path)
        assert (facts.sample_rate, facts.samples) == (rate, samples)


def test_reading_from_several_threads(files, whole):
    def agrees(job: tuple[str, int]) -> bool:
        kind, start = job
        excerpt, _ = audio.read(files[kind], start, 3000)
        return np.abs(excerpt - whole[kind][start : start + 3000]).max() <= TOLERANCE.get(kind, 0)

    starts = np.random.default_rng(0).integers(0, SAMPLES - 3000, 10)
    jobs = [(kind, int(start)) for start in starts for kind in KINDS]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(agrees, jobs))
