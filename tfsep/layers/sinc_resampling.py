"""Resampling by an integer factor with a low-pass filter for each channel."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.checks import check_integer


class _SincResampling1D(keras.layers.Layer):
    """Base: one filter for each channel, initialised as a windowed sinc."""

    def __init__(self, factor: int, taps: int = 21, **kwargs):
        super().__init__(**kwargs)
        check_integer("factor", factor, least=2)
        if taps < 3 or taps % 2 == 0:
            raise ValueError(f"taps must be an odd number of at least 3. Received: taps={taps}.")
        self.factor = factor
        self.taps = taps

    def build(self, input_shape):
        initial = np.repeat(self._initial_filter()[:, np.newaxis], input_shape[-1], axis=1)
        self.filter = self.add_weight(shape=initial.shape, initializer=lambda *_, **__: initial, name="filter")

    def _initial_filter(self) -> np.ndarray:
        return sinc_filter(self.factor, self.taps)

    def get_config(self) -> dict:
        return {**super().get_config(), "factor": self.factor, "taps": self.taps}


@keras.saving.register_keras_serializable(package="tfsep")
class SincDownsampling1D(_SincResampling1D):
    """Apply a low-pass filter to each channel and keep every `factor`-th sample.

    `[batch, n, channels]` becomes `[batch, (n - 1) // factor + 1, channels]`; the ends are reflected. The filters are
    initialised as windowed sincs and trained unless `trainable=False`.

    Args:
        factor: int, at least 2.
        taps: int, odd: length of the filters in samples. The input must be longer than half of it. Defaults to 21.

    Example:

    >>> layer = tfsep.layers.SincDownsampling1D(4)
    >>> layer(np.zeros((1, 101, 2), "float32")).shape
    TensorShape([1, 26, 2])

    Reference:

    - [Stoller, 2019, Wave-U-Net in PyTorch](https://github.com/f90/Wave-U-Net-Pytorch)
    """

    def call(self, inputs):
        length = self.compute_output_shape(ops.shape(inputs))[1]
        channels, half = inputs.shape[-1], (self.taps - 1) // 2
        spare = -self.taps % self.factor
        padded = ops.pad(inputs, [[0, 0], [half, half], [0, 0]], mode="reflect")
        padded = ops.pad(padded[:, : (length - 1) * self.factor + self.taps], [[0, 0], [0, spare], [0, 0]])
        # With `factor` samples as channels, a filter of fewer taps needs no stride.
        rows = (self.taps + spare) // self.factor
        phases = ops.reshape(padded, (-1, length - 1 + rows, self.factor * channels))
        kernel = ops.reshape(
            ops.pad(ops.cast(self.filter, inputs.dtype), [[0, spare], [0, 0]]), (rows, 1, self.factor * channels)
        )
        filtered = ops.reshape(_filter_channels(phases, kernel), (-1, length, self.factor, channels))
        return ops.sum(filtered, axis=2)

    def compute_output_shape(self, input_shape):
        length = input_shape[1]
        return (input_shape[0], None if length is None else (length - 1) // self.factor + 1, input_shape[2])


@keras.saving.register_keras_serializable(package="tfsep")
class SincUpsampling1D(_SincResampling1D):
    """Insert `factor - 1` zeros between samples and apply a low-pass filter to each channel.

    `[batch, n, channels]` becomes `[batch, factor * (n - 1) + 1, channels]`; the ends are reflected. The filters are
    initialised as `factor` times a windowed sinc, which keeps the level; the original lacks the factor. They are
    trained unless `trainable=False`.

    Args:
        factor: int, at least 2.
        taps: int, odd: length of the filters in samples. The input must be longer than `taps / (2 * factor)`. Defaults
            to 21.

    Example:

    >>> layer = tfsep.layers.SincUpsampling1D(4)
    >>> layer(np.zeros((1, 26, 2), "float32")).shape
    TensorShape([1, 101, 2])

    Reference:

    - [Stoller, 2019, Wave-U-Net in PyTorch](https://github.com/f90/Wave-U-Net-Pytorch)
    """

    def _initial_filter(self) -> np.ndarray:
        # The zeros lower the level by the factor.
        return self.factor * super()._initial_filter()

    def call(self, inputs):
        channels, half = inputs.shape[-1], (self.taps - 1) // 2
        before, after = half // self.factor, (half + self.factor - 1) // self.factor
        padded = ops.pad(inputs, [[0, 0], [before, before], [0, 0]], mode="reflect")
        padded = ops.pad(padded, [[0, 0], [0, after - before], [0, 0]])
        # Each of the `factor` outputs between two inputs has its own part of the filter.
        rows = before + after + 1
        left = self.factor * after - half
        right = self.factor * rows - self.taps - left
        kernel = ops.pad(ops.cast(self.filter, inputs.dtype), [[left, right], [0, 0]])
        kernel = ops.flip(ops.reshape(kernel, (rows, self.factor, channels)), axis=0)
        filtered = _filter_channels(padded, kernel)
        length = self.compute_output_shape(ops.shape(inputs))[1]
        return ops.reshape(filtered, (-1, self.factor + length - 1, channels))[:, :length]

    def compute_output_shape(self, input_shape):
        length = input_shape[1]
        return (input_shape[0], None if length is None else (length - 1) * self.factor + 1, input_shape[2])


def sinc_filter(factor: int, taps: int) -> np.ndarray:
    """Design a low-pass filter for `1 / factor` of the rate, a sinc with a Blackman window: float32 `[taps]`, sum 1."""
    time = np.arange(taps) - (taps - 1) / 2
    values = np.sinc(time / factor) * np.blackman(taps)
    return (values / values.sum()).astype(np.float32)


def _filter_channels(signal, kernel):
    """Correlate each channel of `[batch, n, channels]` with filters `[taps, filters, channels]`.

    Returns:
        `[batch, n - taps + 1, filters, channels]`.
    """
    taps, filters, channels = kernel.shape
    length = ops.shape(signal)[1] - taps + 1
    if keras.backend.backend() == "tensorflow":
        # Copies of the signal: several filters for a channel would give an order that needs a transposition.
        filtered = ops.depthwise_conv(
            ops.tile(signal, (1, 1, filters)), ops.reshape(kernel, (taps, -1, 1)), padding="valid"
        )
        return ops.reshape(filtered, (-1, length, filters, channels))
    # XLA, which other backends always use, fuses this sum and is slow with the above.
    return sum(ops.expand_dims(signal[:, tap : tap + length], 2) * kernel[tap] for tap in range(taps))
