"""The sound of a page: an excerpt of each stem as mp3, with outline of the waveform and spectrogram."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import soundfile

from tfsep import audio
from tfsep.checks import check_number
from tfsep.report.figures import picture, scale_words, spectrogram

MIXTURE = "mixture"

_COLUMNS = 1000  # of a waveform's outline
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BLOCK = 65536


@dataclass(frozen=True)
class Version:
    """One version of the sources of a song: the true ones, or the estimates of a model.

    Args:
        name: str, such as `"truth"` or a model's name.
        read: function from a start and a number of samples to a dict from source to float32 `[samples, channels]`.
        notes: dict from source to a short text beside its waveform, such as its score. Defaults to none.
    """

    name: str
    read: Callable[[int, int], Mapping[str, np.ndarray]]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Song:
    """A song of a page, with the versions to compare.

    Args:
        name: str.
        sample_rate: int, in hertz.
        samples: int, length of the whole song.
        versions: the versions, in the order of the page.
        mixture: like a version's `read`, for one array. Defaults to None, no mixture.
    """

    name: str
    sample_rate: int
    samples: int
    versions: tuple[Version, ...]
    mixture: Callable[[int, int], np.ndarray] | None = None


def check_excerpt(seconds: float | None, start: float | None) -> None:
    """Raise ValueError for an impossible excerpt."""
    check_number("seconds", seconds, above=0, optional=True)
    check_number("start", start, least=0, optional=True)


def excerpt_words(seconds: float | None, start: float | None) -> str:
    """Describe the excerpts for readers of a page."""
    if seconds is None:
        return "whole songs" if start is None else f"from {start:g} s to the end"
    return f"at most {seconds:g} s of each song, " + ("from its middle" if start is None else f"from {start:g} s")


def song_data(song: Song, number: int, seconds: float | None, start: float | None) -> dict:
    """Return the data of one song for the player of a page.

    Args:
        song: the `Song`.
        number: int, index of the song in the page.
        seconds: float, maximum length of the excerpt; None for the whole song.
        start: float, start of the excerpt in seconds; None for an excerpt from the middle.

    Returns:
        dict of `data`, which the player reads as JSON, and `sounds`, a dict from name to mp3 in base64.
    """
    first, samples = _excerpt(song, seconds, start)
    stems = _read(song, first, samples)
    pictures = [spectrogram(stem["audio"], song.sample_rate) for stem in stems]
    loudest = max(float(decibels.max()) for decibels in pictures)
    peak = max(1e-6, *(float(np.abs(stem["audio"]).max()) for stem in stems))
    sounds = {}
    for index, (stem, decibels) in enumerate(zip(stems, pictures, strict=True)):
        sound = stem.pop("audio")
        stem["sound"] = f"sound-{number}-{index}"
        stem["peaks"] = outline(sound, peak)
        stem["spectrogram"] = _base64(picture(decibels, loudest))
        sounds[stem["sound"]] = _base64(mp3(sound, song.sample_rate))
    data = {
        "name": song.name,
        "start": first / song.sample_rate,
        "duration": samples / song.sample_rate,
        "total": song.samples / song.sample_rate,
        "scale": scale_words(song.sample_rate),
        "versions": [version.name for version in song.versions],
        "stems": stems,
    }
    return {"data": data, "sounds": sounds}


def outline(sound: np.ndarray, peak: float) -> list[list[int]]:
    """Return the largest and smallest sample of each of at most 1000 spans, in hundredths of `peak`."""
    mono = sound.mean(axis=1)
    edges = np.unique(np.linspace(0, len(mono), _COLUMNS, endpoint=False).astype(int))
    extremes = np.maximum.reduceat(mono, edges), np.minimum.reduceat(mono, edges)
    return [np.rint(100 * values / peak).astype(int).tolist() for values in extremes]


def mp3(sound: np.ndarray, sample_rate: int) -> bytes:
    """Encode audio as mp3 of about half the size that `tfsep.audio.write` gives.

    mp3 supports two channels and nine rates: more channels are averaged, other rates are resampled.
    """
    if sound.shape[1] > 2:
        sound = sound.mean(axis=1, keepdims=True)
    if sample_rate not in _MP3_RATES:
        rate = next((rate for rate in _MP3_RATES if rate > sample_rate), _MP3_RATES[-1])
        sound, sample_rate = audio.resample(sound, sample_rate, rate), rate
    buffer = io.BytesIO()
    options = {"format": "MP3", "compression_level": 0.5, "bitrate_mode": "VARIABLE"}
    with soundfile.SoundFile(buffer, "w", sample_rate, sound.shape[1], **options) as file:
        for begin in range(0, len(sound), _BLOCK):
            file.write(sound[begin : begin + _BLOCK])
    return buffer.getvalue()


def _excerpt(song: Song, seconds: float | None, start: float | None) -> tuple[int, int]:
    """Return first sample and number of samples of the excerpt."""
    length = song.samples if seconds is None else max(1, round(seconds * song.sample_rate))
    if start is None:
        samples = min(song.samples, length)
        return (song.samples - samples) // 2, samples
    first = round(start * song.sample_rate)
    if first >= song.samples:
        total = song.samples / song.sample_rate
        raise ValueError(f"{song.name} is {total:.2f} s long. Received: start={start:g}. Choose an earlier start.")
    return first, min(song.samples - first, length)


def _read(song: Song, first: int, samples: int) -> list[dict]:
    """Read the stems in the order of the page. `version` is None for the mixture, which all versions share."""
    stems = []
    if song.mixture is not None:
        stems.append({"lane": MIXTURE, "version": None, "note": "", "audio": song.mixture(first, samples)})
    for number, version in enumerate(song.versions):
        for lane, sound in version.read(first, samples).items():
            stems.append({"lane": lane, "version": number, "note": version.notes.get(lane, ""), "audio": sound})
    return stems


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
