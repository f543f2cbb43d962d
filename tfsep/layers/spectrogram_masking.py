"""Random bands of zeros in spectrograms, in training only."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.checks import check_integer


class _BandMasking(keras.layers.Layer):
    """Zeros a band of random width and place on one axis of each example."""

    axis: int

    def __init__(self, width: int, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_integer("width", width)
        self.width = width
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, training: bool = False):
        """Spectrogram `[batch, frames, bins, channels]` -> the same with a band of zeros if `training`."""
        if not training:
            return inputs
        size, batch = ops.shape(inputs)[self.axis], ops.shape(inputs)[0]
        widths, places = (keras.random.uniform((batch, 1), seed=self.seed_generator) for _ in range(2))
        widths = ops.minimum(ops.floor(widths * self.width), ops.cast(size, "float32"))
        starts = ops.floor(places * (ops.cast(size, "float32") - widths + 1))
        kept = ops.cast(~in_band(size, starts, widths), inputs.dtype)
        return inputs * ops.expand_dims(kept, (2, 3) if self.axis == 1 else (1, 3))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "width": self.width, "seed": self.seed}


def in_band(size: int, starts, widths):
    """Whether each of `size` rows lies in the band of its example: bool `[batch, size]`.

    Args:
        size: int, length of the axis.
        starts: `[batch, 1]`, first row of each band.
        widths: `[batch, 1]`, number of rows of each band.
    """
    rows = ops.expand_dims(ops.arange(size, dtype="float32"), 0)
    return ops.logical_and(rows >= starts, rows < starts + widths)


@keras.saving.register_keras_serializable(package="tfsep")
class FrequencyMasking(_BandMasking):
    """Zeros a random band of bins of each spectrogram `[batch, frames, bins, channels]`, in training only.

    Args:
        width: int. The band has 0 to `width - 1` bins, each number equally likely.
        seed: int or None, of Keras's seed generator. Defaults to None.

    Reference:
        Park et al., "SpecAugment", Interspeech 2019; `freq_mask` of tensorflow-io.
    """

    axis = 2


@keras.saving.register_keras_serializable(package="tfsep")
class TimeMasking(_BandMasking):
    """Zeros a random stretch of frames of each spectrogram, in training only; see `FrequencyMasking`."""

    axis = 1
