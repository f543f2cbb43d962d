"""The state of a training run on disk: last checkpoint, best model, history, early stopping."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import keras
import numpy as np

from tfsep.files import check_space, replacing, write_text
from tfsep.plotting import plot_losses

STATE = "state.json"
BEST = "best"


class RunCheckpoint(keras.callbacks.Callback):
    """Save a run after each epoch, so that it can be killed at any moment and resumed.

    The model with its optimizer is written to `checkpoint-<epoch>.keras`. Then `state.json`, which is replaced in one
    step, names that checkpoint as the valid one. The best model so far is the preset folder `best`. Keras's own
    callbacks write in place and forget the best value at a restart.

    Args:
        folder: path of the run.
        monitor: str, the log by which the best model is chosen; smaller is better. Defaults to `"val_loss"`.
        patience: int, epochs without a better value before stopping. Defaults to None, no limit.
        state: dict from `read_state`, the state of the run to resume. Defaults to None, a new run.
        write: bool; False for all but one of several processes that train together. Defaults to True.
        averaged: function that returns a context in which the model is as it was validated. Defaults to none.
    """

    def __init__(
        self,
        folder: str | Path,
        monitor: str = "val_loss",
        patience: int | None = None,
        state: dict | None = None,
        write: bool = True,
        averaged: Callable[[], AbstractContextManager] = nullcontext,
    ):
        super().__init__()
        self.folder = Path(folder)
        self.monitor = monitor
        self.patience = patience
        self.write = write
        self.averaged = averaged
        self.state = state or {"epoch": 0, "best": None, "best_epoch": 0, "history": {}}

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if not self._is_finite(logs):
            self.model.stop_training = True
            return
        state = self.state
        state["epoch"] = epoch + 1
        for name, value in logs.items():
            state["history"].setdefault(name, []).append(value)
        if state["best"] is None or logs[self.monitor] < state["best"]:
            state["best"], state["best_epoch"] = logs[self.monitor], epoch + 1
            if self.write:
                self._write_best(epoch + 1, logs)
        if self.write:
            self._write_state()
        self.model.stop_training |= self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Whether the last `patience` epochs had no better value."""
        return self.patience is not None and self.state["epoch"] - self.state["best_epoch"] >= self.patience

    def _is_finite(self, logs: dict) -> bool:
        # The last update of an epoch may spoil the weights after the last loss was computed.
        values = [logs["loss"], logs[self.monitor], *self.model.get_weights()]
        return all(np.isfinite(value).all() for value in values)

    def _write_best(self, epoch: int, logs: dict) -> None:
        facts = {"epoch": epoch, "validation": logs}
        with self.averaged():
            self.model.save_to_preset(self.folder / BEST, _card(self.model, epoch), training=facts)

    def _write_state(self) -> None:
        name = f"checkpoint-{self.state['epoch']:04d}.keras"
        path = self.folder / name
        variables = (*self.model.variables, *self.model.optimizer.variables)
        check_space(path, 4 * sum(int(np.prod(variable.shape)) for variable in variables) + 2**20)
        with replacing(path) as temporary:
            self.model.save(temporary)
        write_text(self.folder / STATE, json.dumps(self.state | {"checkpoint": name}, indent=1) + "\n")
        for old in self.folder.glob("checkpoint-*.keras"):
            if old.name != name:
                old.unlink()
        plot_losses(self.state["history"], self.folder / "loss.png")


def read_state(folder: str | Path) -> dict | None:
    """Return the state of a run, or None if no epoch is complete."""
    path = Path(folder, STATE)
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RuntimeError(f"{path} is damaged: {error}. Start the run anew in another folder.") from error


def _card(model: keras.Model, epoch: int) -> str:
    return (
        f"# {model.__class__.__name__}: {', '.join(model.sources)}\n\n"
        f"The best model of a training run, of epoch {epoch}. `config.json` contains its configuration and its "
        "validation figures.\n"
    )
