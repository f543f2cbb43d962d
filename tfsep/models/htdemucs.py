"""HTDemucs: a U-Net on the spectrogram and one on the waveform, with a transformer across their innermost layers."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from tfsep.checks import check_integer
from tfsep.layers.activations import gelu
from tfsep.layers.cross_transformer import (
    CrossTransformerLayer,
    layer_normalization,
    time_frequency_table,
    time_table,
)
from tfsep.layers.dconv import DConv, gated
from tfsep.layers.dense import Dense
from tfsep.layers.frequency_embedding import FrequencyEmbedding
from tfsep.layers.segment_stft import SegmentSTFT
from tfsep.models.separator import Separator

_KERNEL, _STRIDE = 8, 4
_EPSILON = 1e-5
_LEAST_VARIANCE = 1e-20


@keras.saving.register_keras_serializable(package="tfsep")
class HTDemucs(Separator):
    """Hybrid transformer Demucs of the published weights `htdemucs`, `htdemucs_ft` and `htdemucs_6s`.

    The spectrogram and the waveform are normalised by their mean and deviation, which is undone in the outputs. The
    loss is the mean absolute error of the waveforms. Songs are separated as by the program Demucs with `shifts=0`,
    which normalizes the whole song first; `model(x)` and exported models do not.

    The network takes one segment at a time: `model(x)` separates longer audio segment by segment and pads the last one
    with zeros. `tfsep.separate` cross-fades overlapping segments.

    Args:
        sources: names of the sources. Defaults to `("drums", "bass", "other", "vocals")`; the published form of six
            sources adds `"guitar"` and `"piano"`.
        sample_rate: int, samples per second. Defaults to 44100.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples estimated at a time. Weights fit any length. Defaults to 343980, 7.8 seconds.
        filters: int, channels of the outermost layers, a multiple of 8; each further layer has twice as many.
            Defaults to 48.
        depth: int, layers of each encoder. Defaults to 4.
        n_fft: int, samples of a frame; the hop is a quarter of it. Defaults to 4096.
        bottom_filters: int, channels of the transformer; 0 for those of the innermost layers, as in the published
            form of six sources. Defaults to 512.
        transformer_layers: int, layers of the transformer, every other one across the branches. Defaults to 5.
        heads: int, heads of attention. Defaults to 8.
        **kwargs: see `Separator`.

    Raises:
        ValueError: if a number is not a positive integer, `heads` does not divide the channels, or there are too few
            bins for the depth.

    Example:

    >>> model = tfsep.models.HTDemucs(segment=4096, filters=8, depth=1, n_fft=256, transformer_layers=1)
    >>> model(np.zeros((1, 4096, 2), "float32"))["bass"].shape
    TensorShape([1, 4096, 2])

    Reference:

    - [Rouard et al., 2022, Hybrid transformers for music source separation](https://arxiv.org/abs/2211.08553)
    """

    overlap = 0.25
    batch_size = 1
    fade = "triangle"
    edges = "centred"
    normalize_song = True
    fixed_length = True
    fixed_context = True

    default_learning_rate = 3e-4

    def __init__(
        self,
        sources: Sequence[str] = ("drums", "bass", "other", "vocals"),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 343980,
        filters: int = 48,
        depth: int = 4,
        n_fft: int = 4096,
        bottom_filters: int = 512,
        transformer_layers: int = 5,
        heads: int = 8,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        sizes = {"filters": filters, "depth": depth, "n_fft": n_fft, "heads": heads}
        for name, value in sizes.items():
            check_integer(name, value)
        check_integer("bottom_filters", bottom_filters, least=0)
        check_integer("transformer_layers", transformer_layers)
        if filters % 8:
            raise ValueError(f"filters must be a multiple of 8. Received: filters={filters}.")
        # The innermost layers must have more bins than their kernels.
        factor = 2 * _STRIDE**depth
        if n_fft % factor or n_fft <= 2 * factor:
            raise ValueError(f"n_fft must be a multiple of {factor} above {2 * factor}. Received: n_fft={n_fft}.")
        width = bottom_filters or filters * 2 ** (depth - 1)
        if width % heads or width % 4:
            raise ValueError(f"heads and 4 must divide the transformer's {width} channels. Received: heads={heads}.")
        self.filters, self.depth, self.n_fft = filters, depth, n_fft
        self.bottom_filters, self.transformer_layers, self.heads = bottom_filters, transformer_layers, heads
        self.default_loss = keras.losses.MeanAbsoluteError()
        self.stft = SegmentSTFT(self.segment, n_fft, n_fft // 4, centred=False)
        self.network = self._network()
        self.built = True

    def estimate(self, window, training: bool = False) -> dict:
        waveform, wave_scale = _normalized(ops.cast(window, "float32"))
        spectrogram, scale = _normalized(self._spectrogram(window))
        inputs = ops.cast(spectrogram, self.compute_dtype), ops.cast(waveform, self.compute_dtype)
        masks, waves = (ops.cast(output, "float32") for output in self.network(inputs, training=training))
        estimates = self._waveforms(scale(masks)) + wave_scale(waves)
        return dict(zip(self.sources, ops.split(estimates, len(self.sources), axis=-1), strict=True))

    def _spectrogram(self, window):
        """Compute `[batch, bins, frames, 2 * channels]`, real and imaginary parts, without the Nyquist bin."""
        parts = ops.stack(self.stft(window), axis=-1)[:, :, : self.n_fft // 2] / self.n_fft**0.5
        parts = ops.transpose(parts, (0, 2, 1, 3, 4))
        return ops.reshape(parts, (-1, self.n_fft // 2, self.stft.frames, 2 * self.channels))

    def _waveforms(self, spectrograms):
        """Invert `_spectrogram` for all sources: `[batch, samples, sources * channels]`."""
        signals = len(self.sources) * self.channels
        parts = ops.reshape(spectrograms, (-1, self.n_fft // 2, self.stft.frames, signals, 2)) * self.n_fft**0.5
        parts = ops.pad(ops.transpose(parts, (0, 2, 1, 3, 4)), [[0, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
        return self.stft.inverse(parts[..., 0], parts[..., 1])

    def _network(self) -> keras.Model:
        """Make the network from a spectrogram and a waveform to those of all sources; names are the original's."""
        spectrogram = keras.Input((self.n_fft // 2, self.stft.frames, 2 * self.channels))
        waveform = keras.Input((self.segment, self.channels))
        # Both branches are `[batch, rows, time, channels]`, where the waveform has one row.
        frequency, time = spectrogram, ops.expand_dims(waveform, 1)
        skips, lengths = [], []
        for index in range(self.depth):
            lengths.append(time.shape[2])
            time = ops.pad(time, [[0, 0], [0, 0], [0, -time.shape[2] % _STRIDE], [0, 0]])
            time = self._encode(time, f"tencoder.{index}", index, (1, _KERNEL), (1, _STRIDE))
            frequency = self._encode(frequency, f"encoder.{index}", index, (_KERNEL, 1), (_STRIDE, 1))
            if not index:
                frequency = FrequencyEmbedding(name="freq_emb.embedding", dtype=self.dtype_policy)(frequency)
            skips.append((frequency, time))
        frequency, time = self._transform(frequency, time)
        for index in range(self.depth):
            skip, time_skip = skips.pop()
            frequency = self._decode(frequency + skip, f"decoder.{index}", index, (_KERNEL, 1), (_STRIDE, 1), 2)
            time = self._decode(time + time_skip, f"tdecoder.{index}", index, (1, _KERNEL), (1, _STRIDE), 1)
            time = time[:, :, : lengths.pop()]
        return keras.Model((spectrogram, waveform), (frequency, ops.squeeze(time, 1)), name="network")

    def _encode(self, inputs, name: str, index: int, kernel: tuple, strides: tuple):
        width, kinds = self.filters * 2**index, {"dtype": self.dtype_policy}
        layer = keras.layers.Conv2D(width, kernel, strides, padding="same", name=f"{name}.conv", **kinds)
        outputs = gelu(layer(inputs))
        outputs = DConv(name=f"{name}.dconv", **kinds)(outputs)
        return gated(Dense(2 * width, name=f"{name}.rewrite", **kinds)(outputs))

    def _decode(self, inputs, name: str, index: int, kernel: tuple, strides: tuple, parts: int):
        width, last, kinds = inputs.shape[-1], index == self.depth - 1, {"dtype": self.dtype_policy}
        context = tuple(3 if rows > 1 else 1 for rows in (inputs.shape[1], 2))
        layer = keras.layers.Conv2D(2 * width, context, padding="same", name=f"{name}.rewrite", **kinds)
        outputs = DConv(name=f"{name}.dconv", **kinds)(gated(layer(inputs)))
        filters = len(self.sources) * self.channels * parts if last else width // 2
        layer = keras.layers.Conv2DTranspose(filters, kernel, strides, padding="same", name=f"{name}.conv_tr", **kinds)
        return layer(outputs) if last else gelu(layer(outputs))

    def _transform(self, frequency, time):
        """Apply the transformer across both branches."""
        (_, rows, frames, width), length = frequency.shape, time.shape[2]
        tokens = ops.reshape(ops.transpose(frequency, (0, 2, 1, 3)), (-1, frames * rows, width))
        branches = {"": tokens, "_t": ops.squeeze(time, 1)}
        inner, kinds = self.bottom_filters or width, {"dtype": self.dtype_policy}
        tables = {"": time_frequency_table(frames, rows, inner), "_t": time_table(length, inner)}
        for end, branch in branches.items():
            if self.bottom_filters:
                branch = Dense(inner, name=f"channel_upsampler{end}", **kinds)(branch)
            branch = layer_normalization(f"crosstransformer.norm_in{end}", **kinds)(branch)
            branches[end] = branch + ops.cast(tables[end], branch.dtype)
        for index in range(self.transformer_layers):
            cross = index % 2 == 1
            layers = {
                end: CrossTransformerLayer(self.heads, cross, name=f"crosstransformer.layers{end}.{index}", **kinds)
                for end in branches
            }
            others = {"": branches["_t"], "_t": branches[""]}
            branches = {
                end: layer(branches[end], others[end]) if cross else layer(branches[end])
                for end, layer in layers.items()
            }
        if self.bottom_filters:
            for end, branch in branches.items():
                branches[end] = Dense(width, name=f"channel_downsampler{end}", **kinds)(branch)
        tokens = ops.transpose(ops.reshape(branches[""], (-1, frames, rows, width)), (0, 2, 1, 3))
        return tokens, ops.expand_dims(branches["_t"], 1)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["context"]
        names = ("filters", "depth", "n_fft", "bottom_filters", "transformer_layers", "heads")
        return {**config, **{name: getattr(self, name) for name in names}}


def _normalized(inputs):
    """Normalize examples to mean 0 and deviation 1; return them and the inverse function."""
    axes = tuple(range(1, len(inputs.shape)))
    count = 1
    for axis in axes:
        count *= inputs.shape[axis]
    mean, variance = ops.moments(inputs, axes=axes, keepdims=True)
    # The floor keeps the gradient of the root finite at silence.
    deviation = ops.sqrt(ops.maximum(variance * (count / (count - 1)), _LEAST_VARIANCE))
    return (inputs - mean) / (deviation + _EPSILON), lambda outputs: outputs * deviation + mean
