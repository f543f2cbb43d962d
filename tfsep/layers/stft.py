"""Short-time Fourier transform that reconstructs every sample, the first and the last ones included."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.checks import check_choice
from tfsep.layers.fourier import frame, irfft, overlap_add, rfft

WINDOWS = ("hann", "sine")

# Added to the power of a bin, because the gradient of a square root at zero is infinite.
_FLOOR = 1e-12


class STFT(keras.layers.Layer):
    """STFT with a perfect inverse; float32 under any policy.

    Signals are padded with `n_fft` zeros on both sides, so that all frames of the first and the last samples exist and
    the inverse reconstructs the edges as well.

    To frame signals as `torch.stft` and librosa do, see `CentredSTFT`; for signals of a fixed length and the frames of
    Demucs, `SegmentSTFT`.

    Args:
        n_fft: int, samples of a frame.
        hop: int, samples from a frame to the next, at most half of `n_fft`.
        window: str, `"hann"` (periodic) or `"sine"`. Defaults to `"hann"`.

    Raises:
        ValueError: if `window` is unknown or `hop` is out of range.

    Example:

    >>> stft = tfsep.layers.STFT(1024, 256)
    >>> signal = keras.random.normal((1, 5000, 2))
    >>> real, imaginary = stft(signal)
    >>> real.shape
    TensorShape([1, 25, 513, 2])
    >>> float(ops.max(ops.abs(stft.inverse(real, imaginary, 5000) - signal))) < 1e-5
    True
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
        taper = np.sin(phase) if window == "sine" else np.sin(phase) ** 2
        self._window = taper.astype("float32")
        self._inverse_window = _inverse_window(taper, hop).astype("float32")
        self.built = True

    @property
    def bins(self) -> int:
        """Number of frequencies."""
        return self.n_fft // 2 + 1

    def call(self, signal):
        """Transform `[batch, samples, channels]` to real and imaginary part, `[batch, frames, bins, channels]` each."""
        return tuple(ops.transpose(part, (0, 2, 3, 1)) for part in self.transform(signal))

    def transform(self, signal):
        """Do as `call`, in the order of the FFT, `[batch, channels, frames, bins]`, which takes less time."""
        signal = ops.cast(signal, "float32")
        samples = ops.shape(signal)[1]
        padded = ops.pad(signal, [[0, 0], [self.n_fft, self.n_fft + (-samples) % self.hop], [0, 0]])
        signal = ops.transpose(padded, (0, 2, 1))
        return rfft(frame(signal, self.n_fft, self.hop) * self._window)

    def inverse(self, real, imaginary, samples: int):
        """Reconstruct `[batch, samples, channels]`; `samples` is the length of the signal that `call` received."""
        return self.inverse_transform(*(ops.transpose(part, (0, 3, 1, 2)) for part in (real, imaginary)), samples)

    def inverse_transform(self, real, imaginary, samples: int):
        """Do as `inverse`, from what `transform` returns."""
        signal = overlap_add(irfft(real, imaginary, self.n_fft) * self._inverse_window, self.hop)
        return ops.transpose(signal, (0, 2, 1))[:, self.n_fft : self.n_fft + samples]

    def get_config(self) -> dict:
        return {**super().get_config(), "n_fft": self.n_fft, "hop": self.hop, "window": self.window}


def _inverse_window(taper: np.ndarray, hop: int) -> np.ndarray:
    """Return a window divided by the sum over frames of its squares."""
    hops = -(-len(taper) // hop)
    squares = np.pad(taper**2, (0, hops * hop - len(taper))).reshape(hops, hop).sum(axis=0)
    return taper / np.tile(squares, hops)[: len(taper)]


def magnitude(real, imaginary):
    """Compute the magnitude of a spectrogram, with a finite gradient at silence.

    Args:
        real, imaginary: float tensors of one shape.

    Returns:
        float tensor of that shape, `sqrt(real^2 + imaginary^2 + 1e-12)`.

    Example:

    >>> float(tfsep.layers.magnitude(3.0, 4.0))
    5.0
    """
    return ops.sqrt(ops.square(real) + ops.square(imaginary) + _FLOOR)
