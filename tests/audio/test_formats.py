"""Files of random length in every format that can be encoded here, against FFmpeg's decoding to the end."""

from __future__ import annotations

import av
import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from material import decode_with_ffmpeg, encode, make_music

from tfsep import audio

_PCM = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw")
_BIG_ENDIAN = ("pcm_s16be", "pcm_s24be", "pcm_f32be", "pcm_mulaw", "pcm_alaw")
_VARIABLE = {"global_quality": str(4 * 118), "flags": "+qscale"}
# By name: codec, container, and other settings of `encode`.
ENCODED = {
    **{f"wav {codec}": (codec, "wav", {}) for codec in (*_PCM, "adpcm_ms", "adpcm_ima_wav")},
    **{f"w64 {codec}": (codec, "w64", {}) for codec in _PCM},
    **{f"rf64 {codec}": (codec, "wav", {"container_options": {"rf64": "always"}}) for codec in _PCM},
    **{f"aiff {codec}": (codec, "aiff", {}) for codec in _BIG_ENDIAN},
    **{f"caf {codec}": (codec, "caf", {}) for codec in _BIG_ENDIAN},
    **{f"au {codec}": (codec, "au", {}) for codec in _BIG_ENDIAN},
    "flac": ("flac", "flac", {}),
    "flac in ogg": ("flac", "ogg", {}),
    "flac in matroska": ("flac", "matroska", {}),
    "opus": ("libopus", "ogg", {"rate": 48000}),
    "opus in webm": ("libopus", "webm", {"rate": 48000}),
    "mp3": ("libmp3lame", "mp3", {}),
    "mp3 without header": ("libmp3lame", "mp3", {"container_options": {"write_xing": "0"}}),
    "mp3 vbr": ("libmp3lame", "mp3", {"options": _VARIABLE}),
    "mp3 vbr without header": (
        *("libmp3lame", "mp3"),
        {"options": _VARIABLE, "container_options": {"write_xing": "0", "id3v2_version": "0"}},
    ),
    "mp3 16 kHz": ("libmp3lame", "mp3", {"rate": 16000, "bit_rate": 32000}),
    "mp3 in wav": ("libmp3lame", "wav", {}),
    "mp3 in matroska": ("libmp3lame", "matroska", {}),
    "mp2": ("mp2", "mp2", {}),
    "m4a": ("aac", "ipod", {}),
    "aac": ("aac", "adts", {}),
    "aac in mpeg-ts": ("aac", "mpegts", {}),
    "alac": ("alac", "ipod", {}),
    "alac in caf": ("alac", "caf", {}),
    "ac3": ("ac3", "ac3", {}),
    "wavpack": ("wavpack", "wv", {}),
}
LENGTHS = st.integers(1, 40000)


# Two decoders of a lossy codec. FFmpeg's opus decoder differs from the codec's own where the mode changes.
TOLERANCE = {"mp3": 1e-5, "libmp3lame": 1e-5, "mp2": 1e-4, "vorbis": 1e-6, "libopus": 0.1, "opus": 0.1}


def agrees_with_ffmpeg(path, tolerance: float, samples: int | None = None) -> None:
    """Checks `info` and `read` against FFmpeg's full decode, cut to `samples` where its length is known to be wrong."""
    try:
        expected = decode_with_ffmpeg(path)[:samples]
    except (av.FFmpegError, ValueError):  # too short for FFmpeg to see what it is
        with pytest.raises(audio.AudioError, match=str(path)):
            audio.read(path)
        return
    facts = audio.info(path)
    decoded, rate = audio.read(path)
    assert (facts.samples, facts.channels) == expected.shape
    assert rate == facts.sample_rate
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).max() <= tolerance
    start = len(decoded) // 3
    assert np.abs(audio.read(path, start)[0] - expected[start:]).max(initial=0) <= tolerance


@pytest.mark.parametrize("name", ENCODED)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(samples=LENGTHS, channels=st.integers(1, 2))
@example(samples=1, channels=2)
@example(samples=39999, channels=1)
def test_encoded_by_ffmpeg(name, samples, channels, tmp_path_factory):
    codec, container, arguments = ENCODED[name]
    path = tmp_path_factory.mktemp("a") / "file"
    encode(path, make_music(samples, channels), codec, container=container, **arguments)
    agrees_with_ffmpeg(path, TOLERANCE.get(codec, 0))


@pytest.mark.parametrize(
    ("format", "subtype"),
    [
        *(
            ("WAVEX", subtype)
            for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
        ),
        *(("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("W64", "FLOAT"), ("RF64", "PCM_24")),
    ],
)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(samples=LENGTHS, channels=st.integers(1, 2))
@example(samples=1, channels=2)
def test_encoded_by_libsndfile(format, subtype, samples, channels, tmp_path_factory):
    path = tmp_path_factory.mktemp("a") / "file"
    rate = 48000 if subtype == "OPUS" else 44100
    soundfile.write(path, make_music(samples, channels), rate, format=format, subtype=subtype)
    # FFmpeg does not trim the end of a vorbis stream that is shorter than a page.
    codec = "mp3" if format == "MP3" else subtype.lower()
    agrees_with_ffmpeg(path, TOLERANCE.get(codec, 0), samples if codec == "vorbis" else None)
