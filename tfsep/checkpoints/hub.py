"""Models at the Hugging Face hub, by addresses such as `hf://organisation/name`."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from tfsep import presets
from tfsep.checkpoints.configuration import read_configuration
from tfsep.checkpoints.conversion import convert
from tfsep.checkpoints.fetching import OFFLINE
from tfsep.files import replacing

_WEIGHTS = (".safetensors", ".ckpt", ".pth", ".pt", ".th")
_CONFIGURATIONS = (".yaml", ".yml")


def fetch_hub(address: str) -> Path:
    """Download a model from the Hugging Face hub; another project's weights are converted once, into the cache.

    With `TFSEP_OFFLINE=1` only what was downloaded before is used.

    Args:
        address: str, `hf://ORGANISATION/NAME` of a preset folder or of a repository with one file of weights, or
            `hf://ORGANISATION/NAME/FILE`. A YAML file beside the weights is read as their configuration.

    Returns:
        Path of the preset folder.

    Raises:
        ImportError: if huggingface_hub is not installed.
        ValueError: if the address names no repository, or the repository has no such file, or several.

    Example:

    >>> from tfsep.checkpoints import fetch_hub
    >>> folder = fetch_hub("hf://adefossez/HTDemucs/955717e8.safetensors")  # doctest: +SKIP
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError('hf:// needs huggingface_hub: pip install "tfsep[hub]".') from error
    organisation, name, file = (*address.removeprefix(presets.HUB).split("/", 2), "", "")[:3]
    if not organisation or not name:
        raise ValueError(f"An address must be hf://ORGANISATION/NAME. Received: {address}.")
    repository = f"{organisation}/{name}"
    converted = presets.fetched_folder(PurePosixPath("hf", organisation, name, file).as_posix())
    if presets.is_model(converted):
        return converted
    offline = os.environ.get(OFFLINE, "0") not in ("", "0")
    wanted = [file] if file else [f"*{suffix}" for suffix in (*_WEIGHTS, ".json", ".h5", ".md")]
    patterns = [*wanted, *(f"*{suffix}" for suffix in _CONFIGURATIONS)]
    folder = Path(huggingface_hub.snapshot_download(repository, allow_patterns=patterns, local_files_only=offline))
    if not file and presets.is_model(folder):
        return folder
    weights = [folder / file] if file else _files(folder, _WEIGHTS)
    if len(weights) != 1 or not weights[0].is_file():
        names = ", ".join(path.relative_to(folder).as_posix() for path in _files(folder, _WEIGHTS)) or "none"
        raise ValueError(f"{address} must name one file of weights. Files of {repository}: {names}.")
    configurations = [read_configuration(path) for path in _files(folder, _CONFIGURATIONS)]
    # Others say how Demucs combines models.
    options = next((values for values in configurations if "model" in values), {})
    with replacing(converted) as temporary:
        convert(weights, temporary, facts={"project": f"https://huggingface.co/{repository}"}, **options)
    return converted


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
