"""The deep recurrent network with time-frequency masking."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from tfsep.checks import check_choice, check_integer, check_number
from tfsep.layers import Bidirectional
from tfsep.losses import DiscriminativeMeanSquaredError
from tfsep.models.mask_separator import MaskSeparator, channels_as_examples
from tfsep.models.separator import channel_blocks

# Names of Keras layers, and their options.
CELLS = {
    # Rectified units are unbounded: without a gain below 1 the state would grow with the sequence.
    "rnn": (
        "SimpleRNN",
        {"activation": "relu", "recurrent_initializer": {"class_name": "Orthogonal", "config": {"gain": 0.5}}},
    ),
    "gru": ("GRU", {"reset_after": False}),
    "lstm": ("LSTM", {}),
}


@keras.saving.register_keras_serializable(package="tfsep")
class DRNN(MaskSeparator):
    """Deep recurrent network from the magnitudes of the mixture to a mask for each source.

    Each frame is concatenated with its neighbours; frames at the ends are repeated. Hidden layers of rectified units
    follow, some of them recurrent over time, then a linear layer for each source, and the masks. The defaults are the
    published DRNN-2 with discrimination; `recurrent_layers=()` is its DNN and `(1, 2, 3)` its stacked RNN. Channels are
    separated one by one. A sequence is a window; its state starts at zero.

    The options from `compression` on are later improvements; `CRN` goes further.

    Args:
        sources: names of the sources. Defaults to `("vocals", "accompaniment")`.
        sample_rate: int, samples per second. Defaults to 16000.
        channels: int, channels of the audio. Defaults to 1.
        segment: int, samples estimated at a time, the length of a sequence. Defaults to 51200, 100 frames.
        n_fft: int, samples of a frame. Defaults to 1024.
        hop: int, samples from a frame to the next. Defaults to 512.
        window: str, `"sine"` or `"hann"`. Defaults to `"sine"`.
        context_frames: int, odd: number of frames that are concatenated. Defaults to 3.
        units: int, units of each hidden layer. Defaults to 1000.
        hidden_layers: int, number of hidden layers. Defaults to 3.
        recurrent_layers: numbers of the recurrent layers, from 1. Defaults to `(2,)`.
        cell: str, kind of the recurrent layers: `"rnn"`, with rectified units, `"gru"` or `"lstm"`. Defaults to
            `"rnn"`.
        mask: str, see `tfsep.layers.ratio_masks`. Defaults to `"abs"`.
        binary_mask, spectral_loss: bool, see `MaskSeparator`. Default to False.
        compression: float, exponent of the magnitudes that the network receives; below 1, it raises soft ones. Defaults
            to 1.0.
        normalize_frames: bool, normalize each frame of the network's input. Defaults to False.
        bidirectional: bool, use recurrent layers of both directions with half of the `units` each. Defaults to False.
        residual: bool, add the input of each hidden layer but the first to its output. Defaults to False.
        dropout: float, fraction of dropped units of each hidden layer in training. Defaults to 0.0.
        dtype: Keras dtype or policy of the network.

    Example:

    >>> model = tfsep.models.DRNN(n_fft=256, hop=64, units=8)
    >>> model(np.zeros((1, 5000, 1), "float32"))["vocals"].shape
    TensorShape([1, 5000, 1])

    Reference:

    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf)
    - [Huang, 2014, the published program](https://github.com/posenhuang/deeplearningsourceseparation)
    - [andabi, 2017, Music source separation](https://github.com/andabi/music-source-separation): `hop=256,
      window="hann", context_frames=1, units=256, recurrent_layers=(1, 2, 3), cell="gru", mask="relu"`
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "accompaniment"),
        sample_rate: int = 16000,
        channels: int = 1,
        segment: int = 51200,
        n_fft: int = 1024,
        hop: int = 512,
        window: str = "sine",
        context_frames: int = 3,
        units: int = 1000,
        hidden_layers: int = 3,
        recurrent_layers: Sequence[int] = (2,),
        cell: str = "rnn",
        mask: str = "abs",
        compression: float = 1.0,
        normalize_frames: bool = False,
        bidirectional: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, n_fft, hop, window, mask, **kwargs)
        check_integer("context_frames", context_frames)
        check_integer("units", units)
        check_integer("hidden_layers", hidden_layers)
        if context_frames % 2 == 0:
            raise ValueError(f"context_frames must be odd. Received: context_frames={context_frames}.")
        numbers = range(1, hidden_layers + 1)
        if not isinstance(recurrent_layers, Sequence) or not set(recurrent_layers) <= set(numbers):
            raise ValueError(
                f"recurrent_layers must be some of 1 to hidden_layers={hidden_layers}, such as (2,). "
                f"Received: {recurrent_layers!r}."
            )
        check_choice("cell", cell, CELLS)
        if bidirectional and units % 2:
            raise ValueError(f"units must be even where bidirectional=True. Received: units={units}.")
        check_number("compression", compression, above=0, most=1)
        check_number("dropout", dropout, least=0, below=1)
        self.context_frames = context_frames
        self.units = units
        self.hidden_layers = hidden_layers
        self.recurrent_layers = tuple(recurrent_layers)
        self.cell = cell
        self.compression = float(compression)
        self.normalize_frames = bool(normalize_frames)
        self.bidirectional = bool(bidirectional)
        self.residual = bool(residual)
        self.dropout = float(dropout)
        self.default_loss = DiscriminativeMeanSquaredError()
        self.network = self._network()
        self.built = True

    @property
    def default_learning_rate(self) -> float:
        # At 1e-3, three rectified recurrent layers diverge.
        return 5e-4 if self.cell == "rnn" and len(self.recurrent_layers) > 1 else super().default_learning_rate

    def outputs(self, magnitudes, training: bool) -> Sequence:
        batch, frames, bins = (ops.shape(magnitudes)[axis] for axis in range(3))
        compressed = magnitudes if self.compression == 1 else magnitudes**self.compression
        inputs = with_neighbours(channels_as_examples(compressed), self.context_frames)
        outputs = self.network(ops.cast(inputs, self.compute_dtype), training=training)
        outputs = ops.reshape(outputs, (batch, self.channels, frames, len(self.sources), bins))
        return ops.unstack(ops.transpose(outputs, (3, 0, 2, 4, 1)))

    def _network(self) -> keras.Model:
        dtype, bins = self.dtype_policy, self.stft.bins
        inputs = keras.Input((None, self.context_frames * bins), dtype=dtype.compute_dtype, name="magnitudes")
        x = layers.LayerNormalization(dtype=dtype, name="normalization")(inputs) if self.normalize_frames else inputs
        for number in range(1, self.hidden_layers + 1):
            recurrent = number in self.recurrent_layers
            y = self._recurrent(number)(x) if recurrent else self._dense(number)(x)
            if self.dropout:
                y = layers.Dropout(self.dropout, dtype=dtype, name=f"dropout_{number}")(y)
            x = layers.Add(dtype=dtype, name=f"sum_{number}")([x, y]) if self.residual and number > 1 else y
        # One matrix for the heads of all sources.
        heads = layers.Dense(len(self.sources) * bins, dtype=dtype, name="heads")(x)
        return keras.Model(inputs, heads, name="network")

    def _dense(self, number: int) -> layers.Layer:
        return layers.Dense(self.units, activation="relu", dtype=self.dtype_policy, name=f"hidden_{number}")

    def _recurrent(self, number: int) -> layers.Layer:
        cell, options = CELLS[self.cell]
        common = {"dtype": self.dtype_policy, "name": f"hidden_{number}"}
        if self.bidirectional:
            return Bidirectional(cell, self.units // 2, options, **common)
        return getattr(layers, cell)(self.units, return_sequences=True, **options, **common)

    def source_weights(self) -> dict[str, list[tuple]]:
        return channel_blocks(self.network.get_layer("heads"), self.sources, self.stft.bins)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "context_frames": self.context_frames,
            "units": self.units,
            "hidden_layers": self.hidden_layers,
            "recurrent_layers": list(self.recurrent_layers),
            "cell": self.cell,
            "compression": self.compression,
            "normalize_frames": self.normalize_frames,
            "bidirectional": self.bidirectional,
            "residual": self.residual,
            "dropout": self.dropout,
        }


def with_neighbours(frames, count: int):
    """Concatenate each of the frames `[batch, frames, bins]` with its neighbours: `[batch, frames, count * bins]`.

    The first and the last frame are repeated beyond the ends.
    """
    side, length = count // 2, ops.shape(frames)[1]
    padded = ops.concatenate([*[frames[:, :1]] * side, frames, *[frames[:, -1:]] * side], axis=1)
    return ops.concatenate([padded[:, shift : shift + length] for shift in range(count)], axis=-1)
