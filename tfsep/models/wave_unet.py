"""The Wave-U-Net with sinc resampling, gated convolutions and a transformer as bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from tfsep.checks import check_choice, check_integer
from tfsep.layers import ConvBlock1D, DualPath, ImprovedTransformer, SincDownsampling1D, SincUpsampling1D
from tfsep.models.waveform_separator import WaveformSeparator

# Filters of the first convolution of each level and of the bottleneck.
SIZES = {
    "small": (16, 32, 64, 128, 256, 384),
    "base": (24, 48, 96, 192, 384, 768),
    "seed": (32, 64, 128, 256, 512, 1024),
}
BOTTLENECKS = ("conv", "transformer", "dual_path")

_KERNEL = 5
_FACTOR = 4
_BLOCKS = 2 * (_KERNEL - 1)  # samples that two convolution blocks lose


@keras.saving.register_keras_serializable(package="tfsep")
class WaveUNet(WaveformSeparator):
    """U-Net from the waveform of the mixture to one waveform for each source, with valid convolutions.

    Down: at each level a gated convolution block with a skip connection, a second block with the filters of the next
    level, and resampling to a quarter of the rate. At the bottom a layer over the whole segment. Up: resampling to four
    times the rate, a convolution block, concatenation with the centre of the skip connection, and a second block. A
    linear convolution of one sample gives the waveforms. The network receives the mixture at -20 dB RMS.

    Valid convolutions need samples on both sides of a segment: `context` is 2,728, or 4,776 with the bottleneck
    `"conv"`, for a segment of 132,441 samples or a multiple of 1,024 more or less, and up to 1,023 more for others.

    Args:
        sources: names of the sources. Defaults to `("vocals", "drums", "bass", "other")`.
        sample_rate: int, samples per second. Defaults to 44100.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples estimated at a time. Defaults to 132441, which is 3 s.
        size: str, `"small"`, `"base"` or `"seed"`; or a list of filters, of the first block of each level and of the
            bottleneck, all multiples of 8. Defaults to `"seed"`, `(32, 64, 128, 256, 512, 1024)`.
        bottleneck: str: `"conv"`, a convolution block; `"transformer"`, `tfsep.layers.ImprovedTransformer` with as many
            units as the bottleneck has filters; or `"dual_path"`, `tfsep.layers.DualPath` with a quarter of them.
            Defaults to `"transformer"`.
        recurrent_layers: int, number of LSTMs in the transformer. Defaults to 1.
        dropout: float, dropout of the transformer and the dual path. Defaults to 0.2.
        gated: bool, use gates in the blocks on the way down. Defaults to True.
        resampling_taps: int, length of the resampling filters in samples. Defaults to 21.
        trainable_resampling: bool, train the resampling filters. Defaults to True.
        difference: bool, estimate all sources but the last one, which is the mixture minus the others. Defaults to
            False.
        dtype: Keras dtype or policy of the network.

    Example:

    >>> model = tfsep.models.WaveUNet(size=(8, 8, 8), bottleneck="conv")
    >>> estimates = model(np.zeros((1, 10000, 2), "float32"))  # any length
    >>> estimates["bass"].shape
    TensorShape([1, 10000, 2])

    Reference:

    - [Zongo et al., 2022, DL_project](https://github.com/Alex-Zongo/DL_project)
    - [Stoller, 2019, Wave-U-Net in PyTorch](https://github.com/f90/Wave-U-Net-Pytorch): one model for each source with
      `bottleneck="conv", gated=False, resampling_taps=15, trainable_resampling=False`
    - [Chen et al., 2020, Dual-path transformer network](https://arxiv.org/abs/2007.13975)
    """

    # Windows have their real neighbours as context.
    overlap = 0.0625

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "drums", "bass", "other"),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 132441,
        size: str | Sequence[int] = "seed",
        bottleneck: str = "transformer",
        recurrent_layers: int = 1,
        dropout: float = 0.2,
        gated: bool = True,
        resampling_taps: int = 21,
        trainable_resampling: bool = True,
        difference: bool = False,
        **kwargs,
    ):
        check_choice("bottleneck", bottleneck, BOTTLENECKS)
        self.filters = _filters(size)
        self.bottleneck = bottleneck
        super().__init__(sources, sample_rate, channels, segment, difference, **kwargs)
        check_integer("recurrent_layers", recurrent_layers)
        self.size = size if isinstance(size, str) else self.filters
        self.recurrent_layers = recurrent_layers
        self.dropout = dropout
        self.gated = gated
        self.resampling_taps = resampling_taps
        self.trainable_resampling = trainable_resampling
        self.network = self._network()
        self.built = True

    @property
    def lost(self) -> int:
        return self._lost_samples(len(self.filters) - 1)

    def _lost_samples(self, levels: int) -> int:
        """Return by how many samples the output of the lowest levels is shorter than their input."""
        lost = self._bottom
        for _ in range(levels):
            lost = _FACTOR * lost + 2 * _BLOCKS
        return lost

    @property
    def _bottom(self) -> int:
        return _KERNEL - 1 if self.bottleneck == "conv" else 0

    def input_length(self, samples: int) -> int:
        levels, length = len(self.filters) - 1, samples
        for _ in range(levels):
            # Rounded up; n samples become `_FACTOR * (n - 1) + 1`, less what two blocks lose.
            length = (length + _BLOCKS - 1 + _FACTOR - 1) // _FACTOR + 1
        length += self._bottom
        for _ in range(levels):
            length = _FACTOR * (length - 1) + 1 + _BLOCKS
        return length

    def _network(self) -> keras.Model:
        filters, dtype = self.filters, self.dtype_policy
        resampling = {"taps": self.resampling_taps, "trainable": self.trainable_resampling, "dtype": dtype}
        inputs = keras.Input((None, self.channels), dtype=dtype.compute_dtype, name="mixture")
        x, skips, depth = inputs, [], len(filters) - 1
        for level in range(depth):
            name = f"down_{level + 1}"
            x = ConvBlock1D(filters[level], _KERNEL, self.gated, dtype=dtype, name=f"{name}_block_1")(x)
            skips.append(x)
            x = ConvBlock1D(filters[level + 1], _KERNEL, self.gated, dtype=dtype, name=f"{name}_block_2")(x)
            x = SincDownsampling1D(_FACTOR, name=f"{name}_resample", **resampling)(x)
        x = self._bottleneck(filters[-1])(x)
        for level in reversed(range(depth)):
            name = f"up_{level + 1}"
            x = SincUpsampling1D(_FACTOR, name=f"{name}_resample", **resampling)(x)
            x = ConvBlock1D(filters[level], _KERNEL, gated=False, dtype=dtype, name=f"{name}_block_1")(x)
            crop = self._lost_samples(depth - level) // 2 - (_KERNEL - 1)
            skip = layers.Cropping1D(crop, dtype=dtype, name=f"{name}_crop")(skips[level])
            x = layers.Concatenate(dtype=dtype, name=f"{name}_skip")([skip, x])
            x = ConvBlock1D(filters[level], _KERNEL, gated=False, dtype=dtype, name=f"{name}_block_2")(x)
        # The inputs of the last convolution have a level of one, a source less than 0.1.
        soft = keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform")
        outputs = layers.Conv1D(self.outputs, 1, kernel_initializer=soft, dtype=dtype, name="output")(x)
        return keras.Model(inputs, outputs, name="network")

    def _bottleneck(self, filters: int) -> keras.layers.Layer:
        common = {"dtype": self.dtype_policy, "name": "bottleneck"}
        if self.bottleneck == "conv":
            return ConvBlock1D(filters, _KERNEL, self.gated, **common)
        if self.bottleneck == "transformer":
            return ImprovedTransformer(filters, recurrent_layers=self.recurrent_layers, dropout=self.dropout, **common)
        return DualPath(filters // 4, dropout=self.dropout, **common)

    def get_config(self) -> dict:
        names = (
            "size",
            "bottleneck",
            "recurrent_layers",
            "dropout",
            "gated",
            "resampling_taps",
            "trainable_resampling",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _filters(size: str | Sequence[int]) -> tuple[int, ...]:
    if isinstance(size, str) and size not in SIZES:
        raise ValueError(f"size must be one of {list(SIZES)} or a list of filters. Received: size={size!r}.")
    filters = tuple(SIZES[size] if isinstance(size, str) else size)
    if len(filters) < 3:
        # With fewer levels the shortest input is too short for the resampling.
        raise ValueError(f"size must have the filters of at least two levels and a bottleneck. Received: {size!r}.")
    return filters
