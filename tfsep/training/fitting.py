"""Fit any model by one recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from tfsep import models, pipeline
from tfsep.datasets import Track
from tfsep.pipeline.python_calls import original_errors
from tfsep.training.averaging import averages
from tfsep.training.checkpoint import RunCheckpoint, read_state
from tfsep.training.recipe import Recipe, takes
from tfsep.training.summaries import AudioSummaries

# Fraction of the learning rate at the end of each cycle: 5e-6 of 1e-3.
_LOWEST = 5e-3


@takes(Recipe)
@original_errors()
def fit(
    model: models.Separator,
    train: Sequence[Track],
    valid: Sequence[Track] | None,
    output: str | Path,
    *,
    loss: keras.losses.Loss | None = None,
    augment: Sequence[Callable] = (pipeline.Remix(), pipeline.Gain()),
    weights: Sequence[float] | None = None,
    resume: bool = False,
    verbose: int | str = "auto",
    **options,
) -> models.Separator:
    """Train a model on tracks and keep the run in a folder.

    The folder contains `best/` (the best model on validation, a preset folder), the last checkpoint with the
    optimizer's state, `state.json` (history), `loss.png` and TensorBoard's `logs/`.

    Args:
        model: the model. A compiled model keeps its optimizer and loss; else it gets its default optimizer, which is
            Adam, and its published loss or `loss`.
        train: tracks to train on.
        valid: tracks to choose the best model by, or None to choose it by the training loss.
        output: path of the run's folder.
        loss: loss of stacked sources, see `tfsep.losses`. Defaults to the model's published loss.
        augment, weights: see `tfsep.pipeline.excerpts`.
        resume: bool, continue after the run's last complete epoch, if there is one, with the optimizer, learning rate
            and loss that the run was started with. Defaults to False.
        verbose: `0`, `1` (bar), `2` (a line an epoch) or `"auto"`, as in Keras. Defaults to `"auto"`.
        {options}

    Returns:
        The trained model, with the weights of its last epoch.

    Raises:
        FileExistsError: if the folder contains a run and `resume` is False.
        ValueError: for invalid data or arguments.
        RuntimeError: if the loss becomes infinite or not a number, or the run to resume is damaged.

    Example:

    >>> songs = tfsep.datasets.StemsFolder("songs", split=None)
    >>> model = tfsep.models.UNet(sample_rate=11025, segment=4096, filters=2, depth=2)
    >>> small = dict(epochs=1, batch_size=1, steps_per_epoch=1, verbose=0)
    >>> model = tfsep.training.fit(model, songs[:2], songs[2:], "run", **small)
    >>> tfsep.load_model("run/best").sources
    ('vocals', 'drums')
    """
    recipe = Recipe(**options)
    output = Path(output)
    state = read_state(output)
    if state and not resume:
        raise FileExistsError(
            f"{output} contains a run ({state['epoch']} epochs). Resume it, or choose another folder."
        )
    first_epoch = state["epoch"] if state else 0
    batches = pipeline.excerpts(
        train,
        model,
        recipe.batch_size,
        seed=recipe.seed,
        steps_per_epoch=recipe.steps_per_epoch,
        first_epoch=first_epoch,
        augment=augment,
        active=recipe.active,
        weights=weights,
    )
    validation = pipeline.windows(valid, model, recipe.batch_size) if valid is not None else None
    if state:
        model = models.load_keras(output / state["checkpoint"], compile=True)
    elif not model.compiled:
        rate = _learning_rate(recipe, model.default_learning_rate, len(batches))
        averaging = {} if recipe.average is None else {"use_ema": True, "ema_momentum": recipe.average}
        optimizer = model.default_optimizer(rate, clipnorm=recipe.clipnorm, **averaging)
        model.compile(optimizer, loss=loss, jit_compile=recipe.jit_compile)

    checkpoint = RunCheckpoint(output, "val_loss" if validation else "loss", recipe.patience, state)
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
        # A run that stopped early is not continued.
        epochs=first_epoch if checkpoint.out_of_patience else recipe.epochs,
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


def _learning_rate(recipe: Recipe, default: float, steps_per_epoch: int):
    highest = default if recipe.learning_rate is None else recipe.learning_rate
    if recipe.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(highest, recipe.epochs * steps_per_epoch)
    if recipe.schedule == "cycles":
        cycle = max(1, steps_per_epoch // 2)
        return keras.optimizers.schedules.CosineDecayRestarts(highest, cycle, t_mul=1.0, alpha=_LOWEST)
    return highest
