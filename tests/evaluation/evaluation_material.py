"""Tracks in memory and functions for other processes; a process that is spawned imports this module."""

from __future__ import annotations

import logging
import os
import time

import numpy as np

from tfsep import audio
from tfsep.datasets import components

RATE = 4000
STEMS = ("vocals", "drums", "bass", "other")


class FakeTrack:
    """A track in memory, with the attributes of `tfsep.datasets.Track`."""

    sample_rate = RATE
    precision = "float32"

    def __init__(self, name, samples=2 * RATE, sources=STEMS, error=None, channels=2):
        generator = np.random.default_rng(len(name))
        self.name, self.samples, self.sources, self.error, self.channels = name, samples, sources, error, channels
        shape = (samples, channels)
        self.stems = {source: (0.1 * generator.standard_normal(shape)).astype(np.float32) for source in sources}
        # The file's mixture is not the sum of the stems.
        residual = (0.01 * generator.standard_normal(shape)).astype(np.float32)
        self.stems["mixture"] = sum(self.stems.values()) + residual

    def read(self, source, start=0, samples=None):
        if self.error:
            raise self.error
        return self.stems[source][start:][:samples]

    def read_sources(self, names, start=0, samples=None):
        return {name: self.read(name, start, samples) for name in names}

    def without(self, *sources):
        """The track without the stems of these sources, which its mixture still contains."""
        for source in sources:
            del self.stems[source]
        self.sources = tuple(source for source in self.sources if source not in sources)
        return self


class FakeModel:
    """A model without weights that the engine gives whole songs: every estimate is the mixture times 0.4."""

    name = "net"

    def __init__(self, *sources, separate=lambda mixture: np.float32(0.4) * mixture):
        self.sources, self.separate, self.calls = sources, separate, []

    def separate_song(self, song, sample_rate):
        self.calls.append((song, sample_rate))
        return dict.fromkeys(self.sources, self.separate(song))


def noisy_stem(track, source):
    """An estimate that is not perfect, always the same."""
    (names,) = [parts for name, parts in components((source,), track.sources).items() if name == source]
    stem = sum(track.stems[name] for name in names)
    return stem + np.float32(0.3) * track.stems["mixture"]


def save_estimates(folder, tracks, sources):
    """`FOLDER/<track>/<source>.wav` of noisy stems."""
    for track in tracks:
        for source in sources:
            path = folder / track.name / f"{source}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, noisy_stem(track, source), track.sample_rate)
    return folder


def where_and_how(argument):
    """The process, what it found in its environment, and the argument; logs a warning."""
    logging.getLogger("tfsep").warning("argument %s", argument)
    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return os.getpid(), threads, argument


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def die(argument):
    os._exit(1)


def fail(argument):
    raise TypeError("a bug")
