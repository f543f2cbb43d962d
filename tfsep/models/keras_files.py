"""Models from `.keras` files, with errors for damage and missing classes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras

from tfsep.checks import reason
from tfsep.models.own_classes import custom_objects
from tfsep.models.preset_files import check_safe
from tfsep.models.separator import Separator


def load_keras(path: Path, compile: bool = False) -> Separator:
    """Load the model of a `.keras` file.

    Args:
        path: path of the file.
        compile: bool, load the optimizer as well. Defaults to False.

    Raises:
        ValueError: if the file contains another kind of model, code (which is not run), or a class whose module has not
            been imported.
        RuntimeError: if it is damaged.

    Example:

    >>> model = tfsep.models.load_keras("model.keras")
    >>> model.sources
    ('vocals', 'drums')
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        if not compile:
            config.pop("compile_config", None)
    except Exception as error:
        raise _damage(path, error) from error
    own = custom_objects(config, path)
    try:
        model = keras.saving.load_model(path, own, compile=compile)
    except Exception as error:
        check_safe(path, error)
        # Keras raises errors of many kinds for a damaged archive.
        raise _damage(path, error) from error
    if not isinstance(model, Separator):
        raise ValueError(f"{path} contains a {type(model).__name__}. Expected a tfsep model.")
    return model


def _damage(path: Path, error: Exception) -> RuntimeError:
    # For truncated files, the errors of Python and Keras are misleading.
    detail = reason(error) if zipfile.is_zipfile(path) else "it is cut short"
    return RuntimeError(f"{path} is not a complete Keras model: it is damaged ({detail}).")
