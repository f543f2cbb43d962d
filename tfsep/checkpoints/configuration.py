"""Configurations in YAML that belong to checkpoints."""

from __future__ import annotations

from pathlib import Path

import yaml

from tfsep.checkpoints.checkpoint import CheckpointError


class _Loader(yaml.SafeLoader):
    """YAML of plain values, and of tuples, which training programs write."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_sequence)


def read_configuration(path: str | Path) -> dict:
    """Reads a YAML file of plain values: no object of Python is made of it, whatever it says.

    Raises:
        CheckpointError: if it is no mapping of plain values.
        FileNotFoundError: if it is missing.
    """
    try:
        # The loader is a safe one.
        values = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no YAML of plain values: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must be a mapping of names to values. Received: {type(values).__name__}.")
    return values
