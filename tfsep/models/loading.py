"""A model from whatever names it: the object itself, a path, or a preset's name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras

from tfsep import presets
from tfsep.models.separator import FACTS, SONG_RULES, Separator
from tfsep.models.training_free import TRAINING_FREE, TrainingFree


class ExportedSeparator:
    """A SavedModel that `Separator.export` wrote, ready to separate.

    Args:
        path: path of the SavedModel.

    Raises:
        RuntimeError: if it is damaged.
    """

    def __init__(self, path: str | Path):
        import tensorflow as tf

        try:
            facts = json.loads(Path(path, FACTS).read_text(encoding="utf-8"))
            self.sources = tuple(facts["sources"])
            self.sample_rate = facts["sample_rate"]
            self.channels = facts["channels"]
            self.segment = facts["segment"]
            self.context = facts["context"]
            for name in SONG_RULES:
                setattr(self, name, facts.get(name, getattr(Separator, name)))
            # Kept: the functions are of no use once the object that holds their variables is gone.
            self._saved_model = tf.saved_model.load(str(path))
        except Exception as error:
            # TensorFlow raises many kinds for a damaged SavedModel.
            raise RuntimeError(
                f"{path} is not a complete SavedModel of tfsep: it is damaged ({presets.reason(error)})."
            ) from error

    def separate_window(self, window) -> dict:
        """See `Separator.separate_window`."""
        estimates = self._saved_model.separate(window)
        end = window.shape[1] - self.context
        return {name: estimates[name][:, self.context : end] for name in self.sources}


def load_model(model: str | Path | Separator) -> Separator | ExportedSeparator | TrainingFree:
    """Loads a model.

    Args:
        model: a model, which is returned as it is; else the path of a preset folder (such as `RUN/best`), of a
            `.keras` file or of a SavedModel; else the name of a preset, or of a separator that needs no training
            (`hpss`, `repet-sim`, and with nussl installed `nussl-repet`, `nussl-repet-sim`, `nussl-2dft`,
            `nussl-hpss`).

    Returns:
        The model.

    Raises:
        ValueError: if it is neither a path that exists nor a preset's name, or the path holds no model.
        RuntimeError: if the model is damaged.
    """
    if not isinstance(model, (str, Path)):
        if not hasattr(model, "sources"):
            raise ValueError(f"model must be a model, a path or a preset's name. Received: {model!r}.")
        return model
    path = Path(model)
    if not path.exists():
        if str(model) in TRAINING_FREE:
            return TRAINING_FREE[str(model)]
        return presets.load(presets.folder(str(model)))
    if (path / presets.CONFIG).is_file():
        return presets.load(path)
    if (path / FACTS).is_file():
        return ExportedSeparator(path)
    if path.suffix == ".keras":
        return load_keras(path)
    raise ValueError(f"{path} holds no model. Expected a preset folder, a .keras file or an exported SavedModel.")


def load_keras(path: Path, compile: bool = False) -> Separator:
    """Loads a `.keras` file, with its optimiser if `compile` is True.

    Raises:
        ValueError: if it holds another kind of model.
        RuntimeError: if it is damaged.
    """
    try:
        model = keras.saving.load_model(path, compile=compile)
    except Exception as error:
        # Keras raises many kinds for a damaged archive, and says of one cut short that there is no file.
        detail = presets.reason(error) if zipfile.is_zipfile(path) else "it is cut short"
        raise RuntimeError(f"{path} is not a complete Keras model: it is damaged ({detail}).") from error
    if not isinstance(model, Separator):
        raise ValueError(f"{path} holds a {type(model).__name__}. Expected a tfsep model.")
    return model
