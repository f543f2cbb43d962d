"""How a model is trained: every option with its default, its words and its limits, once."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

from tfsep.checks import check_choice, check_integer, check_number

STRATEGIES = ("auto", "mirrored", "multiworker", "cpu")

_positive = partial(check_number, above=0)

_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict, "None": NoneType}
_EXPECTED = {
    "dict": "a mapping",
    "dict[str, dict]": "a mapping, such as {name: {}}",
    "list": "a list, such as [one]",
    "list[float]": "a list, such as [0.9]",
}

_Kind = TypeVar("_Kind", bound=type)
_Function = TypeVar("_Function", bound=Callable)


def option(default: Any, words: str, *flags: str, check: Callable[[str, Any], None] | None = None) -> Any:
    """Return the field of an option.

    Args:
        default: its default; a function, such as `list`, is called for it.
        words: str, what the option does, for `--help` and docstrings.
        *flags: names on the command line; one without a dash is an argument. Default to that of the field.
        check: function of name and value, which raises ValueError. Defaults to None.
    """
    given: dict = {"default_factory": default} if callable(default) else {"default": default}
    return dataclasses.field(**given, metadata={"words": words, "flags": flags, "check": check})


def fields(kind: type[Recipe]) -> list[dataclasses.Field]:
    """Return the fields of a recipe, those of its own class before inherited ones."""
    return sorted(dataclasses.fields(kind), key=lambda field: field.name not in kind.__annotations__)


def words(field: dataclasses.Field) -> str:
    """Return what an option does, and its default."""
    default = field.default if field.default_factory is dataclasses.MISSING else ",".join(field.default_factory())
    text = field.metadata["words"]
    return text if default in (None, "") else f"{text} Defaults to {default}."


def documented(kind: _Kind) -> _Kind:
    """Complete the docstring of a dataclass by its options."""
    kind.__doc__ = _complete(kind.__doc__, kind)
    return kind


def takes(kind: type) -> Callable[[_Function], _Function]:
    """Complete a function's docstring by the options of a dataclass, and its signature, instead of `**options`."""

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        own = [value for value in signature.parameters.values() if value.kind is not value.VAR_KEYWORD]
        options = inspect.signature(kind).parameters.values()
        function.__signature__ = signature.replace(parameters=[*own, *options])
        function.__doc__ = _complete(function.__doc__, kind)
        return function

    return decorate


def _complete(docstring: str | None, kind: type) -> str:
    def lines(place: re.Match) -> str:
        indent = place[1]  # which Python 3.13 takes from docstrings
        options = [f"{field.name}: {field.type}. {words(field)}" for field in fields(kind)]
        return "\n".join(
            textwrap.fill(option, 120, initial_indent=indent, subsequent_indent=indent + " " * 4) for option in options
        )

    return re.sub(r"(?m)^( *)\{options\}", lines, docstring or "")


@documented
@dataclasses.dataclass(kw_only=True)
class Recipe:
    """Set how a model is trained.

    These are the options of `tfsep.training.fit`, of `tfsep train` and of its YAML file.

    Args:
        {options}

    Raises:
        ValueError: for a value of the wrong type or out of range.

    Example:

    >>> recipe = tfsep.training.Recipe(epochs=3, learning_rate="1e-4")
    >>> recipe.learning_rate
    0.0001
    >>> tfsep.training.Recipe(average=1.5)
    Traceback (most recent call last):
    ValueError: average must be a number above 0 and below 1. Received: average=1.5.
    """

    epochs: int = option(50, "Number of epochs.", check=check_integer)
    batch_size: int = option(16, "Excerpts in a batch, which several devices divide.", check=check_integer)
    steps_per_epoch: int | None = option(
        None, "Batches in an epoch. Defaults to as many as the audio has windows for.", check=check_integer
    )
    learning_rate: float | None = option(
        None,
        "Learning rate. Defaults to that of the model.",
        check=_positive,
    )
    schedule: str = option(
        "constant",
        "Learning rate over time: constant; cosine, down to 0 over all epochs; or cycles, two cosines an epoch, each "
        "down to a two-hundredth.",
        check=partial(check_choice, choices=("constant", "cosine", "cycles")),
    )
    clipnorm: float | None = option(None, "Largest norm of each gradient. Defaults to no limit.", check=_positive)
    average: float | None = option(
        None,
        "Momentum, such as 0.999, of an average of the weights over the steps, which is validated and kept as the best "
        "model. Defaults to no average.",
        check=partial(check_number, above=0, below=1),
    )
    active: str | None = option(None, "A source that excerpts should contain. Defaults to any.")
    patience: int | None = option(
        None, "Epochs without a better model before stopping. Defaults to no limit.", check=check_integer
    )
    seed: int = option(0, "Seed of excerpts and augmentations.", check=partial(check_integer, least=0, most=2**31 - 1))
    jit_compile: bool | str = option("auto", "Compile with XLA; auto leaves it to Keras.")
    strategy: str = option(
        "auto",
        "Devices: mirrored, all of this machine; multiworker, the machines of TF_CONFIG; cpu; or auto, what there is.",
        check=partial(check_choice, choices=STRATEGIES),
    )

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            setattr(self, option.name, _checked(option, getattr(self, option.name)))


def _checked(option: dataclasses.Field, value: Any) -> Any:
    name, kinds, check = option.name, option.type.split(" | "), option.metadata["check"]
    value = plain(value, option.type)
    if not isinstance(value, tuple(_TYPES[kind.split("[")[0]] for kind in kinds)):
        expected = " | ".join(_EXPECTED.get(kind, kind) for kind in kinds if kind != "None")
        raise ValueError(f"{name} must be {expected}. Received: {name}={value!r}.")
    if check is not None and value is not None:
        check(name, value)
    return value


def plain(value: Any, kind: str) -> Any:
    """Return a value as YAML stores it: a path as text, a tuple as a list, NumPy's numbers as Python's.

    Where a number is expected, text such as `1e-3` is one; YAML reads it as text.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(item, "") for item in value]
    if isinstance(value, dict):
        return {key: plain(item, "") for key, item in value.items()}
    if isinstance(value, str) and "float" in kind:
        with contextlib.suppress(ValueError):
            return float(value)
    return value.item() if hasattr(value, "item") else value
