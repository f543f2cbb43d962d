"""Other projects' files as preset folders; the network is found by looking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfsep.checkpoints import htdemucs_weights, open_unmix_weights, roformer_weights, spleeter_weights
from tfsep.checkpoints.checkpoint import CheckpointError
from tfsep.checkpoints.reading import read
from tfsep.models.separator import Separator

# Each says whether checkpoints are of its network (`matches`) and makes the model of them (`build`).
_FAMILIES = (spleeter_weights, open_unmix_weights, htdemucs_weights, roformer_weights)


def build_model(paths: Sequence[str | Path], **options) -> Separator:
    """Reads another project's files into a model of tfsep.

    Args:
        paths: paths of the files; of Open-Unmix and of Spleeter's copies for torch one for each source.
        **options: what the files do not say: arguments of the network, such as `sources`, or the sections of the YAML
            file that belongs to a RoFormer.

    Returns:
        The model.

    Raises:
        CheckpointError: for files that are damaged or of a network that tfsep does not have.
        FileNotFoundError: if a file is missing.
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
    """Writes another project's files as a preset folder, which `tfsep.load_model` takes.

    Args:
        paths, options: see `build_model`.
        folder: path of the preset folder, which must not exist.
        half: bool. Store weights in half precision. Defaults to None: as the first file does.
        card: str, text of the model card.
        facts: dict of further entries of `config.json`, such as `licence`.

    Returns:
        The model.

    Raises:
        FileExistsError: if the folder exists.
        See also `build_model`.

    Example:

    >>> from tfsep.checkpoints import convert
    >>> model = convert(["vocals.pth", "drums.pth", "bass.pth", "other.pth"], "my-umx")  # doctest: +SKIP
    """
    if Path(folder).exists():
        raise FileExistsError(f"{folder} exists. Remove it or choose another folder.")
    model = build_model(paths, **options)
    if half is None:
        half = all(tensor.dtype == np.float16 for tensor in read(paths[0]).tensors.values() if tensor.dtype.kind == "f")
    model.save_to_preset(folder, card, half=half, **(facts or {}))
    return model
