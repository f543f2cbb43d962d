"""The two-head U-Net on waveforms."""

from __future__ import annotations

import re
from collections.abc import Sequence

import keras
from keras import layers, ops

from tfsep.checks import check_integer
from tfsep.layers import UpsampleConv1D
from tfsep.models.separator import Separator

_NO_WORD = re.compile(r"\W", re.ASCII)


@keras.saving.register_keras_serializable(package="tfsep")
class UNet(Separator):
    """One-dimensional U-Net from the mixture's waveform to one waveform a source, with a head for each.

    Down: five blocks of a convolution of 15 samples, batch normalisation, leaky ReLU and max-pooling by two, each with
    twice the filters of the last one, and a bottleneck block. Up: five blocks of nearest upsampling, concatenation with
    the block of the same length, and a convolution of 5 samples. Each head is a convolution of one sample with tanh.
    The network receives the mixture at -20 dB RMS.

    Args:
        sources: names of the sources. Defaults to `("vocals", "drums")`.
        sample_rate: int, samples per second. Defaults to 11025.
        channels: int, channels of the audio. Defaults to 1.
        segment: int, samples estimated at a time. Defaults to 75008, which is 6.8 s.
        filters: int, filters of the first block. Defaults to 8.
        depth: int, number of blocks down and up. Defaults to 5.
        **kwargs: `context`, `wiener_iterations` and `dtype`, see `Separator`.

    Example:

    >>> model = tfsep.models.UNet(filters=2, depth=2)
    >>> estimates = model(np.zeros((1, 10000, 1), "float32"))  # any length
    >>> estimates["vocals"].shape
    TensorShape([1, 10000, 1])

    Reference:

    - [Basu, 2022, Audio Track Separation](https://github.com/victor369basu/Audio-Track-Separation)
    - [Ronneberger et al., 2015, U-Net: convolutional networks for biomedical image
      segmentation](https://arxiv.org/abs/1505.04597)
    """

    # An output depends on a twentieth of a second on each side, and on the level of its segment.
    overlap = 0.0625

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "drums"),
        sample_rate: int = 11025,
        channels: int = 1,
        segment: int = 75008,
        filters: int = 8,
        depth: int = 5,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        check_integer("filters", filters)
        check_integer("depth", depth, least=0)
        self.filters = filters
        self.depth = depth
        self.network = _network(self.sources, channels, filters, depth, self.dtype_policy)
        self.built = True

    def estimate(self, window, training: bool = False) -> dict:
        level, gain = self.normalize(window)
        length = ops.shape(level)[1]
        multiple = 2**self.depth
        padded = ops.pad(level, [[0, 0], [0, -length % multiple], [0, 0]])
        outputs = self.network(ops.cast(padded, self.compute_dtype), training=training)
        return {name: self.centre(ops.cast(outputs[name], "float32")[:, :length] * gain) for name in self.sources}

    def source_weights(self) -> dict[str, list[tuple]]:
        heads = {name: self.network.get_layer(_head(name)) for name in self.sources}
        return {name: [(weight, ...) for weight in head.weights] for name, head in heads.items()}

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters, "depth": self.depth}


def _network(sources: Sequence[str], channels: int, filters: int, depth: int, dtype) -> keras.Model:
    inputs = keras.Input((None, channels), dtype=dtype.compute_dtype, name="mixture")
    x, skips = inputs, []
    for level in range(depth):
        x = _down(x, filters * 2**level, f"down_{level + 1}", dtype)
        skips.append(x)
        x = layers.MaxPooling1D(2, dtype=dtype, name=f"down_{level + 1}_pool")(x)
    x = _down(x, filters * 2**depth, "bottleneck", dtype)
    for level in reversed(range(depth)):
        x = UpsampleConv1D(filters * 2**level, 5, dtype=dtype, name=f"up_{level + 1}_conv")([x, skips[level]])
        x = _normalized(x, f"up_{level + 1}", dtype)
    heads = {}
    for name in sources:
        head = layers.Conv1D(channels, 1, activation="tanh", dtype=dtype, name=_head(name))
        heads[name] = head(x)
    return keras.Model(inputs, heads, name="network")


def _head(source: str) -> str:
    """Return the name of a source's layer, without spaces and the like, which TensorFlow refuses."""
    return f"head_{_NO_WORD.sub('_', source)}"


def _down(x, filters: int, name: str, dtype):
    x = layers.Conv1D(filters, 15, padding="same", dtype=dtype, name=f"{name}_conv")(x)
    return _normalized(x, name, dtype)


def _normalized(x, name: str, dtype):
    x = layers.BatchNormalization(dtype=dtype, name=f"{name}_norm")(x)
    return layers.LeakyReLU(negative_slope=0.1, dtype=dtype, name=f"{name}_activation")(x)
