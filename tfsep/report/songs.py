"""The sound of a page: spans of each stem as Opus, with outline of the waveform and spectrogram."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import av
import numpy as np

from tfsep.checks import check_number
from tfsep.report.figures import picture, scale_words, spectrogram

MIXTURE = "mixture"

_COLUMNS = 2000  # of a waveform's outline, and at most of a spectrogram
_FINEST = 512  # samples of a column of a spectrogram at least
_QUIETEST = 1e-3  # peak that fills a lane at most; what is below it is drawn as silence
# A page plays seconds of all stems at a time, so that a long song starts at once and takes little memory. Each span
# begins a little early, because an Opus decoder needs 80 ms to settle, and ends late, to be cross-faded with the next.
_SPAN, _LEAD, _TAIL = 10, 0.1, 0.05
_BITRATES = {1: 64_000, 2: 96_000}


@dataclass(frozen=True)
class Version:
    """One version of the sources of a song: the true ones, or the estimates of a model.

    Args:
        name: str, such as `"reference"` or a model's name.
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
        caption: str, text beside the name of the song. Defaults to an empty one.
        files: dict from stem to its address, relative to the page. Defaults to none.
    """

    name: str
    sample_rate: int
    samples: int
    versions: tuple[Version, ...]
    mixture: Callable[[int, int], np.ndarray] | None = None
    caption: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def check_excerpt(seconds: float | None, start: float | None) -> None:
    """Raise ValueError for an impossible excerpt."""
    check_number("seconds", seconds, above=0, optional=True)
    check_number("start", start, least=0, optional=True)


def excerpt_words(seconds: float | None, start: float | None) -> str:
    """Describe the excerpts for readers of a page."""
    if seconds is None:
        return "whole songs" if start is None else f"from {start:g} s to the end"
    return f"at most {seconds:g} s of each song, " + ("from its middle" if start is None else f"from {start:g} s")


class Sound:
    """The sound and the pictures of one song, made span by span as `spans` is read.

    Args:
        song: the `Song`.
        seconds: float, maximum length of the excerpt; None for the whole song.
        start: float, start of the excerpt in seconds; None for an excerpt from the middle.

    Raises:
        ValueError: if the excerpt begins after the end of the song.
    """

    def __init__(self, song: Song, seconds: float | None = None, start: float | None = None):
        self.song = song
        self.first, self.samples = _excerpt(song, seconds, start)
        self.stems: list[dict] = []
        self._outlines: list[Outline] = []
        self._pictures: list[list[np.ndarray]] = []

    def spans(self) -> Iterator[str]:
        """Yield one text a span: all stems as Opus in base64, separated by commas."""
        rate = self.song.sample_rate
        for begin in range(0, self.samples, _SPAN * rate):
            early = max(0, begin - round(_LEAD * rate))
            late = min(self.samples, begin + _SPAN * rate + round(_TAIL * rate))
            sounds = self._read(early, late - early)
            for place, sound in enumerate(sounds):
                self._draw(place, begin, sound[begin - early :][: _SPAN * rate])
            with ThreadPoolExecutor() as pool:
                text = ",".join(map(_base64, pool.map(lambda sound: opus(sound, rate), sounds)))
            yield text

    def data(self) -> dict:
        """Return what the player reads as JSON, once all spans have been read."""
        song, rate = self.song, self.song.sample_rate
        peaks: dict[str, float] = {}
        for stem, outline in zip(self.stems, self._outlines, strict=True):
            peaks[stem["lane"]] = max(peaks.get(stem["lane"], _QUIETEST), outline.peak)
        pictures = [np.concatenate(columns, axis=1) for columns in self._pictures]
        loudest = max(float(decibels.max()) for decibels in pictures)
        for stem, outline, decibels in zip(self.stems, self._outlines, pictures, strict=True):
            stem["peaks"] = outline.hundredths(peaks[stem["lane"]])
            stem["spectrogram"] = _base64(picture(decibels, loudest))
        return {
            "name": song.name,
            "caption": song.caption,
            "start": self.first / rate,
            "duration": self.samples / rate,
            "total": song.samples / rate,
            "span": _SPAN,
            "lead": _LEAD,
            "scale": scale_words(rate),
            "versions": [version.name for version in song.versions],
            "files": dict(song.files),
            "stems": self.stems,
        }

    def _draw(self, place: int, begin: int, sound: np.ndarray) -> None:
        self._outlines[place].add(begin, sound)
        columns = max(1, min(round(_COLUMNS * len(sound) / self.samples), len(sound) // _FINEST))
        self._pictures[place].append(spectrogram(sound, self.song.sample_rate, columns))

    def _read(self, first: int, samples: int) -> list[np.ndarray]:
        """Read the stems in the order of the page. `version` is None for the mixture, which all versions share."""
        stems, sounds = [], []
        if self.song.mixture is not None:
            stems.append({"lane": MIXTURE, "version": None, "note": ""})
            sounds.append(self.song.mixture(self.first + first, samples))
        for number, version in enumerate(self.song.versions):
            for lane, sound in version.read(self.first + first, samples).items():
                stems.append({"lane": lane, "version": number, "note": version.notes.get(lane, "")})
                sounds.append(sound)
        if not self.stems:
            self.stems = stems
            self._outlines = [Outline(self.samples) for _ in stems]
            self._pictures = [[] for _ in stems]
        return sounds


class Outline:
    """The largest and the smallest sample of each of at most 2000 equal parts of a sound.

    Args:
        samples: int, length of the sound.
    """

    def __init__(self, samples: int):
        self._edges = np.unique(np.linspace(0, samples, _COLUMNS, endpoint=False).astype(int))
        self._high = np.full(len(self._edges), -np.inf)
        self._low = np.full(len(self._edges), np.inf)

    def add(self, first: int, sound: np.ndarray) -> None:
        """Add the samples from `first`, float array `[samples, channels]`, whose mean over channels is drawn."""
        mono = sound.mean(axis=1)
        start = np.searchsorted(self._edges, first, "right") - 1
        stop = np.searchsorted(self._edges, first + len(mono))
        parts = np.maximum(self._edges[start:stop] - first, 0)
        self._high[start:stop] = np.maximum(self._high[start:stop], np.maximum.reduceat(mono, parts))
        self._low[start:stop] = np.minimum(self._low[start:stop], np.minimum.reduceat(mono, parts))

    @property
    def peak(self) -> float:
        return float(max(self._high.max(), -self._low.min()))

    def hundredths(self, peak: float) -> list[list[int]]:
        """Return the largest and the smallest samples in hundredths of `peak`."""
        return [np.rint(100 * values / peak).astype(int).tolist() for values in (self._high, self._low)]


def opus(sound: np.ndarray, sample_rate: int) -> bytes:
    """Encode audio as Opus in Ogg, 96 kbit/s for two channels and 64 for one; more are averaged to one."""
    if sound.shape[1] > 2:
        sound = sound.mean(axis=1, keepdims=True)
    sound = np.pad(sound, ((0, max(0, sample_rate // 25 - len(sound))), (0, 0)))  # shorter ones give no frame
    layout = ("mono", "stereo")[sound.shape[1] - 1]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32).reshape(1, -1), "flt", layout)
    frame.sample_rate = sample_rate
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout=layout, options={"compression_level": "5"})
        stream.bit_rate = _BITRATES[sound.shape[1]]
        resampler = av.AudioResampler("flt", layout, 48_000, frame_size=960)
        for block in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(block))
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


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
