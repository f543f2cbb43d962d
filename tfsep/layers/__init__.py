"""Keras layers that the models share."""

from tfsep.layers.spectrogram_masking import FrequencyMasking, TimeMasking
from tfsep.layers.stft import STFT, magnitude

__all__ = ["STFT", "FrequencyMasking", "TimeMasking", "magnitude"]
