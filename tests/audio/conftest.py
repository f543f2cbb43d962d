"""One audio file of every kind, made once from the same music."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
from material import RATE, SAMPLES, encode, make_music


@pytest.fixture(scope="session")
def falcon() -> Path:
    """The song with five AAC streams that the package stempeg carries."""
    package = Path(importlib.util.find_spec("stempeg").origin).parent
    return package / "data" / "The Easton Ellises - Falcon 69.stem.mp4"


@pytest.fixture(scope="session")
def music() -> np.ndarray:
    return make_music(SAMPLES, 2)


@pytest.fixture(scope="session")
def files(tmp_path_factory, music) -> dict[str, Path]:
    """Paths by kind; all contain `music`, or its first channel where the kind says mono."""
    folder = tmp_path_factory.mktemp("audio")
    mono = music[:, :1]

    def plain(name: str, audio: np.ndarray, rate: int = RATE, **settings) -> Path:
        soundfile.write(folder / name, audio, rate, **settings)
        return folder / name

    def ffmpeg(name: str, *args, **settings) -> Path:
        return encode(folder / name, *args, **settings)

    return {
        "wav 16": plain("16.wav", music, subtype="PCM_16"),
        "wav 24": plain("24.wav", music, subtype="PCM_24"),
        "wav float": plain("float.wav", music, subtype="FLOAT"),
        "flac": plain("a.flac", music),
        "ogg": plain("a.ogg", music),
        "ogg flac": ffmpeg("flac.oga", music, "flac"),
        "opus": plain("a.opus", music, 48000, format="OGG", subtype="OPUS"),
        "mp3": plain("a.mp3", music),
        "mp3 48k": plain("48.mp3", music, 48000),
        "mp3 mono": plain("mono.mp3", mono),
        "mp3 low": ffmpeg("low.mp3", music, "libmp3lame", bit_rate=32000),
        "mp3 16k mono": plain("16k.mp3", mono, 16000),
        "mp3 uncounted": ffmpeg("bare.mp3", music, "libmp3lame", container_options={"write_xing": "0"}),
        "m4a": ffmpeg("a.m4a", music),
        "m4a mono 22k": ffmpeg("mono.m4a", mono, rate=22050, bit_rate=48000),
        "m4a 5.1": ffmpeg("surround.m4a", np.tile(music, 3), bit_rate=384000),
        "m4a alac": ffmpeg("alac.m4a", music, "alac"),
        "mp4 fragments": ffmpeg("a.mp4", music, container_options={"movflags": "frag_keyframe+empty_moov"}),
        "aac": ffmpeg("a.aac", music),
        "mpeg-ts": ffmpeg("a.ts", music),
        "webm": ffmpeg("a.webm", music, "libopus", rate=48000),
    }
