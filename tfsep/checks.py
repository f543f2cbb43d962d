"""Checks of arguments, whose errors name the argument, what is expected and what was received; reasons of errors."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from pathlib import Path


def check_integer(
    name: str, value: int | None, least: int | None = 1, most: int | None = None, *, optional: bool = False
) -> None:
    """Raise ValueError unless an argument is an integer within limits.

    Args:
        name: str, name of the argument.
        value: int, its value.
        least: int, smallest valid value; None for no limit. Defaults to 1.
        most: int, largest valid value. Defaults to None, which is no limit.
        optional: bool, accept None as well. Defaults to False.
    """
    if optional and value is None:
        return
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integer or (least is not None and value < least) or (most is not None and value > most):
        limits = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {most}"
        raise ValueError(f"{name} must be an integer{limits}. Received: {name}={value!r:.200}.")


def check_number(
    name: str,
    value: float | None,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
    optional: bool = False,
) -> None:
    """Raise ValueError unless an argument is a finite number within limits.

    Args:
        name: str, name of the argument.
        value: float, its value.
        least, most: float, limits that are valid values themselves. Default to no limits.
        above, below: float, limits that are no valid values. Default to no limits.
        optional: bool, accept None as well. Defaults to False.
    """
    if optional and value is None:
        return
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and least <= value <= most and above < value < below):
        limits = {"of at least": least, "above": above, "at most": most, "below": below}
        words = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if math.isfinite(limit))
        expected = f"a number {words}" if words else "a finite number"
        raise ValueError(f"{name} must be {expected}. Received: {name}={value!r:.200}.")


def check_choice(name: str, value: object, choices: Iterable) -> None:
    """Raise ValueError unless an argument is one of `choices`."""
    choices = list(choices)
    if value not in choices:
        words = [repr(choice) for choice in choices]
        expected = " or ".join(words) if len(words) <= 2 else f"one of {', '.join(words)}"
        raise ValueError(f"{name} must be {expected}. Received: {name}={value!r:.200}.")


def existing_folder(root: str | Path, expected: str) -> Path:
    """Return the path of a folder; raise FileNotFoundError, saying what was expected, if there is none."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Expected {expected}.")
    return root


def reason(error: Exception) -> str:
    """Return the first line of an error's message; those of Keras have many."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
