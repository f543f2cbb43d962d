"""Keras layers that the models share."""

from tfsep.layers.spectrogram_masking import FrequencyMasking, TimeMasking

__all__ = ["FrequencyMasking", "TimeMasking"]
