"""Keras layers that the models share."""

from tfsep.layers.ratio_masks import binary_masks, ratio_masks
from tfsep.layers.spectrogram_masking import FrequencyMasking, TimeMasking
from tfsep.layers.stft import STFT, magnitude

__all__ = ["STFT", "FrequencyMasking", "TimeMasking", "binary_masks", "magnitude", "ratio_masks"]
