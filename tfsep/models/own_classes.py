"""Classes of users, which are imported if the user names them, and never because a file does."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import keras

# Names that the user has given, for new processes.
imported: list[str] = []


def import_module(name: str) -> ModuleType:
    """Import a module that the user has named, from the installation or the current folder.

    Raises:
        ValueError: if there is no such module, or it raises an error.
    """
    if os.getcwd() not in sys.path:
        # Last, so that files of the folder do not hide other modules.
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise ValueError(
                f"No module {name!r} is installed or in the current folder. Give its name without .py."
            ) from error
        raise ValueError(f"The module {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    imported.append(name)
    return module


def import_class(name: str) -> type:
    """Import the class of a name such as `mymodel:TinyWave`.

    Raises:
        ValueError: if the module cannot be imported or has no such class.
    """
    module, _, attribute = name.partition(":")
    found = getattr(import_module(module), attribute, None)
    if not isinstance(found, type):
        raise ValueError(f"The module {module!r} has no class {attribute!r}.")
    return found


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
