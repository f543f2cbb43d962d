"""The short-time Fourier transform of the oracles, in numpy: models use `tfsep.layers.STFT`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal


@dataclass(frozen=True)
class Stft:
    """An STFT and its inverse, with a hop of half a frame.

    Args:
        window: str, `"hann"` or `"sine"`.
        n_fft: int, length of a frame in samples.
    """

    window: str
    n_fft: int

    def forward(self, audio: np.ndarray) -> np.ndarray:
        """Transform audio `[samples]` to complex `[bins, frames]` of the audio's precision."""
        # scipy shortens its frames for audio of less than one frame.
        padded = np.pad(audio, (0, max(0, self.n_fft - len(audio))))
        return scipy.signal.stft(padded, window=self._samples(), nperseg=self.n_fft)[2]

    def inverse(self, spectrum: np.ndarray, samples: int) -> np.ndarray:
        """Transform complex `[bins, frames]` to audio `[samples]`."""
        return scipy.signal.istft(spectrum, window=self._samples(), nperseg=self.n_fft)[1][:samples]

    def _samples(self):
        if self.window == "sine":
            return np.sin(np.pi * (np.arange(self.n_fft) + 0.5) / self.n_fft)
        return scipy.signal.get_window(self.window, self.n_fft)


SISEC_STFT = Stft("hann", 2048)
