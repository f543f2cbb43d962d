"""Where multitracks come from: one file a corpus, all of them sequences of `Track`."""

from __future__ import annotations

from tfsep.datasets.musdb18 import MUSDB18, embedded
from tfsep.datasets.stems_folder import StemsFolder
from tfsep.datasets.track import Corpus, Stem, Track, components

__all__ = ["MUSDB18", "Corpus", "Stem", "StemsFolder", "Track", "components", "embedded", "from_spec"]

_KINDS = {"musdb18": MUSDB18, "stems": StemsFolder}


def from_spec(spec: str, split: str = "train") -> Corpus:
    """Opens a corpus by the notation of the command line.

    Args:
        spec: `"musdb18:PATH"`, `"stems:PATH"`, or `"embedded"` for the song that comes with the installation.
        split: `"train"`, `"valid"` or `"test"`. Defaults to `"train"`.

    Returns:
        The `Corpus`.

    Raises:
        ValueError: if the notation is not understood.
    """
    kind, _, path = spec.partition(":")
    if spec == "embedded":
        return embedded()
    if kind not in _KINDS or not path:
        kinds = ", ".join(f"{name}:PATH" for name in _KINDS)
        raise ValueError(f"Unknown data {spec!r}. Expected one of: {kinds}, embedded.")
    return _KINDS[kind](path, split=split)
