"""Random masking of bins and frames of spectrograms in training."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.checks import check_integer


class _BandMasking(keras.layers.Layer):
    """Set a random band on one axis of each example to zero."""

    axis: int

    def __init__(self, width: int, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_integer("width", width)
        self.width = width
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, training: bool = False):
        """Return the spectrogram `[batch, frames, bins, channels]`, with a band of zeros if `training`."""
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
    """Return whether each of `size` rows is in the band of its example, bool `[batch, size]`.

    Args:
        size: int, length of the axis.
        starts: `[batch, 1]`, first row of each band.
        widths: `[batch, 1]`, number of rows of each band.
    """
    rows = ops.expand_dims(ops.arange(size, dtype="float32"), 0)
    return ops.logical_and(rows >= starts, rows < starts + widths)


@keras.saving.register_keras_serializable(package="tfsep")
class FrequencyMasking(_BandMasking):
    """Set a random band of bins of each spectrogram `[batch, frames, bins, channels]` to zero in training.

    Args:
        width: int, bins. The band has 0 to `width - 1` bins, each number equally likely, as in tensorflow-io's
            `freq_mask`.
        seed: int, seed of the random draws. Defaults to None, a random one.

    Example:

    >>> layer = tfsep.layers.FrequencyMasking(8, seed=0)
    >>> masked = layer(np.ones((1, 10, 33, 1), "float32"), training=True)
    >>> 0 <= int(ops.sum(masked[0, 0] == 0)) < 8
    True

    Reference:

    - [Park et al., 2019, SpecAugment: a simple data augmentation method for automatic speech
      recognition](https://arxiv.org/abs/1904.08779)
    """

    axis = 2


@keras.saving.register_keras_serializable(package="tfsep")
class TimeMasking(_BandMasking):
    """Set random neighbouring frames of each spectrogram `[batch, frames, bins, channels]` to zero in training.

    Args:
        width: int, frames. 0 to `width - 1` of them are masked, each number equally likely.
        seed: int, seed of the random draws. Defaults to None, a random one.

    Example:

    >>> layer = tfsep.layers.TimeMasking(4, seed=0)
    >>> masked = layer(np.ones((1, 10, 33, 1), "float32"), training=True)
    >>> 0 <= int(ops.sum(masked[0, :, 0] == 0)) < 4
    True

    Reference: see `FrequencyMasking`.
    """

    axis = 1
