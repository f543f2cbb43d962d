"""A training run's configuration: from the command line, a YAML file, or both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from tfsep.checks import check_choice, check_number
from tfsep.datasets import NOTATION
from tfsep.training.recipe import Recipe, documented, fields, option, plain

CONFIG = "config.yaml"
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@documented
@dataclass(kw_only=True)
class TrainConfig(Recipe):
    """Configure a run of `tfsep.training.train`: the model, its data and how it is trained, by names.

    An item of `data` is a spec that `tfsep.datasets.from_spec` reads, `"SPEC,weight=0.3"`, or
    `{"spec": ..., "weight": ...}`. Without weights, every track is drawn equally often. As soon as one corpus has a
    weight, each gets that share of the excerpts relative to the other weights; a corpus without one has the weight 1.
    `loss` and `augment` are dicts from a name, see `tfsep.losses` and `tfsep.pipeline`, to its arguments. `options` are
    arguments of the model's constructor, such as `sources` and `sample_rate`.

    Args:
        {options}

    Raises:
        ValueError: for a value of the wrong type or out of range.

    Example:

    >>> config = tfsep.training.TrainConfig(model="unet", data=["stems:songs"], output="run", epochs=3)
    >>> config.batch_size
    16
    >>> print(config.to_yaml())
    model: unet
    data:
    - stems:songs
    ...
    """

    model: str = option(
        "unet",
        "Network: bs-roformer, convsep, crn, cyclegan, drnn, htdemucs, mel-roformer, openunmix, spleeter, unet, "
        "waveunet, waveunet-classic, or your own as mymodel:TinyWave.",
        "model",
    )
    data: list = option(list, f"Corpora to train on: {NOTATION}; repeatable, with shares as SPEC,weight=0.3.")
    output: str = option("", "Folder of the run.", "--output", "-o")
    valid: list = option(list, "Corpora that choose the best model; repeatable. Defaults to those of data.")
    options: dict = option(dict, "Arguments of the model. Defaults to those of its class.")
    start_from: str | None = option(
        None, "Preset or checkpoint to fine-tune. Defaults to none: random weights.", "--from"
    )
    loss: dict[str, dict] = option(dict, "Name of a loss. Defaults to the model's published one.")
    augment: dict[str, dict] = option(
        lambda: {"remix": {}, "gain": {}},
        "Augmentations. Of remix, gain, ratio, shift, mute, swap, polarity, equalize, formants, with commas; or none.",
    )
    speeds: list[float] = option(list, "Further speed of each track, such as 0.9; repeatable. Defaults to none.")
    mixed_precision: str = option(
        "float32", "float32, mixed_bfloat16 or mixed_float16.", check=partial(check_choice, choices=PRECISIONS)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for entry in self.data:
            spec_and_weight(entry)

    def to_yaml(self) -> str:
        """Return the configuration as YAML, which `read_config` reads."""
        return yaml.safe_dump({entry.name: getattr(self, entry.name) for entry in fields(TrainConfig)}, sort_keys=False)


def spec_and_weight(entry: str | dict) -> tuple[str, float | None]:
    """Return the spec of a corpus in `data` and its weight, None for an entry without one."""
    spec, weight = entry, None
    if isinstance(entry, str) and ",weight=" in entry:
        spec, _, text = entry.rpartition(",weight=")
        weight = plain(text, "float")
        check_number("weight", weight, above=0)
    elif isinstance(entry, dict) and entry.keys() == {"spec", "weight"}:
        spec, weight = entry["spec"], entry["weight"]
        check_number("weight", weight, above=0)
    if not isinstance(spec, str):
        raise ValueError(
            f"An entry of data must be a spec, such as stems:PATH, or {{spec: stems:PATH, weight: 0.5}}. "
            f"Received: {entry!r}."
        )
    return spec, weight


def read_config(path: str | Path) -> dict:
    """Read the settings of a YAML file.

    Args:
        path: path of the file.

    Returns:
        dict of the fields of `TrainConfig` that the file sets.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a YAML mapping, or has an unknown key or a value of the wrong type or out of
            range.

    Example:

    >>> with open("run.yaml", "w") as file:
    ...     _ = file.write("data: [stems:songs]\\nepochs: 3\\noptions: {sources: [vocals]}\\n")
    >>> settings = tfsep.training.read_config("run.yaml")
    >>> settings["epochs"], settings["options"]
    (3, {'sources': ['vocals']})
    """
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must contain a mapping of settings. Received: {type(settings).__name__}.")
    known = [entry.name for entry in fields(TrainConfig)]
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise ValueError(
            f"{path} has unknown keys {unknown}. Known: {', '.join(known)}. Arguments of the model go under options."
        )
    try:
        config = TrainConfig(**settings)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {name: getattr(config, name) for name in settings}
