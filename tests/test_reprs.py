"""The `repr` of public objects shows their arguments instead of an address in memory."""

from types import SimpleNamespace

import numpy as np
import pytest

import tfsep
from tfsep import audio, datasets, evaluation, models
from tfsep.losses import LOSSES


def exported():
    # Without a SavedModel, which is slow to write.
    model = object.__new__(models.ExportedSeparator)
    model._path, model.sources = "exported/unet", ("vocals",)
    return model


def estimates(folder):
    track = datasets.Track("song", {"vocals": datasets.ArrayStem(np.zeros(9, np.float32), 8000)})
    (folder / "song").mkdir()
    audio.write(folder / "song" / "vocals.wav", np.zeros((9, 1), np.float32), 8000)
    return evaluation.FolderEstimates(folder, [track])


def nussl_track():
    signal = SimpleNamespace(audio_data=np.zeros((1, 9)), sample_rate=8000)
    return datasets.from_nussl([{"mix": signal, "sources": {"vocals": signal}}])[0]


MADE = {
    "hpss": (lambda folder: tfsep.load_model("hpss"), "TrainingFree('hpss', sources="),
    "exported": (lambda folder: exported(), "ExportedSeparator('exported/unet', sources=('vocals',))"),
    "estimates": (estimates, ": vocals of 1 tracks"),
    "writer": (lambda folder: audio.Writer(folder / "a.wav", 8000, channels=2), "a.wav', 8000, channels=2)"),
    "nussl": (lambda folder: list(nussl_track().stems.values()), "items of list"),
    "array": (
        lambda folder: datasets.ArrayStem(np.zeros((9, 2), np.float32), 8000),
        "ArrayStem([9, 2], sample_rate=8000)",
    ),
    **{name: (lambda folder, name=name: LOSSES[name](), f"{LOSSES[name].__name__}(") for name in LOSSES},
}


@pytest.mark.parametrize("name", MADE)
def test_repr(name, tmp_path):
    make, expected = MADE[name]
    text = repr(make(tmp_path))
    assert expected in text
    assert " object at 0x" not in text
