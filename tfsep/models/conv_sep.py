"""ConvSep: convolutions over all bins, then over time, and a decoder for each source."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from tfsep.checks import check_integer, check_number
from tfsep.layers import SpectrogramConv2D, SpectrogramConv2DTranspose, ratio_masks
from tfsep.losses import ConvSepLoss
from tfsep.models.mask_separator import MaskSeparator

# Frequency in Hz above which the magnitudes of music fall by about 6 dB per octave.
_CORNER = 100.0


@keras.saving.register_keras_serializable(package="tfsep")
class ConvSep(MaskSeparator):
    """Convolutional network from patches of the magnitudes of the mixture to a mask for each source.

    A "vertical" convolution over all bins captures timbre, a "horizontal" one over frames its evolution in time. A
    dense bottleneck follows, then for each source a dense layer and the transposed convolutions. Dense layers and
    outputs are rectified. The masks of each channel are ratios of these outputs. The defaults are the published stereo
    network; its predecessors were mono, with decoders tied to the encoder.

    A window contains many patches. In training they are side by side; in separation they overlap by half and their
    masks cross-fade. The network receives orthonormal magnitudes of a mixture at -20 dB RMS, raised by 6 dB per octave
    above 100 Hz.

    In the published loss the error of `other` has no weight and is logged as 0; see `tfsep.losses.ConvSepLoss`.

    Args:
        sources: names of the sources. Defaults to `("vocals", "drums", "bass", "other")`.
        sample_rate: int, samples per second. Defaults to 44100.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples estimated at a time. Defaults to 60160, 8 patches.
        n_fft: int, samples of a frame. Defaults to 1024.
        hop: int, samples from a frame to the next. Defaults to 256.
        window: str, `"hann"` or `"sine"`. Defaults to `"hann"`.
        frames: int, frames of a patch. Defaults to 30.
        filters: pair of int, filters of the vertical and of the horizontal convolution. Defaults to `(50, 30)`.
        vertical: int, bins of the vertical kernel. Defaults to None, all of them.
        stride: int, stride of the vertical convolution in bins. Defaults to 1.
        pool: int, size of the max-pooling after the vertical convolution. Defaults to 1.
        horizontal: pair of int, frames and bins of the horizontal kernel. Defaults to `(15, 1)`.
        units: int, units of the bottleneck. Defaults to 128.
        tied: bool, use the kernels of the encoder in the decoders. Defaults to False.
        blocks: int. Above 0, this number of residual convolutions over 3 frames with dilations 1, 2, 4, ... replace the
            bottleneck; all convolutions have batch normalisation and ReLU, and decoders receive the output of the
            vertical one as well. Defaults to 0.
        compression: float, exponent of the magnitudes that the network receives. Defaults to 1.0.
        mask: str, see `tfsep.layers.ratio_masks`. Defaults to `"relu"`.
        binary_mask, spectral_loss: bool, see `MaskSeparator`. Default to False.
        dtype: Keras dtype or policy of the network.

    Example:

    >>> model = tfsep.models.ConvSep(n_fft=256, hop=64, filters=(4, 4), units=8)
    >>> model(np.zeros((1, 5000, 2), "float32"))["bass"].shape
    TensorShape([1, 5000, 2])

    Reference:

    - [Grau, 2018, Stereo source separation with convolutional networks](https://github.com/joangro/PytorchConvSep)
    - [Chandna et al., 2017, Monoaural audio source separation using deep convolutional neural
      networks](https://doi.org/10.1007/978-3-319-53547-0_25), DeepConvSep: `channels=1, hop=512, tied=True` with
      `filters=(50, 50)` for DSD100, or with `filters=(30, 30), vertical=30, stride=3, pool=4, horizontal=(10, 20),
      units=256` for iKala
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "drums", "bass", "other"),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 60160,
        n_fft: int = 1024,
        hop: int = 256,
        window: str = "hann",
        frames: int = 30,
        filters: Sequence[int] = (50, 30),
        vertical: int | None = None,
        stride: int = 1,
        pool: int = 1,
        horizontal: Sequence[int] = (15, 1),
        units: int = 128,
        tied: bool = False,
        blocks: int = 0,
        compression: float = 1.0,
        mask: str = "relu",
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, n_fft, hop, window, mask, **kwargs)
        self.frames = frames
        self.filters = _pair("filters", filters)
        self.vertical = vertical
        self.stride = stride
        self.pool = pool
        self.horizontal = _pair("horizontal", horizontal)
        self.units = units
        self.tied = bool(tied)
        self.blocks = blocks
        self.compression = compression
        self._check()
        self.default_loss = ConvSepLoss(self.sources)
        self._tilt = _tilt(self.stft.bins, n_fft, sample_rate)
        self.network = self._network()
        self.built = True

    def masks(self, magnitudes, training: bool) -> list:
        """Compute a mask `[batch, frames, bins, channels]` for each source.

        Patches are side by side in training; in separation they overlap by half and cross-fade.
        """
        if training:
            return super().masks(magnitudes, training)
        inputs, shifts = self._inputs(magnitudes), (0, self.frames // 2)
        early, late = (ratio_masks(self._outputs(inputs, shift, False), self.mask) for shift in shifts)
        places = [(ops.arange(ops.shape(inputs)[1]) + shift) % self.frames for shift in shifts]
        weights = [ops.cast(ops.minimum(place + 1, self.frames - place), "float32")[:, None, None] for place in places]
        total = weights[0] + weights[1]
        fades = [weight / total for weight in weights]
        return [fades[0] * first + fades[1] * second for first, second in zip(early, late, strict=True)]

    def outputs(self, magnitudes, training: bool) -> Sequence:
        return self._outputs(self._inputs(magnitudes), 0, training)

    def _inputs(self, magnitudes):
        """Return what the network receives of magnitudes."""
        return ops.cast((magnitudes * self._tilt) ** self.compression, self.compute_dtype)

    def _outputs(self, inputs, shift: int, training: bool) -> list:
        """Compute the outputs of patches, the first of which begins `shift` frames before the inputs."""
        batch, total = ops.shape(inputs)[0], ops.shape(inputs)[1]
        padded = ops.pad(inputs, [[0, 0], [shift, -(total + shift) % self.frames], [0, 0], [0, 0]])
        shape = (self.stft.bins, self.channels)
        outputs = self.network(ops.reshape(padded, (-1, self.frames, *shape)), training=training)
        return [ops.reshape(output, (batch, -1, *shape))[:, shift : shift + total] for output in outputs]

    def _network(self) -> keras.Model:
        dtype, bins = self.dtype_policy, self.stft.bins
        inputs = keras.Input((self.frames, bins, self.channels), dtype=dtype.compute_dtype, name="magnitudes")
        vertical = SpectrogramConv2D(
            self.filters[0], (1, self.vertical or bins), (1, self.stride), dtype=dtype, name="vertical"
        )
        horizontal = SpectrogramConv2D(self.filters[1], self.horizontal, dtype=dtype, name="horizontal")
        timbre = pooled = self._activated(vertical(inputs), "vertical")
        if self.pool > 1:
            pooled = layers.MaxPooling2D((1, self.pool), dtype=dtype, name="pool")(timbre)
        course = self._activated(horizontal(pooled), "horizontal")
        code = self._blocks(course) if self.blocks else self._bottleneck(course)
        decoded = []
        for number in range(1, len(self.sources) + 1):
            name = f"decoder_{number}"
            x = self._transposed(horizontal, pooled, name)(self._expanded(code, course, name))
            x = self._activated(x, f"{name}_horizontal")
            x = _unpooled(x, timbre, self.pool)
            if self.blocks:
                x = layers.Add(dtype=dtype, name=f"{name}_skip")([x, timbre])
            decoded.append(self._transposed(vertical, inputs, name)(x))
        return keras.Model(inputs, decoded, name="network")

    def _bottleneck(self, course):
        flat = layers.Flatten(dtype=self.dtype_policy, name="flatten")(course)
        return layers.Dense(self.units, activation="relu", dtype=self.dtype_policy, name="bottleneck")(flat)

    def _blocks(self, x):
        for number in range(self.blocks):
            name = f"block_{number + 1}"
            conv = layers.Conv2D(
                self.filters[1],
                (3, 1),
                dilation_rate=(2**number, 1),
                padding="same",
                dtype=self.dtype_policy,
                name=f"{name}_conv",
            )
            x = layers.Add(dtype=self.dtype_policy, name=name)([x, self._activated(conv(x), name)])
        return x

    def _expanded(self, code, course, name: str):
        """Expand the code for a source to the shape of the horizontal convolution's output."""
        shape = course.shape[1:]
        units = shape[-1] if self.blocks else math.prod(shape)
        dense = layers.Dense(units, activation="relu", dtype=self.dtype_policy, name=f"{name}_dense")
        return layers.Reshape(shape, dtype=self.dtype_policy, name=f"{name}_reshape")(dense(code))

    def _transposed(self, layer: SpectrogramConv2D, given, name: str) -> SpectrogramConv2DTranspose:
        last = layer.name == "vertical"
        return SpectrogramConv2DTranspose(
            given.shape[-1],
            layer.kernel_size,
            layer.strides,
            use_bias=last or not self.tied,
            tied_to=layer if self.tied else None,
            dtype=self.dtype_policy,
            name=f"{name}_{layer.name}",
        )

    def _activated(self, x, name: str):
        """Apply batch normalisation and ReLU; the published convolutions are linear."""
        if not self.blocks:
            return x
        x = layers.BatchNormalization(dtype=self.dtype_policy, name=f"{name}_norm")(x)
        return layers.ReLU(dtype=self.dtype_policy, name=f"{name}_activation")(x)

    def _check(self) -> None:
        for name in ("frames", "stride", "pool", "units"):
            check_integer(name, getattr(self, name))
        check_integer("blocks", self.blocks, least=0)
        bins, vertical = self.stft.bins, self.stft.bins if self.vertical is None else self.vertical
        check_integer("vertical", vertical)
        if vertical > bins:
            raise ValueError(f"vertical must be at most the {bins} bins of a frame. Received: vertical={vertical}.")
        if (bins - vertical) % self.stride:
            raise ValueError(
                f"stride must divide bins - vertical = {bins - vertical}, or bins would be left out. "
                f"Received: stride={self.stride}."
            )
        places = ((bins - vertical) // self.stride + 1) // self.pool
        if self.horizontal[0] > self.frames or self.horizontal[1] > places:
            raise ValueError(
                f"horizontal must be at most {self.frames} frames and {places} places, which frames, vertical, stride "
                f"and pool leave. Received: horizontal={self.horizontal!r}."
            )
        check_number("compression", self.compression, above=0, most=1)

    def source_weights(self) -> dict[str, list[tuple]]:
        # Tied decoders have the encoder's kernels as well.
        encoder = {id(weight) for name in ("vertical", "horizontal") for weight in self.network.get_layer(name).weights}
        return {
            source: [
                (weight, ...)
                for layer in self.network.layers
                if layer.name.startswith(f"decoder_{number}_")
                for weight in layer.weights
                if id(weight) not in encoder
            ]
            for number, source in enumerate(self.sources, start=1)
        }

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "frames": self.frames,
            "filters": list(self.filters),
            "vertical": self.vertical,
            "stride": self.stride,
            "pool": self.pool,
            "horizontal": list(self.horizontal),
            "units": self.units,
            "tied": self.tied,
            "blocks": self.blocks,
            "compression": self.compression,
        }


def _pair(name: str, values: Sequence[int]) -> tuple[int, int]:
    """Check that an argument is a pair of positive integers."""
    if not isinstance(values, Sequence) or len(values) != 2:
        raise ValueError(f"{name} must be a pair of integers. Received: {name}={values!r}.")
    for value in values:
        check_integer(name, value)
    return tuple(values)


def _tilt(bins: int, n_fft: int, sample_rate: int) -> np.ndarray:
    """Return gains `[bins, 1]` with which the bins of music are about equally loud."""
    frequencies = np.arange(bins) * sample_rate / n_fft
    return ((1 + frequencies / _CORNER) / math.sqrt(n_fft)).astype("float32")[:, np.newaxis]


def _unpooled(x, before, pool: int):
    """Undo max-pooling: values return to the places of the largest ones `before`, among zeros."""
    if pool == 1:
        return x
    frames, places, filters = x.shape[1:]
    groups = ops.reshape(before[:, :, : places * pool], (-1, frames, places, pool, filters))
    largest = ops.cast(ops.equal(groups, ops.max(groups, axis=3, keepdims=True)), x.dtype)
    spread = ops.reshape(largest * ops.expand_dims(x, 3), (-1, frames, places * pool, filters))
    return ops.pad(spread, [[0, 0], [0, 0], [0, before.shape[2] - places * pool], [0, 0]])
