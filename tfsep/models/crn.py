"""The convolutional recurrent network: a U-Net over the spectrogram with a recurrent layer at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from tfsep.checks import check_integer, check_number
from tfsep.layers import Bidirectional
from tfsep.models.mask_separator import MaskSeparator, channels_as_examples
from tfsep.models.separator import channel_blocks


@keras.saving.register_keras_serializable(package="tfsep")
class CRN(MaskSeparator):
    """Convolutional recurrent network from the magnitudes of the mixture to a mask for each source.

    The layers of the DRNN have a weight for every bin, which depends on the pitches of the voices in training; here
    convolutions share weights among bins. Down: at each level a convolution that halves frames and bins, and a second
    one below the first level. At the bottom a bidirectional recurrent layer over all bins. Up: a transposed
    convolution, concatenation with the skip connection, and a convolution. Convolutions have batch normalisation and
    leaky ReLUs.

    Args:
        sources: names of the sources. Defaults to `("vocals", "accompaniment")`.
        sample_rate: int, samples per second. Defaults to 16000.
        channels: int, channels of the audio. Defaults to 1.
        segment: int, samples estimated at a time. Frames are filled up to a multiple of 2 to the number of levels, for
            which `frames * hop - n_fft - hop` samples need no filling. Defaults to 62976: 128 frames.
        n_fft: int, samples of a frame. Defaults to 2048.
        hop: int, samples from a frame to the next. Defaults to 512.
        window: str, `"hann"` or `"sine"`. Defaults to `"hann"`.
        input_bins: int, number of the lowest bins that the network receives, a multiple of 2 to the number of levels.
            Bins above have the mask of the highest of these. Little of a voice's energy is above 4 kHz. Defaults to
            `n_fft // 2`, all bins but the highest.
        filters: list of int, filters of the levels, from the top. Defaults to `(16, 32, 64, 96, 128)`.
        units: int, units of the recurrent layer in each direction. Defaults to 128.
        bin_units: int, units of residual layers that are dense over the bins, one after the convolutions of each level
            down and up: features of all bins of a frame, added to each bin. They learn pitches, so that they gain with
            many singers and instruments in training, and lose with few. 0 for none. Defaults to 0.
        dropout: float, fraction of dropped inputs and outputs of the recurrent layer in training. Defaults to 0.0.
        compression: float, exponent of the magnitudes that the network receives; below 1, it raises soft ones. Defaults
            to 0.3.
        mask: str, see `tfsep.layers.ratio_masks`. Defaults to `"softmax"`.
        binary_mask: bool, see `MaskSeparator`. Defaults to False.
        spectral_loss: bool, see `MaskSeparator`. Defaults to True.
        joint: bool, give the network all channels at once, so that it uses where sources are in the stereo field; else
            channels are separated one by one. Defaults to False.
        overlap: float, fraction of a segment that overlaps the next. Defaults to 0.25.
        dtype: Keras dtype or policy of the network.

    Raises:
        ValueError: if `input_bins` cannot be halved at each level, or is more than `n_fft // 2`.

    Example:

    >>> model = tfsep.models.CRN(n_fft=256, hop=64, filters=(2, 4), units=4)
    >>> model(np.zeros((1, 5000, 1), "float32"))["vocals"].shape
    TensorShape([1, 5000, 1])

    Reference:

    - [Tan and Wang, 2018, A convolutional recurrent neural network for real-time speech
      enhancement](https://doi.org/10.21437/Interspeech.2018-1405)
    - [Choi et al., 2020, Investigating U-Nets with various intermediate blocks for spectrogram-based singing voice
      separation](https://arxiv.org/abs/1912.02591), for the layers over the bins
    - [Jansson et al., 2017, Singing voice separation with deep U-Net convolutional
      networks](https://openaccess.city.ac.uk/id/eprint/19289/)
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "accompaniment"),
        sample_rate: int = 16000,
        channels: int = 1,
        segment: int = 62976,
        n_fft: int = 2048,
        hop: int = 512,
        window: str = "hann",
        input_bins: int | None = None,
        filters: Sequence[int] = (16, 32, 64, 96, 128),
        units: int = 128,
        bin_units: int = 0,
        dropout: float = 0.0,
        compression: float = 0.3,
        mask: str = "softmax",
        spectral_loss: bool = True,
        joint: bool = False,
        overlap: float = 0.25,
        **kwargs,
    ):
        super().__init__(
            sources, sample_rate, channels, segment, n_fft, hop, window, mask, spectral_loss=spectral_loss, **kwargs
        )
        if not isinstance(filters, Sequence) or not filters:
            raise ValueError(f"filters must be a sequence, a number for each level. Received: filters={filters!r}.")
        for number in filters:
            check_integer("filters", number)
        check_integer("units", units)
        check_integer("bin_units", bin_units, least=0)
        input_bins = n_fft // 2 if input_bins is None else input_bins
        check_integer("input_bins", input_bins)
        if input_bins % 2 ** len(filters) or input_bins > n_fft // 2:
            raise ValueError(
                f"input_bins must be a multiple of 2 to the number of filters, and n_fft / 2 at most. Received: "
                f"input_bins={input_bins}, filters={filters!r}, n_fft={n_fft}."
            )
        check_number("compression", compression, above=0, most=1)
        check_number("dropout", dropout, least=0, below=1)
        check_number("overlap", overlap, least=0, below=1)
        self.joint = bool(joint)
        self.overlap = float(overlap)
        self.input_bins = input_bins
        self.filters = tuple(filters)
        self.units = units
        self.bin_units = bin_units
        self.dropout = float(dropout)
        self.compression = float(compression)
        self.default_loss = keras.losses.MeanSquaredError()
        self.network = self._network()
        self.built = True

    def outputs(self, magnitudes, training: bool) -> Sequence:
        """Compute the output of the network for each source, of the bins that it receives alone."""
        frames = ops.shape(magnitudes)[1]
        inputs = magnitudes[:, :, : self.input_bins] ** self.compression
        if not self.joint:
            inputs = channels_as_examples(inputs)[..., None]
        padded = ops.pad(inputs, [[0, 0], [0, -frames % 2 ** len(self.filters)], [0, 0], [0, 0]])
        outputs = self.network(ops.cast(padded, self.compute_dtype), training=training)[:, :frames]
        if self.joint:
            return ops.split(outputs, len(self.sources), axis=-1)
        outputs = ops.reshape(outputs, (-1, self.channels, frames, self.input_bins, len(self.sources)))
        return ops.unstack(ops.transpose(outputs, (4, 0, 2, 3, 1)))

    def masks(self, magnitudes, training: bool) -> list:
        above = self.stft.bins - self.input_bins
        return [
            ops.concatenate([mask, ops.repeat(mask[:, :, -1:], above, axis=2)], axis=2)
            for mask in super().masks(magnitudes, training)
        ]

    def _network(self) -> keras.Model:
        dtype = self.dtype_policy
        channels = self.channels if self.joint else 1
        inputs = keras.Input((None, self.input_bins, channels), dtype=dtype.compute_dtype, name="magnitudes")
        x, skips = inputs, []
        for level, filters in enumerate(self.filters):
            skips.append(x)
            x = self._convolution(x, f"down_{level + 1}", filters, 3 if level else 5, strides=2)
            if level:
                x = self._convolution(x, f"down_{level + 1}_second", filters, 3)
            x = self._all_bins(x, f"down_{level + 1}_bins")
        x = layers.Concatenate(dtype=dtype, name="bottom")([x, self._recurrent(x)])
        for level in reversed(range(len(self.filters))):
            name, filters = f"up_{level + 1}", self.filters[max(level - 1, 0)]
            x = self._convolution(x, name, filters, 4, strides=2, kind=layers.Conv2DTranspose)
            x = layers.Concatenate(dtype=dtype, name=f"{name}_skip")([x, skips[level]])
            if level:
                x = self._convolution(x, f"{name}_second", filters, 3)
                x = self._all_bins(x, f"{name}_bins")
        outputs = layers.Conv2D(channels * len(self.sources), 3, padding="same", dtype=dtype, name="output")(x)
        return keras.Model(inputs, outputs, name="network")

    def _convolution(self, x, name: str, filters: int, kernel: int, strides: int = 1, kind=layers.Conv2D):
        dtype = self.dtype_policy
        x = kind(filters, kernel, strides=strides, padding="same", use_bias=False, dtype=dtype, name=name)(x)
        # Averages over about 50 steps: an epoch on few songs is short.
        x = layers.BatchNormalization(momentum=0.98, dtype=dtype, name=f"{name}_norm")(x)
        return layers.LeakyReLU(0.1, dtype=dtype, name=f"{name}_activation")(x)

    def _all_bins(self, x, name: str):
        """Add features of all bins of a frame to each bin: convolutions see some and do not know which."""
        if not self.bin_units:
            return x
        dtype, bins = self.dtype_policy, x.shape[2]
        # Dense layers act on the last axis, where channels are otherwise.
        y = layers.Permute((1, 3, 2), dtype=dtype, name=f"{name}_last")(x)
        y = layers.Dense(self.bin_units, use_bias=False, dtype=dtype, name=f"{name}_code")(y)
        y = layers.BatchNormalization(axis=2, momentum=0.98, dtype=dtype, name=f"{name}_norm")(y)
        y = layers.LeakyReLU(0.1, dtype=dtype, name=f"{name}_activation")(y)
        y = layers.Dense(bins, use_bias=False, dtype=dtype, name=f"{name}_expand")(y)
        y = layers.Permute((1, 3, 2), dtype=dtype, name=f"{name}_third")(y)
        return layers.Add(dtype=dtype, name=name)([x, y])

    def _recurrent(self, x):
        """Compute some features of each place from all bins and frames."""
        dtype, (bins, filters) = self.dtype_policy, x.shape[2:]
        x = layers.Reshape((-1, bins * filters), dtype=dtype, name="flatten")(x)
        x = layers.Dense(2 * self.units, activation="relu", dtype=dtype, name="code")(x)
        x = layers.Dropout(self.dropout, dtype=dtype, name="code_dropout")(x)
        x = Bidirectional("GRU", self.units, dtype=dtype, name="recurrent")(x)
        x = layers.Dropout(self.dropout, dtype=dtype, name="recurrent_dropout")(x)
        features = max(1, filters // 4)
        x = layers.Dense(bins * features, activation="relu", dtype=dtype, name="expand")(x)
        return layers.Reshape((-1, bins, features), dtype=dtype, name="unflatten")(x)

    def source_weights(self) -> dict[str, list[tuple]]:
        return channel_blocks(self.network.get_layer("output"), self.sources, self.channels if self.joint else 1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "input_bins": self.input_bins,
            "filters": list(self.filters),
            "units": self.units,
            "bin_units": self.bin_units,
            "dropout": self.dropout,
            "compression": self.compression,
            "joint": self.joint,
            "overlap": self.overlap,
        }
