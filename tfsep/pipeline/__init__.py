"""Training data: tracks are decoded once, cut into excerpts, augmented and mixed."""

from tfsep.pipeline.augment import AUGMENTATIONS, Equalize, Gain, Mute, Polarity, Ratio, Remix, Shift, Swap
from tfsep.pipeline.batches import excerpts, windows
from tfsep.pipeline.preparation import prepare

__all__ = [
    "AUGMENTATIONS",
    "Equalize",
    "Gain",
    "Mute",
    "Polarity",
    "Ratio",
    "Remix",
    "Shift",
    "Swap",
    "excerpts",
    "prepare",
    "windows",
]


def __dir__() -> list[str]:
    return __all__
