"""Classes of users in files: found if the user has imported them, and never imported because a file names them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import keras


def custom_objects(config: dict, path: os.PathLike | str) -> dict[str, type]:
    """Return the users' models in a serialised object that are imported but not registered with Keras.

    Raises:
        ValueError: if the module that defines a class or function has not been imported.
    """
    found = {}
    for name, registered, module in _named(config):
        imported = getattr(sys.modules.get(module), name, None)
        if isinstance(imported, type) and issubclass(imported, keras.Model):
            found |= {name: imported, registered or name: imported}
        elif not _is_known(name, registered, module):
            raise ValueError(
                f"{path} needs {name}. Import the module that defines {name} first; on the command line with "
                f"--import {module or 'MODULE'}."
            )
    return found


def _named(config) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield name, registered name and module of all objects in a serialised one."""
    if isinstance(config, dict):
        name, inner = config.get("class_name"), config.get("config")
        if isinstance(name, str) and "config" in config and not name.startswith("__"):
            function = name == "function" and isinstance(inner, str)
            yield (inner if function else name), config.get("registered_name"), config.get("module")
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from _named(item)


def _is_known(name: str, registered: str | None, module: str | None) -> bool:
    # Keras decides what may be loaded from its own modules.
    return (module or "").split(".")[0] in ("keras", "builtins") or any(
        keras.saving.get_registered_object(key) is not None for key in (registered, name) if key
    )
