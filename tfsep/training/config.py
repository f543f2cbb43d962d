"""A training run's configuration: from the command line, a YAML file, or both."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from types import NoneType

import yaml

from tfsep.checks import check_number

_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict, "None": NoneType}


@dataclasses.dataclass
class TrainConfig:
    """Everything that a run depends on.

    Attributes:
        model: name of a model of `tfsep.models.MODELS`, such as `unet`; or of a class of one's own with its module,
            such as `mymodel:TinyWave`, which is imported. Defaults to `unet`.
        data: corpora to train on, as `tfsep.datasets.from_spec` reads them; their training splits are used. An item is
            such a spec, which draws every track equally often, or `{"spec": ..., "weight": ...}`. As soon as one has a
            weight, each corpus has that share of the examples relative to the other weights, and those without one 1.
        output: path of the run's folder.
        valid: corpora whose validation splits choose the best model. Defaults to `data`.
        options: arguments of the model's constructor, such as `sources` and `sample_rate`.
        start_from: preset, preset folder or `.keras` file whose weights to start from; with other sources, those of a
            source by its name.
        speeds: further speeds at which to train on each track, such as `[0.9, 1.1]`; see
            `tfsep.datasets.change_speed`.
        augment: dict from an augmentation's name to its arguments.
        loss: dict from a loss's name (`tfsep.losses.LOSSES`) to its arguments. Defaults to the model's published loss.
        mixed_precision: Keras policy of the network. Defaults to `"float32"`.

    The others are the arguments of `tfsep.training.fit`.
    """

    model: str = "unet"
    data: list = dataclasses.field(default_factory=list)
    output: str = ""
    valid: list = dataclasses.field(default_factory=list)
    options: dict = dataclasses.field(default_factory=dict)
    start_from: str | None = None
    epochs: int = 50
    batch_size: int = 16
    steps_per_epoch: int | None = None
    learning_rate: float | None = None
    schedule: str = "constant"
    clipnorm: float | None = None
    average: float | None = None
    loss: dict = dataclasses.field(default_factory=dict)
    speeds: list = dataclasses.field(default_factory=list)
    augment: dict = dataclasses.field(default_factory=lambda: {"remix": {}, "gain": {}})
    active: str | None = None
    patience: int | None = None
    seed: int = 0
    mixed_precision: str = "float32"
    jit_compile: bool | str = "auto"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = _plain(getattr(self, field.name), field.type)
            if not isinstance(value, tuple(_TYPES[kind.split("[")[0]] for kind in field.type.split(" | "))):
                kind = field.type.removesuffix(" | None").replace("list", "a list, such as [one]")
                kind = kind.replace("dict", "a mapping, such as {name: {}}" if field.name != "options" else "a mapping")
                raise ValueError(f"{field.name} must be {kind}. Received: {field.name}={value!r}.")
            setattr(self, field.name, value)
        for entry in self.data:
            spec_and_weight(entry)

    def to_yaml(self) -> str:
        """The configuration as YAML, which `read_config` reads again."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)


def spec_and_weight(entry: str | dict) -> tuple[str, float | None]:
    """Return the spec of a corpus in `data` and its weight, None for an entry without one."""
    spec, weight = entry, None
    if isinstance(entry, dict) and entry.keys() == {"spec", "weight"}:
        spec, weight = entry["spec"], entry["weight"]
        check_number("weight", weight, above=0)
    if not isinstance(spec, str):
        raise ValueError(
            f"An entry of data must be a spec, such as stems:PATH, or {{spec: stems:PATH, weight: 0.5}}. "
            f"Received: {entry!r}."
        )
    return spec, weight


def read_config(path: str | Path) -> dict:
    """Reads the settings of a YAML file.

    Returns:
        dict of the fields of `TrainConfig` that the file sets.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no YAML mapping, or has an unknown key or a value of the wrong type.
    """
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold a mapping of settings. Received: {type(settings).__name__}.")
    known = [field.name for field in dataclasses.fields(TrainConfig)]
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise ValueError(
            f"{path} has unknown keys {unknown}. Known: {', '.join(known)}. Arguments of the model stand under options."
        )
    try:
        config = TrainConfig(**settings)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {name: getattr(config, name) for name in settings}


def _plain(value, kind: str):
    """The value as YAML keeps it: a path as text, a tuple as a list; and `1e-3`, text to YAML, as a number."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item, "") for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, "") for key, item in value.items()}
    if isinstance(value, str) and "float" in kind:
        with contextlib.suppress(ValueError):
            return float(value)
    return value
