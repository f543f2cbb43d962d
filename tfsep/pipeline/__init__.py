"""Tracks -> batches: decoded once, cut into excerpts, augmented, mixed."""

from tfsep.pipeline.augment import AUGMENTATIONS, Gain, Remix
from tfsep.pipeline.excerpts import excerpts, windows
from tfsep.pipeline.prepare import prepare

__all__ = ["AUGMENTATIONS", "Gain", "Remix", "excerpts", "prepare", "windows"]
