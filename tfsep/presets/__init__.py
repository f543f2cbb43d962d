"""Trained models: folders with `config.json`, `model.weights.h5` and a model card `README.md`. Needs no Keras."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path

from tfsep.files import cache_folder

__all__ = ["DEFAULT", "best_to_fetch", "catalogue", "folder", "names", "read_config", "table"]


def __dir__() -> list[str]:
    return __all__


_FOLDER = Path(__file__).parent
DEFAULT = "crn-4stems"
# Separators of `tfsep.portable.training_free` that need no extra.
TRAINING_FREE = ("hpss", "repet-sim")
CONFIG, WEIGHTS, CARD = "config.json", "model.weights.h5", "README.md"
# Entries of `config.json` about the use of the weights.
TERMS = ("licence", "commercial_use", "training_data")
# Beginning of the addresses of models at the Hugging Face hub.
HUB = "hf://"
# Of a folder of several models that work as one (`tfsep.models.Bag`).
BAG = "bag.yaml"


def names() -> list[str]:
    """Return the names of the presets that come with the package.

    Example:

    >>> "convsep-4stems" in tfsep.presets.names()
    True
    """
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{CONFIG}"))


def folder(name: str) -> Path:
    """Return the folder of a preset of the package, or of a published model that has been fetched.

    Raises:
        ValueError: if there is no model of that name, or it has not been fetched.

    Example:

    >>> sorted(path.name for path in tfsep.presets.folder("convsep-4stems").iterdir())
    ['README.md', 'config.json', 'model.weights.h5']
    """
    if name in names():
        return _FOLDER / name
    if name in catalogue():
        if is_model(fetched_folder(name)):
            return fetched_folder(name)
        raise ValueError(f"{name} is not on this machine yet. Download it with `tfsep fetch {name}`.")
    similar = difflib.get_close_matches(name, [*names(), *catalogue(), *TRAINING_FREE], 1)
    hint = f" Did you mean {similar[0]}?" if similar else ""
    raise ValueError(
        f"No model {name!r}: neither a path that exists nor a preset.{hint} Presets: {', '.join(names()) or 'none'}. "
        f"To be fetched: {', '.join(catalogue())}. Without training: {', '.join(TRAINING_FREE)}."
    )


def is_model(path: Path) -> bool:
    """Whether a folder is a preset, or a bag of them."""
    return (path / CONFIG).is_file() or (path / BAG).is_file()


def fetched_folder(name: str) -> Path:
    """Return the folder that a published model is fetched to, in `tfsep.files.cache_folder()`."""
    return cache_folder() / "models" / name


def read_config(path: str | Path) -> dict:
    """Read the `config.json` of a preset folder: serialised model, versions, training and scores.

    Example:

    >>> config = tfsep.presets.read_config(tfsep.presets.folder("convsep-4stems"))
    >>> config["model"]["class_name"]
    'ConvSep'
    """
    return json.loads(Path(path, CONFIG).read_text(encoding="utf-8"))


def catalogue() -> dict[str, dict]:
    """Return the published models of other projects by name, which `tfsep.checkpoints.fetch` downloads.

    Example:

    >>> tfsep.presets.catalogue()["spleeter-2stems"]["licence"]
    'MIT'
    """
    return json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))


def table() -> list[dict]:
    """Return facts about all models that have a name, those of the package first.

    Returns:
        A dict for each model with `name`, `shipped` (bool, in the package), `network`, `sources`, `sample_rate` and
        `bandwidth` in Hz, `bytes` (to download, or in the package), `scores` (`protocol`, `measure`, `data` and
        `values` in dB by source; None if not known), `licence` of the weights, `commercial_use` (`"allowed"`,
        `"not allowed"` or `"not stated"`) and `training_data`.

    Example:

    >>> [model["name"] for model in tfsep.presets.table() if model["commercial_use"] == "allowed"][:2]
    ['convsep-4stems-free', 'spleeter-2stems']
    """
    rows = [_shipped_facts(name) for name in names()] + [_fetchable_facts(*item) for item in catalogue().items()]
    return [{**row, "bandwidth": row["sample_rate"] / 2} for row in rows]


def best_to_fetch(sources: Sequence[str]) -> dict:
    """Return the facts, as in `table`, about the published model of these sources with the highest mean SDR.

    Compares the published scores by `bsseval_v4`.

    Raises:
        ValueError: if no published model has such scores of these sources.

    Example:

    >>> tfsep.presets.best_to_fetch(["vocals", "drums", "bass", "other"])["licence"]
    'research only'
    """

    def is_scored(facts: dict) -> bool:
        scores = facts["scores"] or {}
        return scores.get("protocol") == "bsseval_v4" and set(sources) <= set(scores["values"])

    scored = [facts for facts in table() if not facts["shipped"] and is_scored(facts)]
    if not scored:
        raise ValueError(f"No published model has scores of these sources. Received: {list(sources)}.")
    return max(scored, key=lambda facts: sum(facts["scores"]["values"][source] for source in sources))


def _shipped_facts(name: str) -> dict:
    config, files = read_config(folder(name)), folder(name).iterdir()
    model, scores = config["model"]["config"], config["scores"]
    return {
        "name": name,
        "shipped": True,
        "network": config["model"]["class_name"],
        "sources": model["sources"],
        "sample_rate": model["sample_rate"],
        "bytes": sum(path.stat().st_size for path in files),
        "scores": {key: scores[key] for key in ("protocol", "measure", "data")} | {"values": scores["rows"][name]},
        **{key: config[key] for key in TERMS},
    }


def _fetchable_facts(name: str, entry: dict) -> dict:
    keys = ("network", "sources", "sample_rate", "bytes")
    facts = {"name": name, "shipped": False, **{key: entry[key] for key in keys}}
    return facts | {"scores": entry.get("scores"), **{key: entry[key] for key in TERMS}}
