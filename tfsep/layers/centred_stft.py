"""Short-time Fourier transform with frames centred on multiples of the hop and mirrored ends."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.layers.fourier import frame, irfft, overlap_add, rfft


class CentredSTFT(keras.layers.Layer):
    """STFT with the frames of `torch.stft` and librosa, and its inverse; float32 under any policy.

    Frame `i` has a periodic Hann window centred on sample `i * hop`. Signals are mirrored beyond their ends; too short
    ones are padded with zeros at the end first. The inverse divides by the sum of the squared windows.

    Args:
        n_fft: int, samples of a frame, a multiple of `hop`.
        hop: int, samples from a frame to the next.

    Raises:
        ValueError: if `n_fft` is odd or not a multiple of `hop`.

    Example:

    >>> stft = tfsep.layers.CentredSTFT(4096, 1024)
    >>> real, imaginary = stft(np.zeros((1, 44100, 2), "float32"))
    >>> real.shape
    TensorShape([1, 44, 2049, 2])
    >>> stft.inverse(real, imaginary, 44100).shape
    TensorShape([1, 44100, 2])
    """

    def __init__(self, n_fft: int, hop: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if hop < 1 or n_fft % hop or n_fft % 2:
            raise ValueError(f"n_fft must be even and a multiple of hop. Received: n_fft={n_fft}, hop={hop}.")
        self.n_fft = n_fft
        self.hop = hop
        self._window = (np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2).astype("float32")
        self.built = True

    @property
    def bins(self) -> int:
        """Number of frequencies."""
        return self.n_fft // 2 + 1

    def call(self, signal):
        """Transform `[batch, samples, channels]` to real and imaginary part, `[batch, frames, bins, channels]` each."""
        signal = ops.transpose(ops.cast(signal, "float32"), (0, 2, 1))
        samples, half = ops.shape(signal)[2], self.n_fft // 2
        maximum = max if isinstance(samples, int) else ops.maximum
        signal = ops.pad(signal, [[0, 0], [0, 0], [0, maximum(0, half + 1 - samples)]])
        signal = ops.pad(signal, [[0, 0], [0, 0], [half, half]], mode="reflect")
        parts = rfft(frame(signal, self.n_fft, self.hop) * self._window)
        return tuple(ops.transpose(part, (0, 2, 3, 1)) for part in parts)

    def inverse(self, real, imaginary, samples: int):
        """Reconstruct `[batch, samples, channels]`; `samples` is the length of the signal that `call` received."""
        parts = (ops.transpose(part, (0, 3, 1, 2)) for part in (real, imaginary))
        frames = irfft(*parts, self.n_fft) * self._window
        squares = ops.ones_like(frames[:1, :1, :, :1]) * self._window**2
        half = self.n_fft // 2
        signal, weight = (overlap_add(part, self.hop)[:, :, half : half + samples] for part in (frames, squares))
        return ops.transpose(signal / weight, (0, 2, 1))

    def get_config(self) -> dict:
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop}
