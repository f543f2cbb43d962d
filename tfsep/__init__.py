"""Music source separation with TensorFlow and Keras."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfsep import (
        audio,
        checkpoints,
        datasets,
        evaluation,
        layers,
        losses,
        metrics,
        models,
        pipeline,
        plotting,
        portable,
        presets,
        report,
        separation,
        training,
        web,
    )
    from tfsep.evaluation import evaluate
    from tfsep.loading import load_model
    from tfsep.separation import Separation, separate, separate_file

from tfsep.startup import quiet_tensorflow

__version__ = "0.1.0"

quiet_tensorflow()

# Names are resolved at first use, so that `import tfsep` loads no TensorFlow.
_CONTENTS = {
    "Separation": "tfsep.separation",
    "evaluate": "tfsep.evaluation",
    "load_model": "tfsep.loading",
    "separate": "tfsep.separation",
    "separate_file": "tfsep.separation",
}
__all__ = [
    "Separation",
    "audio",
    "checkpoints",
    "datasets",
    "evaluate",
    "evaluation",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "pipeline",
    "plotting",
    "portable",
    "presets",
    "report",
    "separate",
    "separate_file",
    "separation",
    "training",
    "web",
]


def __getattr__(name: str):
    if name in _CONTENTS:
        return getattr(importlib.import_module(_CONTENTS[name]), name)
    if name in __all__:
        return importlib.import_module(f"tfsep.{name}")
    raise AttributeError(f"module 'tfsep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["__version__", *__all__]
