"""Transformer layers within chunks of a sequence and across chunks, in turn."""

from __future__ import annotations

import keras
from keras import layers, ops

from tfsep.layers.improved_transformer import ImprovedTransformer


@keras.saving.register_keras_serializable(package="tfsep")
class DualPath(keras.layers.Layer):
    """Dual-path transformer: layers within chunks that overlap by half, and layers across all chunks, in turn.

    A dense layer projects the input to `units` channels before it is cut. The chunks are overlap-added, projected back
    to the channels of the input and added to it. `[batch, n, channels]` keeps its shape.

    Args:
        units: int, channels of the chunks, and units of the LSTMs in each direction.
        chunk: int, even: steps of a chunk. Defaults to 16.
        pairs: int, number of pairs of a layer within chunks and one across. Defaults to 2.
        heads: int, heads of attention, which divide `units`. Defaults to 4.
        dropout: float, see `ImprovedTransformer`. Defaults to 0.2.

    Raises:
        ValueError: if `chunk` is odd.

    Example:

    >>> layer = tfsep.layers.DualPath(8, chunk=4, pairs=1)
    >>> layer(np.zeros((1, 50, 6), "float32")).shape
    TensorShape([1, 50, 6])

    Reference:

    - [Chen et al., 2020, Dual-path transformer network](https://arxiv.org/abs/2007.13975)
    """

    def __init__(self, units: int, chunk: int = 16, pairs: int = 2, heads: int = 4, dropout: float = 0.2, **kwargs):
        super().__init__(**kwargs)
        if chunk < 2 or chunk % 2:
            raise ValueError(f"chunk must be an even number of at least 2. Received: chunk={chunk}.")
        self.units = units
        self.chunk = chunk
        self.pairs = pairs
        self.heads = heads
        self.dropout = dropout

    def build(self, input_shape):
        dtype = self.dtype_policy
        inner_shape = (None, None, self.units)
        self.enter = layers.Dense(self.units, dtype=dtype, name="enter")
        self.enter.build(input_shape)
        self.within, self.across = [], []
        for path, name in ((self.within, "within"), (self.across, "across")):
            for index in range(self.pairs):
                path.append(
                    ImprovedTransformer(
                        self.units, self.heads, dropout=self.dropout, dtype=dtype, name=f"{name}_{index + 1}"
                    )
                )
                path[-1].build(inner_shape)
        self.activation = layers.PReLU(shared_axes=[1], dtype=dtype, name="activation")
        self.activation.build(inner_shape)
        self.leave = layers.Dense(input_shape[-1], dtype=dtype, name="leave")
        self.leave.build(inner_shape)

    def call(self, inputs, training: bool = False):
        chunks = to_chunks(self.enter(inputs), self.chunk)
        for within, across in zip(self.within, self.across, strict=True):
            chunks = _along(chunks, within, training)
            chunks = _turned(_along(_turned(chunks), across, training))
        outputs = from_chunks(chunks, ops.shape(inputs)[1])
        return inputs + self.leave(self.activation(outputs))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        names = ("units", "chunk", "pairs", "heads", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def to_chunks(sequence, chunk: int):
    """Cut `[batch, n, channels]` into `[batch, chunks, chunk, channels]`, with each step in two chunks."""
    hop, channels = chunk // 2, sequence.shape[-1]
    hops = -(-ops.shape(sequence)[1] // hop) + 2
    missing = hops * hop - hop - ops.shape(sequence)[1]
    halves = ops.reshape(ops.pad(sequence, [[0, 0], [hop, missing], [0, 0]]), (-1, hops, hop, channels))
    return ops.concatenate([halves[:, :-1], halves[:, 1:]], axis=2)


def from_chunks(chunks, length: int):
    """Join chunks to `[batch, length, channels]`: the mean of the two values of each step."""
    hop, channels = chunks.shape[2] // 2, chunks.shape[3]
    # The first half chunk and the last lie beyond the sequence.
    halves = 0.5 * (chunks[:, :-1, hop:] + chunks[:, 1:, :hop])
    return ops.reshape(halves, (-1, ops.shape(halves)[1] * hop, channels))[:, :length]


def _along(chunks, layer, training: bool):
    """Apply a layer along the third axis, with the second one as part of the batch."""
    count, size, channels = ops.shape(chunks)[1], ops.shape(chunks)[2], chunks.shape[3]
    outputs = layer(ops.reshape(chunks, (-1, size, channels)), training=training)
    return ops.reshape(outputs, (-1, count, size, channels))


def _turned(chunks):
    return ops.transpose(chunks, (0, 2, 1, 3))
