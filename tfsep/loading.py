"""Models by path or by name."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import yaml

from tfsep import presets
from tfsep.portable.bag import Bag
from tfsep.portable.embedded_facts import read_facts
from tfsep.portable.facts import FACTS, SONG_RULES, check_facts
from tfsep.portable.forks import check_fork
from tfsep.portable.separators import PortableSeparator, is_portable, load_portable
from tfsep.portable.training_free import TRAINING_FREE, TrainingFree

# Keras is loaded with the first model that needs it.
if TYPE_CHECKING:
    from tfsep.models import ExportedSeparator, Separator

    Model: TypeAlias = Separator | ExportedSeparator | PortableSeparator | TrainingFree

# Models that `cached_model` keeps.
_KEPT = 3
# Of files that are no model, or a damaged one.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile)
_cache: OrderedDict[tuple, Separator | ExportedSeparator | PortableSeparator] = OrderedDict()
_cache_lock = threading.Lock()


def load_model(model: str | Path | Separator, trust: bool = False) -> Model:
    """Load a model.

    Presets and `.keras` files are data: Keras reads them in its safe mode, which runs no code in them. A SavedModel is
    a program, refused if it could read or write files; see `.github/SECURITY.md`. ONNX and LiteRT files need neither
    TensorFlow nor Keras, which are not loaded.

    Args:
        model: path of a preset folder (such as `RUN/best`), a `.keras` file, a SavedModel, an ONNX or LiteRT file that
            `tfsep export` wrote (`.onnx` with the extra `onnx`, `.tflite` with `litert`) or a bag (`.yaml`, see
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
    if is_portable(found):
        return load_portable(found)
    check_fork()
    return _load_with_keras(found, trust) if isinstance(found, Path) else found


def _load_with_keras(path: Path, trust: bool) -> Separator | ExportedSeparator:
    from tfsep import models

    if (path / presets.CONFIG).is_file():
        return _checked(models.preset_files.load_preset(path), path)
    if (path / FACTS).is_file():
        return models.ExportedSeparator(path, trust)
    if path.suffix == ".keras":
        return _checked(models.load_keras(path), path)
    raise ValueError(
        f"{path} contains no model. Expected a preset folder, a .keras, .onnx or .tflite file, or a SavedModel."
    )


def cached_model(model: str | Path | Separator) -> Model:
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
        return tuple(map(str, _facts(found)["sources"]))
    except _UNREADABLE:
        return ()  # loading it will raise the error


def model_licence(model: str | Path) -> str | None:
    """Return the licence of a model's weights, if its files name one."""
    found = _find(model)
    try:
        return _facts(found).get("licence") if isinstance(found, Path) else None
    except _UNREADABLE:
        return None


def _facts(path: Path) -> dict:
    """Return what the files of a model say of it: `sources`, and perhaps `licence`."""
    if (path / presets.CONFIG).is_file():
        config = presets.read_config(path)
        return config["model"]["config"] | {"licence": config.get("licence")}
    if is_portable(path):
        return read_facts(path)
    if (path / FACTS).is_file():
        return json.loads((path / FACTS).read_text(encoding="utf-8"))
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))["config"]


def takes_whole_songs(model: str | Path | Separator) -> bool:
    """Whether a model separates songs as a whole, without training; load nothing."""
    return isinstance(_find(model), TrainingFree)


def check_network(model: str | Path) -> None:
    """Raise ValueError for a name or path whose model has no layers to print or export; load nothing."""
    found = _find(model)
    exported = is_portable(found) or (isinstance(found, Path) and (found / FACTS).is_file())
    if exported or isinstance(found, (Bag, TrainingFree)):
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
    from_hub = name.startswith(presets.HUB)
    if not from_hub and name not in presets.catalogue():
        return None
    from tfsep import checkpoints  # loads Keras

    return checkpoints.fetch_hub(name) if from_hub else checkpoints.fetch(name)


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
