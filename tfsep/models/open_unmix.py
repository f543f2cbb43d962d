"""Open-Unmix: a recurrent network for each source, on magnitudes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from tfsep.checks import check_integer, check_number
from tfsep.layers import Bidirectional, CentredSTFT, magnitude, wiener_filter
from tfsep.models.separator import Separator

# Frames of a block of the Wiener filter, within which the spatial covariances are constant.
_WIENER_FRAMES = 300


@keras.saving.register_keras_serializable(package="tfsep")
class OpenUnmix(Separator):
    """A recurrent network for the magnitudes of each source, and a Wiener filter.

    Each network scales the lowest `input_bins` of the mixture's magnitudes, applies a dense layer with tanh, LSTMs with
    a skip connection and two dense layers, and estimates a factor of at least 0 for all bins. The magnitudes of the
    sources have the mixture's phase, or pass the Wiener filter in blocks of 300 frames. The loss is the squared error
    of magnitudes.

    As in the original, a song is a single sequence; those of more than four minutes are cut. A mono model separates the
    channels of a song one by one.

    Args:
        sources: names of the sources. Defaults to `("vocals", "drums", "bass", "other")`.
        sample_rate: int, samples per second. Defaults to 44100.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples of a window in training. Defaults to 264600, which is 6 s.
        n_fft: int, samples of a frame. Defaults to 4096.
        hop: int, samples from a frame to the next. Defaults to 1024.
        input_bins: int, number of the lowest bins that the networks receive. Defaults to 1487, up to 16 kHz.
        hidden_size: int, units of the layers, even unless `unidirectional`; 1024 in `umxl`, 256 in `umxse`. Defaults to
            512, as in `umxhq`.
        recurrent_layers: int, number of LSTMs. Defaults to 3.
        unidirectional: bool, use forward LSTMs only. Defaults to False.
        dropout: float, dropout between LSTMs in training. Defaults to 0.4.
        wiener: int, iterations of the Wiener filter, which needs two sources or more. Defaults to 1.
        dtype: Keras dtype or policy of the networks.

    Raises:
        ValueError: if an argument is out of range, or `wiener` is used with a single source.

    Example:

    >>> small = {"n_fft": 256, "hop": 64, "input_bins": 60, "hidden_size": 8, "recurrent_layers": 1}
    >>> model = tfsep.models.OpenUnmix(("vocals", "other"), wiener=0, **small)
    >>> model(np.zeros((1, 5000, 2), "float32"))["vocals"].shape
    TensorShape([1, 5000, 2])

    Reference:

    - [Stöter et al., 2019, Open-Unmix: a reference implementation for music source
      separation](https://doi.org/10.21105/joss.01667)
    """

    batch_size = 1
    overlap = 1 / 24  # of songs that are too long to be one segment
    fixed_context = True

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "drums", "bass", "other"),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 264600,
        n_fft: int = 4096,
        hop: int = 1024,
        input_bins: int = 1487,
        hidden_size: int = 512,
        recurrent_layers: int = 3,
        unidirectional: bool = False,
        dropout: float = 0.4,
        wiener: int = 1,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **{"context": 0, **kwargs})
        check_integer("input_bins", input_bins)
        check_integer("hidden_size", hidden_size)
        check_integer("recurrent_layers", recurrent_layers)
        check_integer("wiener", wiener, least=0)
        check_number("dropout", dropout, least=0, below=1)
        self.stft = CentredSTFT(n_fft, hop)
        if input_bins > self.stft.bins:
            raise ValueError(f"input_bins must be at most n_fft / 2 + 1. Received: input_bins={input_bins}.")
        if hidden_size % 2 and not unidirectional:
            raise ValueError(f"hidden_size must be even for LSTMs both ways. Received: hidden_size={hidden_size}.")
        if wiener and len(self.sources) == 1:
            raise ValueError(f"The Wiener filter needs two sources or more. Received: wiener={wiener} with one source.")
        self.input_bins = input_bins
        self.hidden_size = hidden_size
        self.recurrent_layers = recurrent_layers
        self.unidirectional = bool(unidirectional)
        self.dropout = float(dropout)
        self.wiener = wiener
        self.default_loss = keras.losses.MeanSquaredError()
        self.networks = [
            _Network(self.stft.bins, channels, input_bins, hidden_size, recurrent_layers, unidirectional, dropout,
                     dtype=self.dtype_policy, name=f"network_{index + 1}")
            for index in range(len(self.sources))
        ]  # fmt: skip
        self.built = True

    @property
    def longest_segment(self) -> int:
        """Return the samples up to which a song is a single segment."""
        return 0 if self.in_segments else 240 * self.sample_rate

    def estimate(self, window, training: bool = False) -> dict:
        """Estimate the magnitudes of each source, `[batch, frames, bins, channels]`."""
        magnitudes = magnitude(*self.stft(window))
        factors = (network(magnitudes, training=training) for network in self.networks)
        return {name: factor * magnitudes for name, factor in zip(self.sources, factors, strict=True)}

    def targets(self, sources: dict) -> dict:
        return {name: magnitude(*self.stft(sources[name])) for name in self.sources}

    def synthesize(self, estimates: dict, window) -> dict:
        magnitudes = ops.stack([estimates[name] for name in self.sources], axis=1)
        mixture = self.stft(window)
        if self.wiener:
            parts = self._wiener_in_blocks(magnitudes, mixture)
        else:
            parts = wiener_filter(magnitudes, mixture, iterations=0)
        samples = ops.shape(window)[1]
        return {
            name: self.stft.inverse(*(part[:, index] for part in parts), samples)
            for index, name in enumerate(self.sources)
        }

    def _wiener_in_blocks(self, magnitudes, mixture: tuple) -> list:
        """Apply the Wiener filter block by block, to save memory."""
        frames = ops.shape(magnitudes)[2]
        packed = ops.concatenate([magnitudes, ops.stack(mixture, axis=1)], axis=1)
        # Frames of zeros do not change the result for the others.
        packed = ops.pad(packed, [[0, 0], [0, 0], [0, -frames % _WIENER_FRAMES], [0, 0], [0, 0]])
        count = len(self.sources)
        shape = (-1, count + 2, ops.shape(packed)[2] // _WIENER_FRAMES, _WIENER_FRAMES, self.stft.bins, self.channels)
        blocks = ops.transpose(ops.reshape(packed, shape), (2, 0, 1, 3, 4, 5))

        def filtered(block):
            return ops.stack(wiener_filter(block[:, :count], (block[:, count], block[:, count + 1]), self.wiener))

        parts = ops.transpose(ops.map(filtered, blocks), (1, 2, 3, 0, 4, 5, 6))
        shape = (2, -1, count, ops.shape(packed)[2], self.stft.bins, self.channels)
        parts = ops.reshape(parts, shape)[:, :, :, :frames]
        return [parts[0], parts[1]]

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_fft": self.stft.n_fft,
            "hop": self.stft.hop,
            "input_bins": self.input_bins,
            "hidden_size": self.hidden_size,
            "recurrent_layers": self.recurrent_layers,
            "unidirectional": self.unidirectional,
            "dropout": self.dropout,
            "wiener": self.wiener,
        }


class _Network(layers.Layer):
    """Network from magnitudes `[batch, frames, bins, channels]` to float32 factors of the same shape."""

    def __init__(
        self,
        bins: int,
        channels: int,
        input_bins: int,
        hidden_size: int,
        recurrent_layers: int,
        unidirectional: bool,
        dropout: float,
        **kwargs,
    ):
        super().__init__(**kwargs, autocast=False)
        self.bins = bins
        self.channels = channels
        self.input_bins = input_bins
        policy = {"dtype": self.dtype_policy}
        norm = {"momentum": 0.9, "epsilon": 1e-5, **policy}
        self.input_scaling = _Scaling(input_bins, True, name="input", dtype="float32")
        self.output_scaling = _Scaling(bins, False, name="output", dtype="float32")
        sizes = {1: hidden_size, 2: hidden_size, 3: channels * bins}
        self.dense = [layers.Dense(size, use_bias=False, name=f"fc{n}", **policy) for n, size in sizes.items()]
        self.norms = [layers.BatchNormalization(name=f"bn{n}", **norm) for n in sizes]
        self.recurrent = [
            layers.LSTM(hidden_size, return_sequences=True, name=f"lstm_{n}", **policy)
            if unidirectional
            else Bidirectional("LSTM", hidden_size // 2, name=f"lstm_{n}", **policy)
            for n in range(recurrent_layers)
        ]
        self.dropouts = [layers.Dropout(dropout, name=f"dropout_{n}", **policy) for n in range(recurrent_layers - 1)]
        for dense, size in zip(self.dense, (channels * input_bins, 2 * hidden_size, hidden_size), strict=True):
            dense.build((None, None, size))
        for layer, size in zip(self.norms, sizes.values(), strict=True):
            layer.build((None, None, size))
        for layer in self.recurrent:
            layer.build((None, None, hidden_size))
        self.built = True

    def call(self, magnitudes, training: bool = False):
        frames = ops.shape(magnitudes)[1]
        x = self.input_scaling(ops.transpose(magnitudes[:, :, : self.input_bins], (0, 1, 3, 2)))
        x = ops.cast(ops.reshape(x, (-1, frames, self.channels * self.input_bins)), self.compute_dtype)
        x = ops.tanh(self.norms[0](self.dense[0](x), training=training))
        y = x
        for index, layer in enumerate(self.recurrent):
            y = layer(y, training=training)
            if index < len(self.dropouts):
                y = self.dropouts[index](y, training=training)
        x = ops.concatenate([x, y], axis=-1)
        x = ops.relu(self.norms[1](self.dense[1](x), training=training))
        x = self.norms[2](self.dense[2](x), training=training)
        x = ops.reshape(ops.cast(x, "float32"), (-1, frames, self.channels, self.bins))
        return ops.relu(ops.transpose(self.output_scaling(x), (0, 1, 3, 2)))


class _Scaling(layers.Layer):
    """A shift and a factor for each bin, the last axis."""

    def __init__(self, bins: int, shift_first: bool, **kwargs):
        super().__init__(**kwargs)
        self.shift_first = shift_first
        self.mean = self.add_weight(shape=(bins,), initializer="zeros" if shift_first else "ones", name="mean")
        self.scale = self.add_weight(shape=(bins,), initializer="ones", name="scale")
        self.built = True

    def call(self, inputs):
        return (inputs + self.mean) * self.scale if self.shift_first else inputs * self.scale + self.mean
