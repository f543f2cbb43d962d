"""Spleeter: a two-dimensional U-Net on magnitudes for each source."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from tfsep.checks import check_choice, check_integer
from tfsep.layers import STFT, SubpixelConv2DTranspose, magnitude
from tfsep.layers.wiener import wiener_filter
from tfsep.models.separator import Separator

ACTIVATIONS = ("relu", "elu")
EXTENSIONS = ("zeros", "average")
_DEPTH = 6
# Frames that extend beyond one end of a window.
_EDGE = 4
_MASK_FLOOR = 1e-10
_SCALE = 1024.0
# That of norbert for spectrograms in single precision.
_WIENER_FLOOR = 2.0**-23


@keras.saving.register_keras_serializable(package="tfsep")
class Spleeter(Separator):
    """A U-Net for the magnitudes of each source, and masks that are ratios of their squares.

    Each network receives the magnitudes of the lowest `bins`: six strided convolutions down, six transposed ones up,
    with skip connections from the raw convolutions, and a dilated convolution at the end. As in the original's
    training, batch normalisation always uses its stored statistics, and there is no dropout. The loss is the absolute
    error of the magnitudes of the lowest `bins`.

    As in the original, a song is preceded by `n_fft` zeros and cut into blocks of the frames of a segment, which do not
    overlap. `model(x)` and `tfsep.separate` give the same estimates.

    Args:
        sources: names of the sources. Defaults to `("vocals", "accompaniment")`.
        sample_rate: int, samples per second. Defaults to 44100.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples estimated at a time, a multiple of the hop. Defaults to 527360, 512 frames.
        n_fft: int, samples of a frame, a multiple of 4; the hop is a quarter of it. Defaults to 4096.
        bins: int, number of the lowest bins that the networks receive, a multiple of 64. Defaults to 1024, up to 11
            kHz.
        filters: int, filters of the first convolution; each further one has twice as many. Defaults to 16.
        activation: str, `"relu"` (with a slope of 0.2 on the way down) as in the published model of two sources, or
            `"elu"` as in those of four and five. Defaults to `"relu"`.
        softmax: bool, apply a softmax over the sources instead of sigmoids, as in the published model of five sources.
            Defaults to False.
        extension: str, masks above `bins`: `"average"`, the mean of the mask below, or `"zeros"`, as in the original's
            published configurations. Defaults to `"average"`.
        wiener: int, iterations of the multichannel Wiener filter (`tfsep.layers.wiener_filter`), which replaces the
            masks if above 0. Estimates are then zero above `bins`, and the filter takes a song as a whole, as in the
            original, but minute by minute if it is longer than that. Defaults to 0.
        dtype: Keras dtype or policy of the networks.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> model = tfsep.models.Spleeter(n_fft=256, bins=64, filters=2, segment=4096)
    >>> model(np.zeros((1, 5000, 2), "float32"))["vocals"].shape
    TensorShape([1, 5000, 2])

    Reference:

    - [Hennequin et al., 2020, Spleeter: a fast and efficient music source separation tool with pre-trained
      models](https://doi.org/10.21105/joss.02154)
    """

    # A segment is long enough to keep all cores busy.
    batch_size = 1
    fixed_context = True

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "accompaniment"),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 527360,
        n_fft: int = 4096,
        bins: int = 1024,
        filters: int = 16,
        activation: str = "relu",
        softmax: bool = False,
        extension: str = "average",
        wiener: int = 0,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        check_integer("n_fft", n_fft, least=4)
        check_integer("filters", filters)
        check_integer("wiener", wiener, least=0)
        if n_fft % 4:
            raise ValueError(f"n_fft must be a multiple of 4. Received: n_fft={n_fft}.")
        if segment % (n_fft // 4) or segment < n_fft:
            raise ValueError(
                f"segment must be a multiple of the hop {n_fft // 4}, and n_fft={n_fft} or more. Received: "
                f"segment={segment}."
            )
        if bins not in range(2**_DEPTH, n_fft // 2 + 2, 2**_DEPTH):
            raise ValueError(f"bins must be a multiple of 64 up to n_fft / 2. Received: bins={bins}, n_fft={n_fft}.")
        check_choice("activation", activation, ACTIVATIONS)
        check_choice("extension", extension, EXTENSIONS)
        self.stft = STFT(n_fft, n_fft // 4)
        self.bins = bins
        self.filters = filters
        self.activation = activation
        self.softmax = bool(softmax)
        self.extension = extension
        self.wiener = wiener
        self.frames = (self.segment - n_fft) // self.stft.hop + 1
        self.default_loss = keras.losses.MeanAbsoluteError()
        self.networks = [
            _network(bins, channels, filters, activation, self.dtype_policy, f"network_{index + 1}")
            for index in range(len(self.sources))
        ]
        self.built = True

    @property
    def fade(self) -> str:
        """Return how segments are joined: as frames that overlap, unless the Wiener filter is used."""
        return "overlap" if self.wiener else "frames"

    @property
    def lead(self) -> int:
        """Return the zeros before a song in samples, one frame."""
        return 0 if self.wiener else self.stft.n_fft

    @property
    def overlap(self) -> float:
        """Return the fraction of a segment that its last frames share with the first ones of the next segment."""
        return 1 / 12 if self.wiener else 1 - self.frames * self.stft.hop / self.segment

    @property
    def longest_segment(self) -> int:
        """Return the samples up to which the Wiener filter takes a song as a whole."""
        return 60 * self.sample_rate if self.wiener and not self.in_segments else 0

    @property
    def segment_step(self) -> int:
        """Return the hop, of which a segment is a multiple."""
        return self.stft.hop

    def separate_window(self, window) -> dict:
        return self(window, training=False) if self.wiener else super().separate_window(window)

    def estimate(self, window, training: bool = False) -> dict:
        """Estimate the magnitudes of each source below `bins`, `[batch, frames, bins, channels]`."""
        outputs = self._outputs(self._magnitudes(self._inner_frames(window)))
        return {name: outputs[:, index] for index, name in enumerate(self.sources)}

    def targets(self, sources: dict) -> dict:
        return {name: self._magnitudes(self._inner_frames(sources[name])) for name in self.sources}

    def synthesize(self, estimates: dict, window) -> dict:
        """Convert magnitudes to waveforms, which fade over the first and the last frames of the window."""
        outputs = ops.stack([estimates[name] for name in self.sources], axis=1)
        separated = self._separate(outputs, self._inner_frames(window))
        edge = [[0, 0], [0, 0], [0, 0], [_EDGE, _EDGE], [0, 0]]
        samples = (ops.shape(outputs)[2] + _EDGE - 1) * self.stft.hop
        return self._waveforms((ops.pad(part, edge) for part in separated), samples, ops.shape(window)[1])

    def call(self, inputs, training: bool | None = None, **options) -> dict:
        if training or any(options.values()):
            return super().call(inputs, training=training, **options)
        spectrogram = self.stft.transform(inputs)
        separated = self._separate(self._outputs_of_blocks(self._magnitudes(spectrogram)), spectrogram)
        samples = ops.shape(inputs)[1]
        return self._waveforms(separated, samples, samples)

    def _inner_frames(self, window) -> tuple:
        """Compute the spectrogram of a window from the frames inside it, `[batch, channels, frames, bins]`."""
        samples = ops.shape(window)[1]
        maximum = max if isinstance(samples, int) else ops.maximum
        short = maximum(self.stft.n_fft - samples, -samples % self.stft.hop)
        padded = ops.pad(window, [[0, 0], [0, short], [0, 0]])
        return tuple(part[:, :, _EDGE:-_EDGE] for part in self.stft.transform(padded))

    def _magnitudes(self, spectrogram: tuple):
        """Return the magnitudes below `bins`, `[batch, frames, bins, channels]`."""
        return ops.transpose(magnitude(*(part[..., : self.bins] for part in spectrogram)), (0, 2, 3, 1))

    def _outputs(self, magnitudes):
        """Estimate the magnitudes of all sources `[batch, source, frames, bins, channels]`."""
        frames = ops.shape(magnitudes)[1]
        padded = ops.pad(magnitudes, [[0, 0], [0, -frames % 2**_DEPTH], [0, 0], [0, 0]])
        inputs = ops.cast(padded, self.compute_dtype)
        # The original was trained with the stored statistics as well.
        logits = ops.stack([network(inputs, training=False) for network in self.networks], axis=1)
        logits = ops.cast(logits[:, :, :frames], "float32")
        shares = ops.softmax(logits, axis=1) if self.softmax else ops.sigmoid(logits)
        return shares * ops.expand_dims(magnitudes, 1)

    def _outputs_of_blocks(self, magnitudes):
        """Estimate the magnitudes for any number of frames, block by block to save memory."""
        frames = ops.shape(magnitudes)[1]
        padded = ops.pad(magnitudes, [[0, 0], [0, -frames % self.frames], [0, 0], [0, 0]])
        blocks = ops.reshape(padded, (-1, ops.shape(padded)[1] // self.frames, self.frames, self.bins, self.channels))
        outputs = ops.transpose(ops.map(self._outputs, ops.swapaxes(blocks, 0, 1)), (1, 2, 0, 3, 4, 5))
        return ops.reshape(outputs, (-1, len(self.sources), ops.shape(padded)[1], *outputs.shape[4:]))[:, :, :frames]

    def _separate(self, outputs, spectrogram: tuple) -> list:
        """Separate the spectrogram of the mixture, given the networks' outputs.

        Returns:
            Real and imaginary part, `[batch, source, channels, frames, bins]`.
        """
        above = [[0, 0], [0, 0], [0, 0], [0, 0], [0, self.stft.bins - self.bins]]
        outputs = ops.transpose(outputs, (0, 1, 4, 2, 3))
        if self.wiener:
            magnitudes, *mixture = (ops.moveaxis(part, -3, -1) for part in (ops.pad(outputs, above), *spectrogram))
            parts = wiener_filter(magnitudes, tuple(mixture), self.wiener, softmask=True, eps=_WIENER_FLOOR)
            return [ops.moveaxis(part, -1, -3) for part in parts]
        # Scaled, for the floor would be zero in half precision, in which LiteRT can store constants.
        squares, total = ops.square(_SCALE * outputs), _SCALE**2 * _MASK_FLOOR
        masks = (squares + total / len(self.sources)) / (ops.sum(squares, axis=1, keepdims=True) + total)
        mixture = [ops.expand_dims(part, 1) for part in spectrogram]
        parts = [masks * part[..., : self.bins] for part in mixture]
        if self.extension == "zeros":
            return [ops.pad(part, above) for part in parts]
        average = ops.mean(masks, axis=-1, keepdims=True)
        return [
            ops.concatenate([part, average * whole[..., self.bins :]], axis=-1)
            for part, whole in zip(parts, mixture, strict=True)
        ]

    def _waveforms(self, separated, samples: int, length: int) -> dict:
        """Convert spectrograms of all sources at once to waveforms of `samples`, the first `length` of which count."""
        parts = [ops.reshape(part, (-1, len(self.sources) * self.channels, *ops.shape(part)[3:])) for part in separated]
        waveforms = self.stft.inverse_transform(*parts, samples)[:, :length]
        waveforms = ops.reshape(waveforms, (-1, ops.shape(waveforms)[1], len(self.sources), self.channels))
        return {name: waveforms[:, :, index] for index, name in enumerate(self.sources)}

    def describe_any_length(self) -> dict:
        if self.wiener:
            return self.describe()
        # The zeros before a song are added by the model itself.
        segment = max(1, self.frames - _EDGE - 1) * self.stft.hop
        return {**self.describe(), "segment": segment, "overlap": 0.25, "fade": "overlap", "lead": 0}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "n_fft": self.stft.n_fft,
            "bins": self.bins,
            "filters": self.filters,
            "activation": self.activation,
            "softmax": self.softmax,
            "extension": self.extension,
            "wiener": self.wiener,
        }


def _network(bins: int, channels: int, filters: int, activation: str, dtype, name: str) -> keras.Model:
    """Make a network from magnitudes `[batch, frames, bins, channels]` to logits of the same shape."""

    def activated(x, slope: float, place: str):
        if activation == "elu":
            return layers.Activation("elu", dtype=dtype, name=f"{name}_{place}_activation")(x)
        return layers.LeakyReLU(slope, dtype=dtype, name=f"{name}_{place}_activation")(x)

    def norm(x, place: str):
        return layers.BatchNormalization(dtype=dtype, name=f"{name}_{place}_norm")(x)

    options = {"padding": "same", "kernel_initializer": "he_uniform", "dtype": dtype}
    inputs = x = keras.Input((None, bins, channels), dtype=dtype.compute_dtype, name="magnitudes")
    skips = []
    for level in range(_DEPTH):
        place = f"down_{level + 1}"
        x = layers.Conv2D(filters * 2**level, 5, 2, name=f"{name}_{place}", **options)(x)
        skips.append(x)
        if level < _DEPTH - 1:
            x = activated(norm(x, place), 0.2, place)
    x = skips.pop()
    for level in range(_DEPTH):
        place = f"up_{level + 1}"
        if level:
            x = layers.Concatenate(dtype=dtype, name=f"{name}_{place}_skip")([skips.pop(), x])
        if level < _DEPTH - 1:
            x = layers.Conv2DTranspose(filters * 2 ** (_DEPTH - 2 - level), 5, 2, name=f"{name}_{place}", **options)(x)
        else:
            x = SubpixelConv2DTranspose(1, name=f"{name}_{place}", **options)(x)
        x = norm(activated(x, 0.0, place), place)
    logits = layers.Conv2D(channels, 4, dilation_rate=2, name=f"{name}_last", **options)(x)
    return keras.Model(inputs, logits, name=name)
