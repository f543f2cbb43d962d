"""Base of the models that mask the spectrogram of the mixture."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from tfsep.checks import check_choice
from tfsep.layers import STFT, binary_masks, magnitude, ratio_masks
from tfsep.layers.masks import MASKS
from tfsep.models.separator import Separator


class MaskSeparator(Separator):
    """Base of models that multiply the spectrogram of the mixture by a mask for each source.

    A subclass builds a network and defines its output for each source (`outputs`). The masks are ratios of these
    outputs (`tfsep.layers.ratio_masks`), so that the estimates add up to the mixture. The loss compares the masked
    magnitudes of the mixture with the magnitudes of the references. With `spectral_loss` it compares complex
    spectrograms, and includes the error of the mixture's phase as SDR does.

    Args:
        sources, sample_rate, channels, segment, dtype: see `Separator`.
        n_fft: int, samples of a frame.
        hop: int, samples from a frame to the next.
        window: str, `"hann"` or `"sine"`.
        mask: str, `"abs"`, `"linear"`, `"quadratic"`, `"relu"` or `"softmax"`; see `tfsep.layers.ratio_masks`.
        binary_mask: bool, assign each bin to the source with the largest mask at inference. Defaults to False.
        spectral_loss: bool, compare complex spectrograms in the loss. Defaults to False, magnitudes.

    Example:

    >>> class Crossover(tfsep.models.MaskSeparator):
    ...     def outputs(self, magnitudes, training):
    ...         low = ops.ones_like(magnitudes) * np.less(range(self.stft.bins), 8)[:, None]
    ...         return [low, 1 - low]
    >>> model = Crossover(("bass", "rest"), 8000, 1, segment=4096, n_fft=256, hop=64, window="hann", mask="abs")
    >>> model(np.zeros((1, 5000, 1), "float32"))["bass"].shape
    TensorShape([1, 5000, 1])
    """

    fixed_context = True

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
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        check_choice("mask", mask, MASKS)
        self.mask = mask
        self.binary_mask = bool(binary_mask)
        self.spectral_loss = bool(spectral_loss)
        self.stft = STFT(n_fft, hop, window)

    def outputs(self, magnitudes, training: bool) -> Sequence:
        """Compute the output of the network for each source.

        Args:
            magnitudes: float32 `[batch, frames, bins, channels]`, of a mixture at the level of the network.
            training: bool, whether the model is trained.

        Returns:
            float tensor `[batch, frames, bins, channels]` for each source.
        """
        raise NotImplementedError

    def masks(self, magnitudes, training: bool) -> list:
        """Compute a float32 mask `[batch, frames, bins, channels]` for each source; they add up to one."""
        return ratio_masks(self.outputs(magnitudes, training), self.mask)

    def estimate(self, window, training: bool = False) -> dict:
        """Return masked magnitudes of the mixture, `[batch, frames, bins, channels]` for each source.

        With `spectral_loss`, return masked spectrograms, with real and imaginary part as a last axis.
        """
        level, gain = self.normalize(window)
        spectrogram = self.stft(level)
        masks = self._masks(magnitude(*spectrogram), training)
        if self.spectral_loss:
            masks = [ops.expand_dims(mask, -1) for mask in masks]
        mixture = self._in_domain(spectrogram) * ops.reshape(gain, (-1, *[1] * (3 + self.spectral_loss)))
        return {name: mask * mixture for name, mask in zip(self.sources, masks, strict=True)}

    def separate_window(self, window) -> dict:
        # As `synthesize` of `estimate`, without the domain of the loss and in the order of the FFT.
        window = ops.cast(self._checked(window), "float32")
        level, gain = self.normalize(window)
        spectrogram = self.stft.transform(level)
        masks = self._masks(ops.transpose(magnitude(*spectrogram), (0, 2, 3, 1)), training=False)
        mixture = [part * ops.reshape(gain, (-1, 1, 1, 1)) for part in spectrogram]
        samples = ops.shape(window)[1]

        def separated(mask):
            mask = ops.transpose(mask, (0, 3, 1, 2))
            return self.stft.inverse_transform(*(mask * part for part in mixture), samples)

        *names, last = self.sources
        separate = {name: separated(mask) for name, mask in zip(names, masks[:-1], strict=True)}
        # The masks add up to one, so the last source needs no transform.
        return {**separate, last: window - sum(separate.values())}

    def _masks(self, magnitudes, training: bool) -> list:
        """Compute the masks that are applied."""
        masks = self.masks(magnitudes, training)
        return binary_masks(masks) if self.binary_mask and not training else masks

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
        """Bring a spectrogram to the domain of the loss."""
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
    """Make examples of channels, for a network of one channel: `[batch * channels, frames, bins]`."""
    frames, bins = ops.shape(magnitudes)[1], ops.shape(magnitudes)[2]
    return ops.reshape(ops.transpose(magnitudes, (0, 3, 1, 2)), (-1, frames, bins))
