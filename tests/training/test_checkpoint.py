"""The callback that keeps a run, fed with losses by hand."""

import numpy as np
import pytest

from tfsep.models import UNet, preset_files
from tfsep.models.preset_files import load_preset
from tfsep.training.checkpoint import RunCheckpoint, read_state


@pytest.fixture
def model(make_model):
    model = make_model()
    model.compile("adam")
    model.stop_training = False
    return model


def feed(folder, model, losses, patience=None) -> RunCheckpoint:
    """Ends one epoch a loss, going on from the run's state; weights are the number of the epoch."""
    state = read_state(folder)
    callback = RunCheckpoint(folder, patience=patience, state=state)
    callback.set_model(model)
    for epoch, loss in enumerate(losses, start=state["epoch"] if state else 0):
        model.set_weights([np.full_like(weight, epoch + 1) for weight in model.get_weights()])
        callback.on_epoch_end(epoch, {"loss": 1.0, "val_loss": loss})
        if model.stop_training:
            break
    return callback


def best_epoch(folder) -> float:
    """The epoch whose weights are kept as the best."""
    return float(load_preset(folder / "best").get_weights()[0].flat[0])


def test_best_is_the_epoch_of_least_validation_loss(model, tmp_path):
    feed(tmp_path, model, [3.0, 1.0, 2.0, 1.0])
    assert best_epoch(tmp_path) == read_state(tmp_path)["best_epoch"] == 2
    assert [path.name for path in tmp_path.glob("*.keras")] == ["checkpoint-0004.keras"]


def test_best_survives_a_resume(model, tmp_path):
    feed(tmp_path, model, [3.0, 1.0])
    feed(tmp_path, model, [2.0])
    assert best_epoch(tmp_path) == read_state(tmp_path)["best_epoch"] == 2
    feed(tmp_path, model, [0.5])
    assert best_epoch(tmp_path) == read_state(tmp_path)["best_epoch"] == 4
    assert read_state(tmp_path)["history"]["val_loss"] == [3.0, 1.0, 2.0, 0.5]


def test_patience_counts_epochs_since_the_best(model, tmp_path):
    feed(tmp_path, model, [3.0, 4.0, 1.0, 2.0, 2.0, 0.0, 0.0], patience=2)
    assert model.stop_training
    assert read_state(tmp_path)["epoch"] == 5


def test_patience_survives_a_resume(model, tmp_path):
    feed(tmp_path, model, [1.0, 2.0], patience=3)
    feed(tmp_path, model, [2.0], patience=3)
    assert not model.stop_training
    callback = feed(tmp_path, model, [2.0, 0.0], patience=3)
    assert model.stop_training
    assert callback.out_of_patience
    assert read_state(tmp_path)["epoch"] == 4


def test_no_patience_never_stops(model, tmp_path):
    feed(tmp_path, model, [1.0, *[2.0] * 5])
    assert not model.stop_training


@pytest.mark.parametrize("epochs_before", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["loss", "val_loss", "weights"])
def test_what_is_not_finite_is_not_kept(model, tmp_path, epochs_before, value, where):
    feed(tmp_path, model, [2.0] * epochs_before)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    callback = RunCheckpoint(tmp_path, state=read_state(tmp_path))
    callback.set_model(model)
    logs = {"loss": 1.0, "val_loss": 1.0}
    if where == "weights":
        model.network.get_layer("head_vocals").bias.assign([value])
    else:
        logs[where] = value
    callback.on_epoch_end(epochs_before, logs)
    assert model.stop_training
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("owner", "write", "loss"), [(UNet, "save", 3.0), (preset_files, "_save_half", 1.0)])
def test_an_interrupted_write_keeps_the_epoch_before(model, tmp_path, monkeypatch, owner, write, loss):
    """While the checkpoint is written, and while the best model is."""
    feed(tmp_path, model, [2.0])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    whole = getattr(owner, write)

    def interrupted(*args, **kwargs):
        whole(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, write, interrupted)
    with pytest.raises(KeyboardInterrupt):
        feed(tmp_path, model, [loss])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_no_run_has_no_state(tmp_path):
    assert read_state(tmp_path) is None
