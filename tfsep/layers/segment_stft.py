"""Short-time Fourier transform of signals of a fixed length, with the frames of other projects."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from tfsep.layers.fourier import frame, irfft, overlap_add, rfft


class SegmentSTFT(keras.layers.Layer):
    """STFT of signals of a fixed length, mirrored beyond their ends, and its inverse; float32 under any policy.

    Frames have a periodic Hann window. The inverse divides by the sum of the squared windows.

    Args:
        samples: int, length of the signals, at least `n_fft`.
        n_fft: int, samples of a frame.
        hop: int, samples from a frame to the next.
        centred: bool. True: the `1 + samples // hop` frames are centred on samples `i * hop`, as in `torch.stft` and
            librosa. False: the `ceil(samples / hop)` frames are centred on samples `(i + 1/2) * hop`, and the inverse
            divides as if there were further frames beyond both ends, as in Demucs. Defaults to True.

    Raises:
        ValueError: if `samples` is less than `n_fft`.

    Example:

    >>> stft = tfsep.layers.SegmentSTFT(samples=44100, n_fft=2048, hop=441)
    >>> real, imaginary = stft(np.zeros((1, 44100, 2), "float32"))
    >>> real.shape
    TensorShape([1, 101, 1025, 2])
    """

    def __init__(self, samples: int, n_fft: int, hop: int, centred: bool = True, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if samples < n_fft:
            raise ValueError(f"samples must be at least n_fft={n_fft}. Received: samples={samples}.")
        self.samples = samples
        self.n_fft = n_fft
        self.hop = hop
        self.centred = centred
        self.frames = 1 + samples // hop if centred else -(-samples // hop)
        self._before = n_fft // 2 if centred else (n_fft - hop) // 2
        self._after = max(0, (self.frames - 1) * hop + n_fft - self._before - samples)
        self._window = (np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2).astype("float32")
        self._divisor = self._squared_windows()
        self.built = True

    def call(self, signal):
        """Transform `[batch, samples, channels]` to real and imaginary part, `[batch, frames, bins, channels]` each."""
        signal = ops.transpose(ops.cast(signal, "float32"), (0, 2, 1))
        padded = ops.pad(signal, [[0, 0], [0, 0], [self._before, self._after]], mode="reflect")
        parts = rfft(frame(padded, self.n_fft, self.hop) * self._window)
        return tuple(ops.transpose(part, (0, 2, 3, 1)) for part in parts)

    def inverse(self, real, imaginary):
        """Reconstruct the signals `[batch, samples, channels]`."""
        parts = (ops.transpose(ops.cast(part, "float32"), (0, 3, 1, 2)) for part in (real, imaginary))
        signal = overlap_add(irfft(*parts, self.n_fft) * self._window, self.hop)
        signal = signal[..., self._before : self._before + self.samples] / self._divisor
        return ops.transpose(signal, (0, 2, 1))

    def _squared_windows(self) -> np.ndarray:
        """Sum the squared windows over each sample."""
        squared = np.square(self._window, dtype="float64")
        beyond = 0 if self.centred else -(-self.n_fft // self.hop)
        frames = self.frames + 2 * beyond
        total = np.zeros((frames - 1) * self.hop + self.n_fft)
        for index in range(frames):
            total[index * self.hop :][: self.n_fft] += squared
        return total[beyond * self.hop + self._before :][: self.samples].astype("float32")

    def get_config(self) -> dict:
        facts = {"samples": self.samples, "n_fft": self.n_fft, "hop": self.hop, "centred": self.centred}
        return {**super().get_config(), **facts}
