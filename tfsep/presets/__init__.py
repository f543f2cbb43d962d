"""Trained models as folders: `config.json`, `model.weights.h5` and the model card `README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tfsep.files import check_space, replacing

if TYPE_CHECKING:
    from tfsep.models import Separator

__all__ = ["DEFAULT", "catalogue", "folder", "load", "names", "read_config", "save", "table"]


def __dir__() -> list[str]:
    return __all__


_FOLDER = Path(__file__).parent
DEFAULT = "convsep-4stems-plus"
CONFIG, WEIGHTS, CARD = "config.json", "model.weights.h5", "README.md"

# Bytes that a stored model takes beside its weights, at most.
_MARGIN = 2**20


def names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(path.parent.name for path in _FOLDER.glob(f"*/{CONFIG}"))


def folder(name: str) -> Path:
    """The folder of a preset.

    Raises:
        ValueError: if there is no preset of that name.
    """
    if name not in names():
        raise ValueError(
            f"No model {name!r}: neither a path that exists nor a preset. Presets: {', '.join(names()) or 'none'}. "
            f"To be fetched: {', '.join(catalogue())}. Without training: hpss, repet-sim."
        )
    return _FOLDER / name


def read_config(path: str | Path) -> dict:
    """The `config.json` of a preset folder: serialised model, versions, training and scores."""
    return json.loads(Path(path, CONFIG).read_text(encoding="utf-8"))


def catalogue() -> dict[str, dict]:
    """Published models of other projects by name, which `tfsep.checkpoints.fetch` downloads."""
    return json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))


def table() -> list[dict]:
    """Facts about all models that have a name, those of the package first; loads no TensorFlow.

    Returns:
        A dict for each model with `name`, `shipped` (whether the package holds it), `network`, `sources`,
        `sample_rate`, `bytes` (to download, or in the package), `scores` (or None: `protocol`, `measure`, `data` and
        `values` in dB by source), `licence` of the weights, `commercial_use` (`"allowed"`, `"not allowed"` or
        `"not stated"`) and `training_data`.
    """
    return [_shipped_facts(name) for name in names()] + [_fetchable_facts(*item) for item in catalogue().items()]


_FACTS = ("licence", "commercial_use", "training_data")


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
        **{key: config[key] for key in _FACTS},
    }


def _fetchable_facts(name: str, entry: dict) -> dict:
    keys = ("network", "sources", "sample_rate", "bytes")
    facts = {"name": name, "shipped": False, **{key: entry[key] for key in keys}}
    return facts | {"scores": entry.get("scores"), **{key: entry[key] for key in _FACTS}}


def save(model: Separator, path: str | Path, card: str = "", *, half: bool = True, **facts) -> None:
    """Writes a model as a preset folder, in place of one that stands there.

    Weights are stored without the optimiser.

    Args:
        model: the model.
        path: path of the folder.
        card: str, text of the model card, in Markdown.
        half: bool. Store weights as float16. Defaults to True; False: as they are.
        **facts: further entries of `config.json`, such as `scores`.

    Raises:
        ValueError: if a weight is not finite in half precision.
    """
    import keras

    from tfsep import __version__

    # A copy has no optimiser, whose settings and state would otherwise be stored as well.
    clone = model.inference_copy()
    config = {
        "model": keras.saving.serialize_keras_object(clone),
        "versions": {"tfsep": __version__, "keras": keras.__version__},
        **facts,
    }
    # In full, and in half precision.
    check_space(path, 6 * clone.count_params() + _MARGIN)
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (temporary / CARD).write_text(card, encoding="utf-8")
        if half:
            _save_half(clone, temporary / WEIGHTS)
        else:
            clone.save_weights(temporary / WEIGHTS)


def load(path: str | Path) -> Separator:
    """Reads the model of a preset folder.

    Raises:
        ValueError: if it holds code that is not run, or a class of one's own whose module has not been imported.
        RuntimeError: if the folder's configuration or weights are damaged or of another model.
    """
    import keras

    from tfsep.models.own_classes import custom_objects  # registers tfsep's own classes as well

    path = Path(path)
    try:
        config = read_config(path)["model"]
    except Exception as error:
        raise _damage(path, error) from error
    own = custom_objects(config, path)
    try:
        model = keras.saving.deserialize_keras_object(config, custom_objects=own)
        model.load_weights(path / WEIGHTS)
    except Exception as error:
        check_safe(path, error)
        # Keras raises many kinds for what it cannot read.
        raise _damage(path, error) from error
    return model


def _damage(path: Path, error: Exception) -> RuntimeError:
    return RuntimeError(f"{path} is not a complete preset folder: it is damaged ({reason(error)}).")


def check_safe(path: str | Path, error: Exception) -> None:
    """Raises ValueError if Keras has refused to run code that a file holds, rather than met damage."""
    if "safe_mode" in str(error) or "unsafe" in str(error):
        raise ValueError(
            f"{path} holds Python code, such as a Lambda layer, which is never run. Write the layer as a registered "
            "class (keras.saving.register_keras_serializable) and save the model again."
        ) from error


def reason(error: Exception) -> str:
    """The first line of an error's message, which Keras likes to continue over many."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _save_half(model: Separator, path: Path) -> None:
    """Weights as Keras stores them, in half precision."""
    import h5py
    import numpy as np

    for weight in model.weights:
        if not np.all(np.abs(weight) <= np.finfo(np.float16).max):
            raise ValueError(f"Weight {weight.path} is not finite in half precision, in which presets are stored.")
    full = path.with_name("full.weights.h5")
    model.save_weights(full)

    def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group):
            target.require_group(name).attrs.update(item.attrs)
            return
        target.create_dataset(name, data=item[()].astype(np.float16) if item.dtype == np.float32 else item[()])

    with h5py.File(full) as source, h5py.File(path, "w") as target:
        target.attrs.update(source.attrs)
        source.visititems(copy)
    full.unlink()
