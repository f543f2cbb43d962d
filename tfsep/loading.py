"""Models by path or by name."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path

import yaml

from tfsep import presets
from tfsep.checkpoints import fetch, fetch_hub
from tfsep.checkpoints.hub import SCHEME
from tfsep.models.bag import Bag
from tfsep.models.exported import ExportedSeparator
from tfsep.models.facts import check_facts
from tfsep.models.forks import check_fork
from tfsep.models.keras_files import load_keras
from tfsep.models.preset_files import load_preset
from tfsep.models.separator import FACTS, SONG_RULES, Separator
from tfsep.models.training_free import TRAINING_FREE, TrainingFree

# Models that `cached_model` keeps.
_KEPT = 3
_cache: OrderedDict[tuple, Separator | ExportedSeparator] = OrderedDict()
_cache_lock = threading.Lock()


def load_model(model: str | Path | Separator, trust: bool = False) -> Separator | ExportedSeparator | TrainingFree:
    """Load a model.

    Presets and `.keras` files are data: Keras reads them in its safe mode, which runs no code in them. A SavedModel is
    a program, refused if it could read or write files; see `.github/SECURITY.md`.

    Args:
        model: path of a preset folder (such as `RUN/best`), a `.keras` file, a SavedModel or a bag (`.yaml`, see
            `tfsep.models.Bag`); or the name of a preset, of a published model (`tfsep presets`) or one at the Hugging
            Face hub (`hf://ORGANISATION/NAME`, with the extra `hub`), which are downloaded once, or of a separator
            that needs no training (`hpss`, `repet-sim`, and with nussl installed `nussl-repet`, `nussl-repet-sim`,
            `nussl-2dft`, `nussl-hpss`). A model is returned unchanged.
        trust: bool, load a SavedModel with any operations in its graph. Defaults to False.

    Returns:
        The model.

    Raises:
        ValueError: if it is neither an existing path nor a known name, if there is no model at the path, or if it
            contains code that is not run.
        RuntimeError: if the model is damaged, or this process was forked after TensorFlow had run.

    Example:

    >>> tfsep.load_model("unet-vocals-drums").sources
    ('vocals', 'drums')
    """
    found = _find(model)
    if isinstance(found, TrainingFree):
        return found
    check_fork()
    if not isinstance(found, Path):
        return found
    if (found / presets.CONFIG).is_file():
        return _checked(load_preset(found), found)
    if (found / FACTS).is_file():
        return ExportedSeparator(found, trust)
    if found.suffix == ".keras":
        return _checked(load_keras(found), found)
    raise ValueError(f"{found} contains no model. Expected a preset folder, a .keras file or an exported SavedModel.")


def cached_model(model: str | Path | Separator) -> Separator | ExportedSeparator | TrainingFree:
    """Load a model that is only used for inference; the last few stay loaded until their files change."""
    found = _find(model)
    if not isinstance(found, Path):
        return load_model(found)
    found = found.resolve()
    key = (str(found), _version(found))
    with _cache_lock:  # so that two threads do not load the same model
        if key not in _cache:
            _cache[key] = load_model(found)
        _cache.move_to_end(key)
        for other in [other for other in _cache if other[0] == key[0] and other != key]:
            del _cache[other]
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
        check_fork()
        return _cache[key]


def model_sources(model: str | Path | Separator) -> tuple[str, ...]:
    """Return the sources of a model without loading it; none if its files do not contain them.

    Raises:
        ValueError: if it is neither an existing path nor a known name.
    """
    found = _find(model)
    if not isinstance(found, Path):
        return tuple(found.sources)
    try:
        if (found / presets.CONFIG).is_file():
            sources = presets.read_config(found)["model"]["config"]["sources"]
        elif (found / FACTS).is_file():
            sources = json.loads((found / FACTS).read_text(encoding="utf-8"))["sources"]
        else:
            with zipfile.ZipFile(found) as archive:
                sources = json.loads(archive.read("config.json"))["config"]["sources"]
        return tuple(map(str, sources))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile):
        return ()  # loading it will raise the error


def takes_whole_songs(model: str | Path | Separator) -> bool:
    """Whether a model separates songs as a whole, without training; load nothing."""
    return isinstance(_find(model), TrainingFree)


def check_network(model: str | Path) -> None:
    """Raise ValueError for a name or path whose model has no layers to print or export; load nothing."""
    found = _find(model)
    if isinstance(found, (Bag, TrainingFree)) or (isinstance(found, Path) and (found / FACTS).is_file()):
        raise ValueError(f"{model} has no layers to print or export. Give a preset, its folder or a .keras file.")


def _find(model):
    """Return the path of a model, or the model if it needs no loading."""
    if not isinstance(model, (str, os.PathLike)):
        if not hasattr(model, "sources"):
            raise ValueError(f"model must be a model, a path or a preset's name. Received: {model!r}.")
        return model
    path = Path(model)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return read_bag(path)
    if not path.exists():
        name = str(model)
        if name in TRAINING_FREE:
            return TRAINING_FREE[name]
        path = _fetched(name) or presets.folder(name)
    return read_bag(path / presets.BAG) if (path / presets.BAG).is_file() else path


def _fetched(name: str) -> Path | None:
    if name.startswith(SCHEME):
        return fetch_hub(name)
    return fetch(name) if name in presets.catalogue() else None


def read_bag(path: Path) -> Bag:
    """Read a bag of models from a YAML file of `models` and, optionally, `weights`; see `tfsep.models.Bag`.

    Models are presets' names, or paths from the file's folder.

    Raises:
        ValueError: if the file contains anything else; see also `tfsep.models.Bag`.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML file: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict) or "models" not in values or not values.keys() <= {"models", "weights"}:
        raise ValueError(f"{path} must contain `models`, and may contain `weights`.")
    models, weights = values["models"], values.get("weights")
    if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
        raise ValueError(f"{path}: models must be a list of names and paths. Received: models={models!r}.")
    if weights is not None and not isinstance(weights, dict):
        raise ValueError(f"{path}: weights must be a mapping from sources. Received: weights={weights!r}.")
    models = [path.parent / model if (path.parent / model).exists() else model for model in models]
    return Bag(models, weights, [model_sources(model) for model in models])


def _checked(model: Separator, path: Path) -> Separator:
    names = ("sources", "sample_rate", "channels", "segment", "context", *SONG_RULES)
    try:
        check_facts({name: getattr(model, name) for name in names})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return model


def _version(path: Path) -> tuple:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)
