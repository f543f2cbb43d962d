"""Channels come and go in the order of WAVE, whatever a codec stores."""

from __future__ import annotations

import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile
from material import encode

from tfsep import audio

RATE = 48000


def tones(channels: int) -> np.ndarray:
    """Each channel at a pitch of its own; the LFE of 5.1 and more at 60 Hz, as encoders cut it off above."""
    pitches = 300.0 * np.arange(1, channels + 1)
    if channels >= 6:
        pitches[3] = 60
    return (0.2 * np.sin(2 * np.pi * np.arange(RATE)[:, np.newaxis] / RATE * pitches)).astype(np.float32)


def keeps_the_order(path, channels: int) -> None:
    decoded, _ = audio.read(path)
    expected = tones(channels)
    half = slice(RATE // 4, RATE // 4 * 3)
    spectra = [np.abs(np.fft.rfft(sound[half], axis=0)) for sound in (decoded, expected)]
    assert [spectrum.argmax(axis=0).tolist() for spectrum in spectra[:1]] == [spectra[1].argmax(axis=0).tolist()]


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_written_and_read(suffix, channels, tmp_path):
    path = tmp_path / f"a{suffix}"
    audio.write(path, tones(channels), RATE)
    keeps_the_order(path, channels)


@pytest.mark.parametrize("channels", range(3, 9))
def test_an_ogg_is_written_in_the_order_of_vorbis(channels, tmp_path):
    audio.write(tmp_path / "a.ogg", tones(channels), RATE)
    vorbis = {3: [0, 2, 1], 4: [0, 1, 2, 3], 5: [0, 2, 1, 3, 4], 6: [0, 2, 1, 4, 5, 3]}
    vorbis |= {7: [0, 2, 1, 5, 6, 4, 3], 8: [0, 2, 1, 6, 7, 4, 5, 3]}
    raw, _ = soundfile.read(tmp_path / "a.ogg", dtype="float32")
    assert np.abs(raw - audio.read(tmp_path / "a.ogg")[0][:, vorbis[channels]]).max() == 0


@pytest.mark.parametrize("channels", range(3, 8))
@pytest.mark.parametrize(
    ("codec", "container"),
    [
        ("libopus", "ogg"),
        ("libopus", "webm"),
        ("flac", "flac"),
        ("flac", "ogg"),
        ("alac", "ipod"),
        ("pcm_s16le", "wav"),
    ],
)
def test_encoded_by_ffmpeg(codec, container, channels, tmp_path):
    if (codec, channels) in (("libopus", 5), ("libopus", 7), ("alac", 4), ("alac", 7)):
        pytest.skip("FFmpeg's encoder confuses this order, or lacks it")
    path = encode(tmp_path / "a", tones(channels), codec, rate=RATE, bit_rate=512000, container=container)
    keeps_the_order(path, channels)


def test_opus_channels_without_an_order_are_kept(tmp_path):
    path = encode(tmp_path / "a", tones(6), "libopus", rate=RATE, container="ogg", options={"mapping_family": "255"})
    keeps_the_order(path, 6)


@pytest.mark.parametrize("channels", [5, 6, 7, 8])
@pytest.mark.skipif(not shutil.which("opusenc"), reason="opusenc is missing")
def test_encoded_by_opusenc(channels, tmp_path):
    masks = {5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
    soundfile.write(tmp_path / "a.wav", tones(channels), RATE, format="WAVEX", subtype="PCM_16")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = struct.pack("<I", masks[channels])
    (tmp_path / "a.wav").write_bytes(content)
    subprocess.run(["opusenc", "--quiet", "--bitrate", "512", tmp_path / "a.wav", tmp_path / "a.opus"], check=True)
    keeps_the_order(tmp_path / "a.opus", channels)


@pytest.mark.parametrize("channels", [3, 6])
def test_aac(channels, tmp_path):
    keeps_the_order(encode(tmp_path / "a.m4a", tones(channels), rate=RATE, bit_rate=512000), channels)


def layout(tag: int, labels: tuple[int, ...] = ()) -> bytes:
    return struct.pack(">III", tag, 0, len(labels)) + b"".join(struct.pack(">I16x", label) for label in labels)


# Left, right, surrounds, centre, LFE; left, centre, right, surrounds, LFE; and the same by labels.
LAYOUTS = [
    (layout(122 << 16 | 6), [0, 1, 4, 5, 2, 3]),
    (layout(123 << 16 | 6), [0, 2, 1, 4, 5, 3]),
    (layout(0, (1, 3, 2, 5, 6, 4)), [0, 2, 1, 4, 5, 3]),
    (layout(121 << 16 | 6), range(6)),
]


@pytest.mark.parametrize(("chan", "order"), LAYOUTS)
def test_a_caf_states_its_order(chan, order, tmp_path):
    sound = tones(6)
    codes = np.rint(sound[:, order] * 32767).astype(">i2").tobytes()
    description = struct.pack(">d4s5I", RATE, b"lpcm", 0, 12, 1, 6, 16)
    chunks = ((b"desc", description), (b"chan", chan), (b"data", bytes(4) + codes))
    content = b"caff\0\x01\0\0" + b"".join(name + struct.pack(">q", len(body)) + body for name, body in chunks)
    path = tmp_path / "a.caf"
    path.write_bytes(content)
    assert np.abs(audio.read(path)[0] - sound).max() < 1e-4
    assert np.abs(audio.read(path, 1000, 500)[0] - sound[1000:1500]).max() < 1e-4


@pytest.mark.parametrize(("chan", "order"), LAYOUTS)
def test_an_aiff_states_its_order(chan, order, tmp_path):
    sound, path = tones(6), tmp_path / "a.aiff"
    soundfile.write(path, sound[:, order], RATE, subtype="PCM_16")
    content = path.read_bytes()
    content = content[:12] + b"CHAN" + struct.pack(">I", len(chan)) + chan + content[12:]
    path.write_bytes(content[:4] + struct.pack(">I", len(content) - 8) + content[8:])
    assert np.abs(audio.read(path)[0] - sound).max() < 1e-4


def test_a_mov_with_an_order_of_its_own_is_refused(tmp_path):
    """PyAV's memory is corrupted by it, which would end the process."""
    path = encode(tmp_path / "a", tones(6), "pcm_s16le", container="mov", rate=RATE)
    keeps_the_order(path, 6)
    content = path.read_bytes()
    place = content.index(b"chan") + 8
    path.write_bytes(content[:place] + layout(122 << 16 | 6) + content[place + 12 :])
    with pytest.raises(audio.AudioError, match="order of its own"):
        audio.info(path)
    path.write_bytes(content[:place] + layout(147 << 16 | 6) + content[place + 12 :])  # says of no order
    keeps_the_order(path, 6)
