"""Fit any model by one recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import keras

from tfsep import models, pipeline
from tfsep.datasets import Track
from tfsep.training.averaging import Averaging, averages
from tfsep.training.checkpoint import RunCheckpoint, read_state
from tfsep.training.recipe import Recipe, takes
from tfsep.training.strategies import Strategy, find_strategy, strategy_of

# Fraction of the learning rate at the end of each cycle: 5e-6 of 1e-3.
_LOWEST = 5e-3


@takes(Recipe)
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
        model: the model, made in the scope of its strategy. A compiled model keeps its optimizer and loss; else it gets
            its default optimizer, which is Adam, and its published loss or `loss`.
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
        RuntimeError: if the loss becomes infinite or not a number, the run to resume is damaged, or another machine
            of the training is lost.

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
    strategy = _strategy(model, recipe.strategy)
    excerpts = partial(
        pipeline.excerpts,
        train,
        model,
        recipe.batch_size,
        seed=recipe.seed,
        steps_per_epoch=recipe.steps_per_epoch,
        augment=augment,
        active=recipe.active,
        weights=weights,
    )
    batches = excerpts(first_epoch=first_epoch, share=strategy.share)
    data, steps = strategy.distribute(batches)
    validation, valid_data, valid_steps = None, None, None
    if valid is not None:
        validation = pipeline.windows(valid, model, recipe.batch_size, share=strategy.share)
        valid_data, valid_steps = strategy.distribute(validation)
    with strategy.scope():
        if state:
            model = models.load_keras(output / state["checkpoint"], compile=True)
        elif not model.compiled:
            rate = _learning_rate(recipe, model.default_learning_rate, steps or len(batches))
            average = {} if recipe.average is None else {"use_ema": True, "ema_momentum": recipe.average}
            optimizer = model.default_optimizer(rate, clipnorm=recipe.clipnorm, **average)
            model.compile(optimizer, loss=loss, jit_compile=recipe.jit_compile)

    monitor = "loss" if validation is None else "val_loss"
    averaging = [Averaging(excerpts)] if averages(model) else []
    averaged = {"averaged": averaging[0].averaged} if averaging else {}
    checkpoint = RunCheckpoint(output, monitor, recipe.patience, state, write=strategy.is_chief, **averaged)
    callbacks = [keras.callbacks.TerminateOnNaN(), checkpoint, *averaging]
    with strategy.running():
        if strategy.is_chief:
            callbacks += _summaries(output / "logs", validation)
        history = model.fit(
            data,
            steps_per_epoch=steps,
            validation_data=valid_data,
            validation_steps=valid_steps,
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


def _strategy(model: models.Separator, name: str) -> Strategy:
    """Return the devices that a model was made for, which must be those of the name."""
    made = strategy_of(model)
    if name != "auto" and find_strategy(name).native is not made.native:
        raise ValueError(
            f"The model was not made for strategy={name!r}. Make it in tfsep.training.find_strategy({name!r}).scope()."
        )
    return made


def _summaries(folder: Path, validation) -> list[keras.callbacks.Callback]:
    """Return what writes TensorBoard's logs, for which Keras needs TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        return []
    from tfsep.training.summaries import AudioSummaries

    summaries = [keras.callbacks.TensorBoard(str(folder), write_graph=False)]
    return summaries if validation is None else [*summaries, AudioSummaries(folder / "audio", validation)]


def _learning_rate(recipe: Recipe, default: float, steps_per_epoch: int):
    highest = default if recipe.learning_rate is None else recipe.learning_rate
    if recipe.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(highest, recipe.epochs * steps_per_epoch)
    if recipe.schedule == "cycles":
        cycle = max(1, steps_per_epoch // 2)
        return keras.optimizers.schedules.CosineDecayRestarts(highest, cycle, t_mul=1.0, alpha=_LOWEST)
    return highest
