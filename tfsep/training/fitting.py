"""One fit recipe for every model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from tfsep import models, pipeline
from tfsep.datasets import Track
from tfsep.pipeline.python_calls import original_errors
from tfsep.training.averaging import averages
from tfsep.training.checkpoint import RunCheckpoint, read_state
from tfsep.training.summaries import AudioSummaries

SCHEDULES = ("constant", "cosine", "cycles")

# Of the learning rate, what is left at the end of each cycle: 5e-6 of 1e-3.
_LOWEST = 5e-3


@original_errors()
def fit(
    model: models.Separator,
    train: Sequence[Track],
    valid: Sequence[Track] | None,
    output: str | Path,
    *,
    epochs: int = 50,
    batch_size: int = 16,
    steps_per_epoch: int | None = None,
    learning_rate: float | None = None,
    schedule: str = "constant",
    clipnorm: float | None = None,
    average: float | None = None,
    loss: keras.losses.Loss | None = None,
    augment: Sequence[Callable] = (pipeline.Remix(), pipeline.Gain()),
    active: str | None = None,
    weights: Sequence[float] | None = None,
    patience: int | None = None,
    seed: int = 0,
    jit_compile: bool | str = "auto",
    resume: bool = False,
    verbose: int | str = "auto",
) -> models.Separator:
    """Trains a model on tracks and keeps the run in a folder.

    The folder holds `best/` (the best model on validation, a preset folder), the last checkpoint with the
    optimiser's state, `state.json` (history), `loss.png` and TensorBoard's `logs/`.

    Args:
        model: the model. Compiled, it keeps its optimiser and loss; else it gets its default optimiser, which is Adam,
            and its published loss or `loss`.
        train: tracks to train on.
        valid: tracks to choose the best model by, or None.
        output: path of the run's folder.
        epochs: int. Defaults to 50.
        batch_size: int. Defaults to 16.
        steps_per_epoch: int. Defaults to as many batches as the audio holds windows for.
        learning_rate: float. Defaults to the model's `default_learning_rate`: 1e-3, 2e-4 for the CycleGAN, and 5e-4
            for a DRNN of several rectified recurrences.
        schedule: `"constant"`; `"cosine"`, down to zero over all epochs; or `"cycles"`, two cosines an epoch, each down
            to a two-hundredth, as Wave-U-Nets were trained. Defaults to `"constant"`.
        clipnorm: float, largest norm of each gradient. Defaults to None, no clipping.
        average: float, momentum of an exponential average of the weights over the steps, such as 0.999, which is
            what is validated and kept as the best model. Defaults to None, the weights as they are.
        loss: on stacked sources, see `tfsep.losses`. Defaults to the model's published loss.
        augment, active, weights: see `tfsep.pipeline.excerpts`.
        patience: int, epochs without a better validation loss before stopping. Defaults to None, never.
        seed: int, of the excerpts and augmentations. Defaults to 0.
        jit_compile: bool or `"auto"`, see `keras.Model.compile`. Defaults to `"auto"`.
        resume: bool. Go on from the run's last whole epoch, if there is one, with the optimiser, learning rate
            and loss that the run was started with. Defaults to False.
        verbose: `0`, `1` (bar), `2` (a line an epoch) or `"auto"`, as in Keras.

    Returns:
        The trained model, with the weights of its last epoch.

    Raises:
        FileExistsError: if the folder holds a run already and `resume` is False.
        ValueError: for data or arguments that cannot work.
        RuntimeError: if the loss became infinite or not a number, or the run to resume is damaged.
    """
    learning_rate = model.default_learning_rate if learning_rate is None else learning_rate
    check_numbers(
        schedule=schedule,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        learning_rate=learning_rate,
        clipnorm=clipnorm,
        average=average,
        seed=seed,
        steps_per_epoch=steps_per_epoch,
    )
    output = Path(output)
    state = read_state(output)
    if state and not resume:
        raise FileExistsError(f"{output} holds a run ({state['epoch']} epochs). Resume it, or choose another folder.")
    first_epoch = state["epoch"] if state else 0
    batches = pipeline.excerpts(
        train,
        model,
        batch_size,
        seed=seed,
        steps_per_epoch=steps_per_epoch,
        first_epoch=first_epoch,
        augment=augment,
        active=active,
        weights=weights,
    )
    validation = pipeline.windows(valid, model, batch_size) if valid is not None else None
    if state:
        model = models.load_keras(output / state["checkpoint"], compile=True)
    elif not model.compiled:
        rate = _learning_rate(schedule, learning_rate, epochs, len(batches))
        averaging = {} if average is None else {"use_ema": True, "ema_momentum": average}
        optimizer = model.default_optimizer(rate, clipnorm=clipnorm, **averaging)
        model.compile(optimizer, loss=loss, jit_compile=jit_compile)

    checkpoint = RunCheckpoint(output, "val_loss" if validation else "loss", patience, state)
    callbacks = [keras.callbacks.TerminateOnNaN(), checkpoint]
    if averages(model):
        callbacks += [keras.callbacks.SwapEMAWeights()]  # while validating
    callbacks += [keras.callbacks.TensorBoard(str(output / "logs"), write_graph=False)]
    if validation is not None:
        callbacks += [AudioSummaries(output / "logs" / "audio", validation)]
    history = model.fit(
        batches,
        validation_data=validation,
        initial_epoch=first_epoch,
        # A run that has stopped early stays so.
        epochs=first_epoch if checkpoint.out_of_patience else epochs,
        callbacks=callbacks,
        shuffle=False,
        verbose=verbose,
    )
    if len(history.epoch) > checkpoint.state["epoch"] - first_epoch:
        done = checkpoint.state["epoch"]
        kept = f"{output} keeps the epochs before" if done else "no epoch was finished"
        raise RuntimeError(
            f"The loss became infinite or not a number in epoch {done + 1}. Train anew with a lower learning rate; "
            f"{kept}."
        )
    return model


def check_numbers(
    *,
    schedule: str,
    epochs: int,
    batch_size: int,
    patience: int | None,
    learning_rate: float | None,
    clipnorm: float | None,
    average: float | None,
    seed: int,
    steps_per_epoch: int | None,
) -> None:
    """Raises ValueError for arguments of `fit` that cannot work, whatever the data."""
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {SCHEDULES}. Received: schedule={schedule!r}.")
    for name, value in (
        ("epochs", epochs),
        ("batch_size", batch_size),
        ("patience", patience),
        ("steps_per_epoch", steps_per_epoch),
    ):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1. Received: {name}={value!r}.")
    for name, value in (("learning_rate", learning_rate), ("clipnorm", clipnorm)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0. Received: {name}={value!r}.")
    if average is not None and not 0 < average < 1:
        raise ValueError(f"average must be a number between 0 and 1. Received: average={average!r}.")
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed must be an integer from 0 to 2147483647. Received: seed={seed!r}.")


def _learning_rate(schedule: str, highest: float, epochs: int, steps_per_epoch: int):
    if schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(highest, epochs * steps_per_epoch)
    if schedule == "cycles":
        cycle = max(1, steps_per_epoch // 2)
        return keras.optimizers.schedules.CosineDecayRestarts(highest, cycle, t_mul=1.0, alpha=_LOWEST)
    return highest
