"""From a configuration to a trained model in a folder."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path

import keras
import yaml

from tfsep import datasets
from tfsep.files import write_text
from tfsep.loading import load_model
from tfsep.losses import LOSSES
from tfsep.models import MODELS, Separator
from tfsep.pipeline import AUGMENTATIONS
from tfsep.training.checkpoint import read_state
from tfsep.training.config import CONFIG, TrainConfig, read_config, spec_and_weight
from tfsep.training.fitting import fit
from tfsep.training.recipe import Recipe, fields
from tfsep.training.strategies import find_strategy
from tfsep.training.transfer import carry_over
from tfsep.user_modules import import_class

_log = logging.getLogger("tfsep")

VERSIONS = "versions.yaml"
# Arguments of a model for which a run has other settings or none.
_NO_OPTIONS = ("name", "trainable", "dtype", "frozen")


def train(config: TrainConfig, resume: bool = False, verbose: int | str = "auto") -> Separator:
    """Train as configured; the run's folder also contains the configuration and the versions of the main packages.

    Args:
        config: a `TrainConfig`.
        resume: bool, continue the run in `config.output`; only `epochs` and `strategy` may differ from its
            configuration. Defaults
            to False.
        verbose: see `tfsep.training.fit`. Defaults to `"auto"`.

    Returns:
        The trained `Separator`.

    Raises:
        FileExistsError: if the folder contains a run and `resume` is False.
        ValueError: for unknown names in the configuration; see also `tfsep.training.fit`.

    Example:

    >>> network = {"sample_rate": 11025, "segment": 4096, "filters": 2, "depth": 2}
    >>> small = dict(options=network, epochs=1, batch_size=1, steps_per_epoch=1)
    >>> config = tfsep.training.TrainConfig(data=["stems:songs"], output="run", **small)
    >>> tfsep.training.train(config, verbose=0).sources
    ('vocals', 'drums')
    """
    if not config.output:
        raise ValueError("No output. Give the folder of the run.")
    output = Path(config.output)
    strategy = find_strategy(config.strategy)  # machines wait for each other here, and then read the same state
    state = read_state(output)
    if resume and not state and not config.data:
        raise ValueError(f"{output} contains no run to resume.")
    if not config.data:
        raise ValueError("No data to train on. Give `data`, for example musdb18:/data/musdb18.")
    if state and not resume:
        raise FileExistsError(f"{output} contains a run ({state['epoch']} epochs). Give --resume, or another output.")
    augment = [_made("augmentation", AUGMENTATIONS, name, given) for name, given in config.augment.items()]
    losses = [_made("loss", LOSSES, name, given) for name, given in config.loss.items()]
    if len(losses) > 1:
        raise ValueError(f"loss must name one loss. Received: {', '.join(config.loss)}.")
    train_tracks, weights = _training_tracks(config)
    valid_specs = config.valid or [spec_and_weight(entry)[0] for entry in config.data]
    valid_tracks = [track for spec in valid_specs for track in datasets.from_spec(spec, "valid")]
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        model = _model(config)
    # Write defaults out, so that the run stays the same if they change.
    rate = model.default_learning_rate if config.learning_rate is None else config.learning_rate
    config = dataclasses.replace(config, options=_options(model), learning_rate=rate)
    if state and (output / CONFIG).exists():
        _check_same(config, TrainConfig(**read_config(output / CONFIG)), output)
    recipe = {field.name: getattr(config, field.name) for field in fields(Recipe)}
    with strategy.running(), _described(config, output) if strategy.is_chief else nullcontext():
        return fit(
            model,
            train_tracks,
            valid_tracks,
            output,
            augment=augment,
            weights=weights,
            loss=losses[0] if losses else None,
            resume=resume,
            verbose=verbose,
            **recipe,
        )


@contextmanager
def _described(config: TrainConfig, output: Path) -> Iterator[None]:
    """Write the configuration and the versions; remove them if the block fails before training starts."""
    before = set(output.iterdir()) if output.is_dir() else None
    written = {output / CONFIG, output / VERSIONS}
    write_text(output / CONFIG, config.to_yaml())
    write_text(output / VERSIONS, yaml.safe_dump(_versions()))
    try:
        yield
    except Exception:
        # Once training has started, there are other new files, such as logs.
        if set(output.iterdir()) - (before or set()) == written:
            for path in written:
                path.unlink()
            if before is None:
                output.rmdir()
        raise


def _training_tracks(config: TrainConfig) -> tuple[list[datasets.Track], list[float] | None]:
    """Return the tracks at all speeds, and their weights if a corpus has one: its share, divided among its tracks."""
    specs, shares = zip(*map(spec_and_weight, config.data), strict=True)
    corpora = [datasets.from_spec(spec, "train") for spec in specs]
    tracks = [track for corpus in corpora for track in corpus]
    tracks += datasets.change_speed(tracks, config.speeds)
    if shares == (None,) * len(shares):
        return tracks, None
    shares = [1.0 if share is None else share for share in shares]
    weights = [share / len(corpus) for corpus, share in zip(corpora, shares, strict=True) for _ in corpus]
    return tracks, weights * (1 + len(config.speeds))


def _made(kind: str, known: dict, name: str, arguments: dict | None):
    """Return an augmentation or a loss from its name and its arguments."""
    if name not in known:
        raise ValueError(f"Unknown {kind} {name!r}. Known: {', '.join(known)}.")
    arguments = arguments or {}
    possible = _arguments(known[name])
    if not isinstance(arguments, dict):
        raise ValueError(
            f"{kind.capitalize()} {name!r} takes its arguments by name: {', '.join(possible)}. Received: {arguments!r}."
        )
    if not set(arguments) <= set(possible):
        raise ValueError(
            f"{kind.capitalize()} {name!r} takes {', '.join(possible) or 'nothing'}. Received: {arguments}."
        )
    try:
        return known[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{kind.capitalize()} {name!r} cannot be made of {arguments}: {error}.") from error


def _arguments(thing: Callable) -> list[str]:
    """Return the names of the arguments of a class."""
    return [name for name, kind in inspect.signature(thing).parameters.items() if kind.kind != kind.VAR_KEYWORD]


def _model(config: TrainConfig) -> Separator:
    kind = _model_class(config.model)
    options = dict(config.options)
    start = load_model(config.start_from) if config.start_from else None
    if start is not None:
        # `CycleGAN` is also the name of its base, the paired form.
        if not isinstance(start, kind) and not issubclass(kind, type(start)):
            raise ValueError(
                f"{config.start_from} is of class {type(start).__name__}. Expected a model {config.model!r}."
            )
        # Options that are not given are those of the model to start from.
        options = {**_options(start), **options}
    # Include arguments that a subclass forwards by **kwargs.
    classes = [base for base in kind.__mro__ if issubclass(base, Separator)]
    possible = dict.fromkeys(name for base in classes for name in _arguments(base))
    if not set(options) <= set(possible):
        raise ValueError(f"Model {config.model!r} has the options {', '.join(possible)}. Received: {options}.")
    try:
        model = kind(**options, dtype=config.mixed_precision)
    except TypeError as error:
        raise ValueError(f"Model {config.model!r}: {error}.") from error
    if start is not None:
        if start.sample_rate != model.sample_rate:
            rates = (start.sample_rate, model.sample_rate)
            _log.warning("%s was trained at %d Hz, and is now trained at %d Hz.", config.start_from, *rates)
        carry_over(start, model, config.start_from)
    return model


def _model_class(name: str) -> type[Separator]:
    """Return the class of a name of `MODELS`, or of one such as `mymodel:TinyWave`."""
    if ":" not in name:
        if name not in MODELS:
            raise ValueError(f"Unknown model {name!r}. Known: {', '.join(MODELS)}; or your own, as mymodel:TinyWave.")
        return MODELS[name]
    found = import_class(name)
    if not issubclass(found, Separator):
        raise ValueError(f"{name} is no subclass of tfsep.models.Separator.")
    return found


def _options(model: Separator) -> dict:
    """Return the constructor's arguments for a model of the same kind."""
    return {name: value for name, value in model.get_config().items() if name not in _NO_OPTIONS}


def _check_same(config: TrainConfig, saved: TrainConfig, output: Path) -> None:
    free = {"output", "strategy"} | ({"epochs"} if config.schedule == "constant" else set())
    names = [field.name for field in fields(TrainConfig) if field.name not in free]
    differing = [name for name in names if getattr(config, name) != getattr(saved, name)]
    if differing:
        raise ValueError(
            f"The run in {output} was started with other settings: "
            + ", ".join(f"{name}={getattr(saved, name)!r}" for name in differing)
            + ". Resume it with those."
        )


def _versions() -> dict:
    return {name: version(name) for name in ("tfsep", keras.backend.backend(), "keras", "numpy")}
