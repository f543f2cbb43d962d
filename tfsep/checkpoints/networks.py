"""The model of a checkpoint, whose network is found by looking."""

from __future__ import annotations

from pathlib import Path

import yaml

from tfsep.checkpoints import htdemucs_weights, roformer_weights
from tfsep.checkpoints.checkpoint import CheckpointError
from tfsep.checkpoints.reading import read
from tfsep.models.separator import Separator


class _Loader(yaml.SafeLoader):
    """YAML without objects of Python, but for tuples, which training programs write."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_sequence)


def read_network_config(path: str | Path) -> dict:
    """Reads the YAML file that belongs to a checkpoint.

    Raises:
        CheckpointError: if it is no YAML of plain values.
    """
    try:
        config = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise CheckpointError(f"{path} is not a YAML file of plain values: {line}.") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a configuration: expected a mapping.")
    return config


def build_network(path: str | Path, config: str | Path | None = None, sha256: str | None = None) -> Separator:
    """Reads another project's weights into a model of tfsep.

    Args:
        path: path of the file.
        config: path of the YAML file that belongs to it, which the RoFormers need. Defaults to None.
        sha256: str, see `tfsep.checkpoints.read`. Defaults to None.

    Returns:
        `HTDemucs`, `BandSplitRoFormer` or `MelBandRoFormer`, found by looking.

    Raises:
        CheckpointError: for a damaged file, or a network that tfsep does not have.

    Example:

    >>> model = build_network("955717e8-8726e21a.th")  # doctest: +SKIP
    >>> model.save_to_preset("htdemucs")  # doctest: +SKIP
    """
    checkpoint = read(path, sha256)
    if roformer_weights.matches(checkpoint):
        if config is None:
            raise CheckpointError(f"{path} is of a RoFormer, which needs the YAML file that belongs to it (config=…).")
        return roformer_weights.build(checkpoint, read_network_config(config))
    if htdemucs_weights.matches(checkpoint):
        return htdemucs_weights.build(checkpoint)
    raise CheckpointError(f"{path} is of no network that tfsep has.")
