"""What all models have in common that mask the mixture's spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from tfsep.checks import check_choice
from tfsep.layers import STFT, binary_masks, magnitude, ratio_masks
from tfsep.layers.masks import MASKS
from tfsep.models.separator import Separator


class MaskSeparator(Separator):
    """Base of models that multiply the mixture's magnitudes by a mask for each source, and keep its phase.

    A subclass builds a network and says what it gives for each source (`outputs`). The masks are ratios of these
    over all sources (`tfsep.layers.ratio_masks`), so the estimates add up to the mixture. The loss compares
    magnitudes: masked ones of the mixture, and those of the references. With `spectral_loss` it compares the
    spectrograms themselves, so that it counts what the mixture's phase costs, as SDR does.

    Args:
        sources, sample_rate, channels, segment, dtype: see `Separator`.
        n_fft: int, samples of a frame.
        hop: int, samples from a frame to the next.
        window: `"hann"` or `"sine"`.
        mask: `"abs"`, `"linear"`, `"quadratic"` or `"relu"`; see `tfsep.layers.ratio_masks`.
        binary_mask: bool. At inference, each bin goes whole to the source with the largest mask. Defaults to False.
        spectral_loss: bool. The loss compares complex spectrograms. Defaults to False: magnitudes.
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
        spectral_loss: bool = False,
        **kwargs,
    ):
        # `context` is 0 for these networks and stands in `get_config` of the base.
        super().__init__(sources, sample_rate, channels, segment, **{"context": 0, **kwargs})
        check_choice("mask", mask, MASKS)
        self.mask = mask
        self.binary_mask = bool(binary_mask)
        self.spectral_loss = bool(spectral_loss)
        self.stft = STFT(n_fft, hop, window)

    def outputs(self, magnitudes, training: bool):
        """What the network gives for each source: `[batch, source, frames, bins, channels]`.

        Args:
            magnitudes: float32 `[batch, frames, bins, channels]`, those of a mixture at the model's level.
            training: bool.
        """
        raise NotImplementedError

    def masks(self, magnitudes, training: bool):
        """Masks `[batch, source, frames, bins, channels]`, float32, which add up to one over the sources."""
        return ratio_masks(self.outputs(magnitudes, training), self.mask)

    def estimate(self, window, training: bool = False) -> dict:
        """Masked magnitudes of the mixture, `[batch, frames, bins, channels]` for each source.

        With `spectral_loss` a last axis holds the real and the imaginary part of the masked spectrogram.
        """
        level, gain = self.normalize(window)
        spectrogram = self.stft(level)
        magnitudes = magnitude(*spectrogram)
        masks = self.masks(magnitudes, training)
        if self.binary_mask and not training:
            masks = binary_masks(masks)
        mixture = self._in_domain(spectrogram) * ops.reshape(gain, (-1, *[1] * (3 + self.spectral_loss)))
        if self.spectral_loss:
            masks = ops.expand_dims(masks, -1)
        return {name: masks[:, index] * mixture for index, name in enumerate(self.sources)}

    def targets(self, sources: dict) -> dict:
        return {name: self._in_domain(self.stft(sources[name])) for name in self.sources}

    def synthesize(self, estimates: dict, window) -> dict:
        samples = ops.shape(window)[1]
        if self.spectral_loss:
            parts = {name: (estimates[name][..., 0], estimates[name][..., 1]) for name in self.sources}
        else:
            real, imaginary = self.stft(window)
            masks = {name: estimates[name] / magnitude(real, imaginary) for name in self.sources}
            parts = {name: (mask * real, mask * imaginary) for name, mask in masks.items()}
        return {name: self.stft.inverse(*pair, samples) for name, pair in parts.items()}

    def _in_domain(self, spectrogram: tuple):
        """A spectrogram as the loss sees it."""
        return ops.stack(spectrogram, axis=-1) if self.spectral_loss else magnitude(*spectrogram)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_fft": self.stft.n_fft,
            "hop": self.stft.hop,
            "window": self.stft.window,
            "mask": self.mask,
            "binary_mask": self.binary_mask,
            "spectral_loss": self.spectral_loss,
        }


def channels_as_examples(magnitudes):
    """`[batch, frames, bins, channels]` -> `[batch * channels, frames, bins]`, for a network that hears one channel."""
    frames, bins = ops.shape(magnitudes)[1], ops.shape(magnitudes)[2]
    return ops.reshape(ops.transpose(magnitudes, (0, 3, 1, 2)), (-1, frames, bins))
