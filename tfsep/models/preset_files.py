"""Models to preset folders and back: `config.json`, `model.weights.h5` and the model card `README.md`."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import keras
import numpy as np

from tfsep import __version__
from tfsep.checks import reason
from tfsep.files import check_space, replacing
from tfsep.models.own_classes import custom_objects
from tfsep.presets import CARD, CONFIG, TERMS, WEIGHTS, read_config

# Bytes of a stored model besides its weights, at most.
_MARGIN = 2**20


def save_preset(model: keras.Model, path: str | Path, card: str = "", *, half: bool = True, **facts) -> None:
    """Write a model as a preset folder, replacing one that exists.

    Weights are stored without the optimizer.

    Args:
        model: the model.
        path: path of the folder.
        card: str, text of the model card, in Markdown. Defaults to `""`, an empty card.
        half: bool. Store weights as float16. Defaults to True; False: as they are.
        **facts: further entries of `config.json`, such as `scores`.

    Raises:
        ValueError: if a weight is not finite in half precision.
    """
    # The copy has no optimizer, which would be stored as well.
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


def load_preset(path: str | Path) -> keras.Model:
    """Read the model of a preset folder.

    Raises:
        ValueError: if it contains code (which is not run), or a class whose module has not been imported.
        RuntimeError: if its configuration or weights are damaged or of another model.
    """
    path = Path(path)
    try:
        facts = read_config(path)
        config = facts["model"]
    except Exception as error:
        raise _damage(path, error) from error
    own = custom_objects(config, path)
    try:
        model = keras.saving.deserialize_keras_object(config, custom_objects=own)
        model.load_weights(path / WEIGHTS)
        model.terms = {name: facts[name] for name in TERMS if name in facts}
    except Exception as error:
        check_safe(path, error)
        # Keras raises errors of many kinds.
        raise _damage(path, error) from error
    return model


def _damage(path: Path, error: Exception) -> RuntimeError:
    return RuntimeError(f"{path} is not a complete preset folder: it is damaged ({reason(error)}).")


def check_safe(path: str | Path, error: Exception) -> None:
    """Raise ValueError if Keras has refused to run code in a file."""
    if "safe_mode" in str(error) or "unsafe" in str(error):
        raise ValueError(
            f"{path} contains Python code, such as a Lambda layer, which is never run. Write the layer as a registered "
            "class (keras.saving.register_keras_serializable) and save the model again."
        ) from error


def _save_half(model: keras.Model, path: Path) -> None:
    """Save weights as Keras does, in half precision."""
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
