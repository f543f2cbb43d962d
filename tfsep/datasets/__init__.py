"""Corpora of multitracks, which are sequences of `Track`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfsep.datasets.dsd100 import DSD100
from tfsep.datasets.found_stems import FoundStems
from tfsep.datasets.ikala import IKala
from tfsep.datasets.mir1k import MIR1K
from tfsep.datasets.mixing import Mixing
from tfsep.datasets.musdb18 import MUSDB18, embedded
from tfsep.datasets.nussl_adapter import from_nussl
from tfsep.datasets.speed import change_speed
from tfsep.datasets.stems import ArrayStem, Concatenation, FileStem, Stem
from tfsep.datasets.stems_folder import StemsFolder
from tfsep.datasets.store import Store
from tfsep.datasets.track import Corpus, Track, components

__all__ = [
    "DSD100",
    "MIR1K",
    "MUSDB18",
    "ArrayStem",
    "Concatenation",
    "Corpus",
    "FileStem",
    "FoundStems",
    "IKala",
    "Mixing",
    "Stem",
    "StemsFolder",
    "Store",
    "Track",
    "change_speed",
    "components",
    "embedded",
    "from_nussl",
    "from_spec",
]


def __dir__() -> list[str]:
    return __all__


_KINDS = {"musdb18": MUSDB18, "dsd100": DSD100, "mir1k": MIR1K, "ikala": IKala, "stems": StemsFolder, "store": Store}

# The help of `--data`.
NOTATION = f"{', '.join(f'{kind}:PATH' for kind in _KINDS)}, mixing:TARGETS,OTHERS, embedded, or a folder of stems"


def from_spec(spec: str, split: str = "train", names: Mapping[str, str] | None = None) -> Corpus:
    """Open a corpus by the notation of the command line.

    Args:
        spec: str, `"musdb18:PATH"`, `"dsd100:PATH"`, `"mir1k:PATH"`, `"ikala:PATH"`, `"stems:PATH"`, `"store:PATH"`,
            `"mixing:TARGETS,OTHERS"`, `"embedded"` for the song that comes with the installation, or the path of a
            folder of stems in any layout, see `FoundStems`.
        split: str, `"train"`, `"valid"`, `"test"`, or `"all"` for corpora without a published division. Defaults to
            `"train"`.
        names: dict from source to its name in the files of a folder of stems. Defaults to none.

    Returns:
        The `Corpus`.

    Raises:
        ValueError: if the notation is not understood.

    Example:

    >>> tfsep.datasets.from_spec("musdb18:musdb18", "test")
    MUSDB18(root='musdb18', split='test'): 1 track
    """
    kind, _, path = spec.partition(":")
    if spec == "embedded":
        return embedded()
    if split == "all":
        split = None
        if kind in ("musdb18", "dsd100", "mir1k"):
            raise ValueError(f"{spec} is divided by its authors. Use split 'train', 'valid' or 'test'.")
    if kind == "mixing" and path.count(",") == 1 and all(path.split(",")):
        return Mixing(*path.split(","), split=split)
    if kind in _KINDS and path:
        return _KINDS[kind](path, split=split)
    if spec and Path(spec).is_dir():
        return FoundStems(spec, split, names)
    raise ValueError(f"Unknown data {spec!r}. Expected one of: {NOTATION}.")
