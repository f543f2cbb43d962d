"""Modules of users, which are imported if the user names them, and never because a file does."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

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
