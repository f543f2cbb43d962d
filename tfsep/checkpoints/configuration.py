"""YAML configurations of checkpoints."""

from __future__ import annotations

from pathlib import Path

import yaml

from tfsep.checkpoints.checkpoint import CheckpointError


class _Loader(yaml.SafeLoader):
    """A safe loader that also reads tuples, which training programs write."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_sequence)


def read_configuration(path: str | Path) -> dict:
    """Read a YAML file of plain values; it cannot create other objects of Python.

    Args:
        path: path of the file.

    Returns:
        dict of the file's values.

    Raises:
        CheckpointError: if the file is not a mapping of plain values.
        FileNotFoundError: if there is no such file.

    Example:

    >>> settings = tfsep.checkpoints.read_configuration("roformer.yaml")
    >>> sorted(settings)
    ['audio', 'inference', 'model', 'training']
    """
    try:
        # The loader is a safe one.
        values = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no YAML of plain values: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} must be a mapping of names to values. Received: {type(values).__name__}.")
    return values
