"""What all models have in common that mask the mixture's spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from tfsep.layers import STFT, binary_masks, magnitude, ratio_masks
from tfsep.layers.ratio_masks import MASKS
from tfsep.models.separator import Separator


class MaskSeparator(Separator):
    """Base of models that multiply the mixture's magnitudes by a mask for each source, and keep its phase.

    A subclass builds a network and says what it gives for each source (`outputs`). The masks are ratios of these
    over all sources (`tfsep.layers.ratio_masks`), so the estimates add up to the mixture. The loss compares
    magnitudes: masked ones of the mixture, and those of the references.

    Args:
        sources, sample_rate, channels, segment, dtype: see `Separator`.
        n_fft: int, samples of a frame.
        hop: int, samples from a frame to the next.
        window: `"hann"` or `"sine"`.
        mask: `"abs"`, `"linear"`, `"quadratic"` or `"relu"`; see `tfsep.layers.ratio_masks`.
        binary_mask: bool. At inference, each bin goes whole to the source with the largest mask.
    """

    def __init__(
        self,
        sources: Sequence[str],
        sample_rate: int,
        channels: int,
        segment: int,
        n_fft: int,
        hop: int,
        window: str,
        mask: str,
        binary_mask: bool = False,
        **kwargs,
    ):
        # `context` is 0 for these networks and stands in `get_config` of the base.
        super().__init__(sources, sample_rate, channels, segment, **{"context": 0, **kwargs})
        if mask not in MASKS:
            raise ValueError(f"mask must be one of {MASKS}. Received: mask={mask!r}.")
        self.mask = mask
        self.binary_mask = bool(binary_mask)
        self.stft = STFT(n_fft, hop, window)

    def outputs(self, magnitudes, training: bool):
        """What the network gives for each source: `[batch, source, frames, bins, channels]`.

        Args:
            magnitudes: float32 `[batch, frames, bins, channels]`, those of a mixture at the model's level.
            training: bool.
        """
        raise NotImplementedError

    def estimate(self, window, training: bool = False) -> dict:
        """Masked magnitudes of the mixture, `[batch, frames, bins, channels]` for each source."""
        level, gain = self.normalize(window)
        magnitudes = magnitude(*self.stft(level))
        masks = ratio_masks(self.outputs(magnitudes, training), self.mask)
        if self.binary_mask and not training:
            masks = binary_masks(masks)
        mixture = magnitudes * ops.expand_dims(gain, -1)
        return {name: masks[:, index] * mixture for index, name in enumerate(self.sources)}

    def targets(self, sources: dict) -> dict:
        return {name: magnitude(*self.stft(sources[name])) for name in self.sources}

    def synthesize(self, estimates: dict, window) -> dict:
        real, imaginary = self.stft(window)
        magnitudes = magnitude(real, imaginary)
        samples = ops.shape(window)[1]
        waveforms = {}
        for name in self.sources:
            mask = estimates[name] / magnitudes
            waveforms[name] = self.stft.inverse(mask * real, mask * imaginary, samples)
        return waveforms

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_fft": self.stft.n_fft,
            "hop": self.stft.hop,
            "window": self.stft.window,
            "mask": self.mask,
            "binary_mask": self.binary_mask,
        }
