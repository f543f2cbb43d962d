"""Keras's callbacks know which way each number of a Separator improves."""

import keras
import numpy as np
import pytest

from tfsep.models import UNet

CALLBACKS = {
    "stop": lambda monitor, path: keras.callbacks.EarlyStopping(monitor),
    "plateau": lambda monitor, path: keras.callbacks.ReduceLROnPlateau(monitor),
    "checkpoint": lambda monitor, path: keras.callbacks.ModelCheckpoint(path, monitor, save_best_only=True),
}


@pytest.fixture
def model():
    model = UNet(sources=("vocals", "drums"), sample_rate=8000, segment=256, filters=1, depth=1)
    model.compile("adam", run_eagerly=True)
    return model


@pytest.fixture
def batch():
    sources = {name: np.full((2, 256, 1), 0.1, np.float32) for name in ("vocals", "drums")}
    return sum(sources.values()), sources


@pytest.mark.parametrize("make", CALLBACKS.values(), ids=CALLBACKS)
@pytest.mark.parametrize(
    ("monitor", "larger_is_better"),
    [
        ("val_vocals_si_sdr", True),
        ("val_drums_si_sdr_improvement", True),
        ("val_vocals_loss", False),
        ("vocals_loss", False),
        ("val_loss", False),
    ],
)
def test_direction_is_found(model, batch, tmp_path, make, monitor, larger_is_better):
    callback = make(monitor, tmp_path / "best.keras")
    model.fit(*batch, validation_data=batch, callbacks=[callback], verbose=0)
    assert bool(callback.monitor_op(2.0, 1.0)) == larger_is_better


def test_a_stated_mode_is_kept(model, batch):
    stop = keras.callbacks.EarlyStopping("val_vocals_si_sdr", mode="min")
    model.fit(*batch, validation_data=batch, callbacks=stop, verbose=0)
    assert not bool(stop.monitor_op(2.0, 1.0))


def test_arrays_are_shuffled_by_default(model, batch, monkeypatch):
    passed = []
    monkeypatch.setattr(keras.Model, "fit", lambda self, *args, **kwargs: passed.append(kwargs["shuffle"]))
    model.fit(*batch)
    model.fit(*batch, shuffle=False)
    assert passed == [True, False]
