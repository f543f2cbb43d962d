"""Short-time Fourier transform that reconstructs every sample, also the first and the last."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.checks import check_choice

WINDOWS = ("hann", "sine")

# Power below which a bin's magnitude is not followed down: the slope of a square root at zero is infinite.
_FLOOR = 1e-12


class STFT(keras.layers.Layer):
    """Waveforms to complex spectrograms and back, in float32 under any policy.

    `n_fft` zeros stand on both sides of a signal and further ones up to a whole hop, so that every sample lies in
    all of its frames: without them the edges are not reconstructed.

    Args:
        n_fft: int, samples of a frame and of its transform.
        hop: int, samples from a frame to the next, at most half of `n_fft`.
        window: `"hann"` (periodic) or `"sine"`.

    Raises:
        ValueError: for an unknown window, or a hop of less than one sample or more than half a frame.
    """

    def __init__(self, n_fft: int, hop: int, window: str = "hann", **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        check_choice("window", window, WINDOWS)
        if not 1 <= hop <= n_fft // 2:
            raise ValueError(f"hop must be from 1 to n_fft / 2. Received: hop={hop}, n_fft={n_fft}.")
        self.n_fft = n_fft
        self.hop = hop
        self.window = window
        phase = np.pi * (np.arange(n_fft) + (0.5 if window == "sine" else 0)) / n_fft
        self._window = (np.sin(phase) if window == "sine" else np.sin(phase) ** 2).astype("float32")
        self.built = True

    @property
    def bins(self) -> int:
        """Number of frequencies."""
        return self.n_fft // 2 + 1

    def call(self, signal):
        """`[batch, samples, channels]` -> real and imaginary part, `[batch, frames, bins, channels]` each."""
        signal = ops.cast(signal, "float32")
        samples = ops.shape(signal)[1]
        padded = ops.pad(signal, [[0, 0], [self.n_fft, self.n_fft + (-samples) % self.hop], [0, 0]])
        parts = ops.stft(
            ops.transpose(padded, (0, 2, 1)), self.n_fft, self.hop, self.n_fft, window=self._window, center=False
        )
        return tuple(ops.transpose(part, (0, 2, 3, 1)) for part in parts)

    def inverse(self, real, imaginary, samples: int):
        """The signal `[batch, samples, channels]` of a spectrogram; `samples` is the length that `call` was given."""
        parts = tuple(ops.transpose(part, (0, 3, 1, 2)) for part in (real, imaginary))
        signal = ops.istft(parts, self.n_fft, self.hop, self.n_fft, window=self._window, center=False)
        return ops.transpose(signal, (0, 2, 1))[:, self.n_fft : self.n_fft + samples]

    def get_config(self) -> dict:
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop, "window": self.window}


def magnitude(real, imaginary):
    """Magnitude of a spectrogram, with a finite gradient at silence."""
    return ops.sqrt(ops.square(real) + ops.square(imaginary) + _FLOOR)
