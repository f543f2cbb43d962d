from types import SimpleNamespace

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import FileStem, Track
from tfsep.pipeline import cache

# The unit of stored samples: multiples of it are stored without rounding.
UNIT = 1 / cache.SCALE


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFSEP_CACHE", str(folder))
    return folder


@pytest.fixture(params=["tfrecord", "lmdb"])
def format(request):
    """A format of stores."""
    if request.param == "lmdb":
        pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    return request.param


@pytest.fixture
def make_model():
    """A function that makes objects with the attributes of a model that the pipeline uses."""

    def make(sources=("vocals", "drums"), sample_rate=8000, channels=1, segment=8, context=0):
        return SimpleNamespace(
            sources=sources, sample_rate=sample_rate, channels=channels, segment=segment, context=context
        )

    return make


@pytest.fixture
def make_track(tmp_path):
    """A function that writes stems, in units of the stored samples `[samples]` or `[samples, channels]`."""

    def make(name, stems, mixture=None, sample_rate=8000):
        folder = tmp_path / "songs" / name
        folder.mkdir(parents=True, exist_ok=True)
        files = {**stems, "mixture": mixture} if mixture is not None else stems
        for source, units in files.items():
            samples = (np.asarray(units) * UNIT).astype(np.float32)
            audio.write(folder / f"{source}.wav", samples, sample_rate, overwrite=True)
        mixture = FileStem(folder / "mixture.wav") if mixture is not None else None
        return Track(name, {source: FileStem(folder / f"{source}.wav") for source in stems}, mixture)

    return make


@pytest.fixture
def make_songs(make_track):
    """A function that makes songs whose vocals encode song and position: 1000 * number + position, from 1 on."""

    def make(lengths=(40, 30, 50)):
        return [
            make_track(
                f"song{number}",
                {
                    "vocals": 1000 * number + np.arange(1, length + 1),
                    "drums": np.full(length, 100 * (number + 1)),
                    "bass": np.full(length, -(number + 1)),
                },
                # The mixture file exceeds the stems by 7, 14, …
                mixture=1000 * number + np.arange(1, length + 1) + 99 * (number + 1) + 7 * (number + 1),
            )
            for number, length in enumerate(lengths)
        ]

    return make


@pytest.fixture
def units():
    """A function that converts a dataset's batches to numpy, in units of the stored samples."""

    def convert(dataset):
        batches = []
        for mixture, sources in dataset:
            sources = {name: np.rint(audio.numpy() / UNIT).astype(int) for name, audio in sources.items()}
            batches.append((np.rint(mixture.numpy() / UNIT).astype(int), sources))
        return batches

    return convert
