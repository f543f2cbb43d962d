"""Training: one recipe for every model, kept in a folder that can be resumed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tfsep.training.config import CONFIG, TrainConfig, read_config
from tfsep.training.recipe import Recipe

if TYPE_CHECKING:
    from tfsep.training.fitting import fit
    from tfsep.training.lbfgs import fit_lbfgs
    from tfsep.training.run import train
    from tfsep.training.strategies import Strategy, find_strategy

__all__ = [
    "CONFIG",
    "Recipe",
    "Strategy",
    "TrainConfig",
    "find_strategy",
    "fit",
    "fit_lbfgs",
    "read_config",
    "train",
]

# Loaded at first use: the command line takes its options from the configuration alone, without TensorFlow.
_FUNCTIONS = {
    "Strategy": "strategies",
    "find_strategy": "strategies",
    "fit": "fitting",
    "fit_lbfgs": "lbfgs",
    "train": "run",
}


def __getattr__(name: str):
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"tfsep.training.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'tfsep.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
