"""Fields of a dataclass as options of the command line."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from tfsep.training.recipe import words

# What the command line reads for the type of a field; the fields of other types have no option.
_TYPES = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list[str],
    "list[float]": list[float],
    "dict[str, dict]": str,
}


def with_options(fields: Iterable[dataclasses.Field]) -> Callable[[Callable], Callable]:
    """Decorate a verb so that typer shows an option for each field instead of `**options`."""
    made = [_parameter(field) for field in fields if _kind(field) in _TYPES]

    def decorate(verb: Callable) -> Callable:
        own = inspect.signature(verb, eval_str=True).parameters.values()
        own = [value.replace(kind=value.KEYWORD_ONLY) for value in own if value.kind is not value.VAR_KEYWORD]
        verb.__signature__ = inspect.Signature([*made, *own])
        return verb

    return decorate


def given(fields: Iterable[dataclasses.Field], options: dict) -> dict:
    """Return the options that were given, as values of the fields."""
    mappings = [field.name for field in fields if _kind(field) == "dict[str, dict]"]
    return {
        name: _mapping(value) if name in mappings else value for name, value in options.items() if value is not None
    }


def _mapping(names: str) -> dict[str, dict]:
    return {} if names == "none" else {name.strip(): {} for name in names.split(",")}


def _kind(field: dataclasses.Field) -> str:
    return field.type.split(" | ")[0]


def _parameter(field: dataclasses.Field) -> inspect.Parameter:
    flags = field.metadata["flags"]
    is_argument = flags == (field.name,)
    info = typer.Argument(help=words(field)) if is_argument else typer.Option(*flags, help=words(field))
    annotation = Annotated[_TYPES[_kind(field)] | None, info]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
