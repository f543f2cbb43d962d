"""Conversion of other projects' files to models and preset folders; the tensors tell the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfsep.checkpoints import htdemucs_weights, open_unmix_weights, roformer_weights, spleeter_weights
from tfsep.checkpoints.checkpoint import CheckpointError
from tfsep.checkpoints.reading import read
from tfsep.files import check_new
from tfsep.models.separator import Separator

# Each module knows whether checkpoints are of its network (`matches`) and makes the model (`build`).
_FAMILIES = (spleeter_weights, open_unmix_weights, htdemucs_weights, roformer_weights)


def build_model(paths: Sequence[str | Path], **options) -> Separator:
    """Make a model from the files of another project.

    Args:
        paths: list of paths of the files; for Open-Unmix and the copies of Spleeter for torch, one for each source.
        **options: arguments of the model that the files do not tell, such as `sources`; for a RoFormer the sections of
            its YAML file (`read_configuration`).

    Returns:
        The model.

    Raises:
        CheckpointError: if a file is damaged or of an unsupported network.
        FileNotFoundError: if a file is missing.

    Example:

    >>> files = ["vocals.pth", "drums.pth"]  # a small Open-Unmix
    >>> model = tfsep.checkpoints.build_model(files, sample_rate=8000, hop=16)
    >>> model.sources
    ('vocals', 'drums')
    """
    checkpoints = [read(path) for path in paths]
    family = next((family for family in _FAMILIES if family.matches(checkpoints)), None)
    if family is None:
        first = ", ".join(sorted(checkpoints[0].tensors)[:3])
        raise CheckpointError(
            f"{checkpoints[0].path} is of a network that tfsep does not have (its tensors: {first}, …). "
            "Supported: Spleeter, Open-Unmix, HTDemucs, BS-RoFormer, Mel-Band RoFormer."
        )
    return family.build(checkpoints, **options)


def convert(
    paths: Sequence[str | Path], folder: str | Path, *, half: bool | None = None, card: str = "", facts=None, **options
) -> Separator:
    """Convert the files of another project to a preset folder, which `tfsep.load_model` loads.

    Args:
        paths, **options: see `build_model`.
        folder: path of the preset folder, which must not exist.
        half: bool, store weights in half precision. Defaults to None: as in the first file.
        card: str, text of the model card. Defaults to an empty one.
        facts: dict of further entries of `config.json`, such as `licence`. Defaults to None.

    Returns:
        The model.

    Raises:
        FileExistsError: if the folder exists.
        CheckpointError, FileNotFoundError: see `build_model`.

    Example:

    >>> files = ["vocals.pth", "drums.pth"]  # a small Open-Unmix
    >>> model = tfsep.checkpoints.convert(files, "my-umx", sample_rate=8000, hop=16)
    >>> model.sources
    ('vocals', 'drums')
    """
    check_new(folder)
    model = build_model(paths, **options)
    if half is None:
        half = all(tensor.dtype == np.float16 for tensor in read(paths[0]).tensors.values() if tensor.dtype.kind == "f")
    model.save_to_preset(folder, card, half=half, **(facts or {}))
    return model
