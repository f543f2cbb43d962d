"""Files damaged at random: each is audio or one clear error, in bounded time and memory."""

from __future__ import annotations

import resource
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from material import encode, make_music

from tfsep import audio

# By name: codec and container for FFmpeg, or subtype and format for libsndfile.
FORMATS = {
    "wav": ("pcm_s16le", "wav"),
    "wav float": ("pcm_f32le", "wav"),
    "wav adpcm": ("adpcm_ms", "wav"),
    "wav mp3": ("libmp3lame", "wav"),
    "w64": ("pcm_s16le", "w64"),
    "rf64": ("PCM_16", "RF64"),
    "aiff": ("pcm_s16be", "aiff"),
    "caf": ("pcm_s16be", "caf"),
    "au": ("pcm_s16be", "au"),
    "flac": ("flac", "flac"),
    "ogg": ("VORBIS", "OGG"),
    "opus": ("OPUS", "OGG"),
    "webm": ("libopus", "webm"),
    "mp3": ("libmp3lame", "mp3"),
    "m4a": ("aac", "ipod"),
    "alac": ("alac", "ipod"),
    "aac": ("aac", "adts"),
    "mpeg-ts": ("aac", "mpegts"),
    "flac in matroska": ("flac", "matroska"),
    "flac in ogg": ("flac", "ogg"),
    "mov": ("pcm_s16le", "mov"),
    "avi": ("mp2", "avi"),
    "ac3": ("ac3", "ac3"),
    "wavpack": ("wavpack", "wv"),
}
SECONDS = 5  # for a file of half a second, on a loaded machine
MEGABYTES = 400  # more than at the start


def damage(content: bytes, generator: np.random.Generator) -> bytes:
    """One to four random changes, half of them within the first 256 bytes, where the headers are."""
    data = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        place = int(generator.integers(0, min(256, len(data)) if generator.random() < 0.5 else len(data)))
        kind = generator.integers(0, 6)
        if kind == 0:
            data[place] = generator.integers(0, 256)
        elif kind == 1:
            data[place] ^= 1 << generator.integers(0, 8)
        elif kind == 2:
            data[place : place + 4] = bytes.fromhex(
                str(generator.choice(["00000000", "ffffffff", "7fffffff", "ffffff7f"]))
            )
        elif kind == 3:
            length = int(generator.integers(1, 1000))
            data[place : place + length] = generator.bytes(length)
        elif kind == 4:
            del data[place : place + int(generator.integers(1, 1000))]
        else:
            del data[max(1, place) :]
        data = data or bytearray(b"\0")
    return bytes(data)


def try_damaged_files(name: str, count: int, folder: Path) -> None:
    codec, container = FORMATS[name]
    music, path = make_music(12000, 2), folder / "whole"
    if codec.isupper():
        soundfile.write(path, music, 48000, format=container, subtype=codec)
    else:
        encode(path, music, codec, container=container, rate=48000)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    path = folder / "damaged"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        path.write_bytes(damage(content, generator))
        for tolerant in (False, True):
            start = time.monotonic()
            try:
                facts = audio.info(path, tolerant=tolerant)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what is lost
                    decoded, rate = audio.read(path, tolerant=tolerant)
                assert decoded.shape == (facts.samples, facts.channels), number
                assert rate == facts.sample_rate, number
                assert np.isfinite(decoded).all(), number
            except audio.AudioError as error:
                assert str(path) in str(error), number
                assert "\n" not in str(error), number
            assert time.monotonic() - start < SECONDS, number
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    assert grown < MEGABYTES


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(name, tmp_path):
    try_damaged_files(name, 20, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_damaged_files(name, tmp_path):
    try_damaged_files(name, 500, tmp_path)
