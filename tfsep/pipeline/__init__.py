"""Training data: tracks are decoded once, cut into excerpts, augmented and mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfsep.pipeline.augment import AUGMENTATIONS, Equalize, Formants, Gain, Mute, Polarity, Ratio, Remix, Shift, Swap
from tfsep.pipeline.batches import excerpts, windows
from tfsep.pipeline.share import Share

if TYPE_CHECKING:
    from tfsep.pipeline.preparation import prepare

__all__ = [
    "AUGMENTATIONS",
    "Equalize",
    "Formants",
    "Gain",
    "Mute",
    "Polarity",
    "Ratio",
    "Remix",
    "Share",
    "Shift",
    "Swap",
    "excerpts",
    "prepare",
    "windows",
]


def __getattr__(name: str):
    if name == "prepare":  # at first use: it alone needs TensorFlow under JAX
        from tfsep.pipeline.preparation import prepare

        return prepare
    raise AttributeError(f"module 'tfsep.pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
