"""The Wave-U-Net as first published."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from tfsep.checks import check_choice, check_integer
from tfsep.layers import MidpointUpsampling1D
from tfsep.models.waveform_separator import WaveformSeparator

_DOWN = 15
_UP = 5

_VOICE = {"sources": ("vocals", "accompaniment"), "channels": 1, "padding": "same", "difference": False}
PUBLISHED = {
    "M1": _VOICE,
    "M2": {**_VOICE, "difference": True},
    "M3": {**_VOICE, "difference": True, "padding": "valid"},
    "M4": {**_VOICE, "difference": True, "padding": "valid", "channels": 2},
    "M5": {**_VOICE, "difference": True, "padding": "valid", "channels": 2, "learned_upsampling": True},
    "M6": {},
}


@keras.saving.register_keras_serializable(package="tfsep")
class ClassicWaveUNet(WaveformSeparator):
    """U-Net from the waveform of the mixture to one waveform for each source, with many levels that halve the rate.

    Down: at level n a convolution of 15 samples with `filters * n` filters, leaky ReLU, and decimation by two. Up:
    linear interpolation, concatenation with the convolution of the same level, and a convolution of 5 samples. At the
    end the mixture is concatenated, and a linear convolution of one sample gives the waveforms.

    With `"valid"` padding all estimates have real samples on both sides (`context` is 65,532, or 65,527 for the paper's
    segment of 16,389), and the network receives the mixture at its own level. Segments that begin at multiples of
    `2 ** depth` samples then give the same estimates whatever their length: let `segment` times one minus the overlap
    of `tfsep.separate` be such a multiple, as it is by default. With `"same"` padding each segment is padded with zeros
    and has a level of -20 dB RMS.

    Args:
        sources: names of the sources. Defaults to `("vocals", "drums", "bass", "other")`.
        sample_rate: int, samples per second. Defaults to 22050.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples estimated at a time. Defaults to 16384.
        filters: int, filters of the first level. Defaults to 24.
        depth: int, number of levels. Defaults to 12.
        padding: str, `"valid"` or `"same"`. Defaults to `"valid"`.
        learned_upsampling: bool, learn a weight for the interpolation of each channel. Defaults to False.
        difference: bool, estimate all sources but the last one, which is the mixture minus the others. Defaults to
            True.
        dtype: Keras dtype or policy of the network.

    Example:

    >>> model = tfsep.models.ClassicWaveUNet.published("M1", filters=2, depth=3)
    >>> model(np.zeros((1, 5000, 1), "float32"))["vocals"].shape
    TensorShape([1, 5000, 1])

    Reference:

    - [Stoller et al., 2018, Wave-U-Net: a multi-scale neural network for end-to-end audio source
      separation](https://arxiv.org/abs/1806.03185)
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "drums", "bass", "other"),
        sample_rate: int = 22050,
        channels: int = 2,
        segment: int = 16384,
        filters: int = 24,
        depth: int = 12,
        padding: str = "valid",
        learned_upsampling: bool = False,
        difference: bool = True,
        **kwargs,
    ):
        check_choice("padding", padding, ("valid", "same"))
        check_integer("filters", filters)
        check_integer("depth", depth)
        self.depth = depth
        self.padding = padding
        super().__init__(sources, sample_rate, channels, segment, difference, **kwargs)
        self.filters = filters
        self.learned_upsampling = learned_upsampling
        self.network = self._network()
        self.built = True

    @classmethod
    def published(cls, name: str, **changes) -> ClassicWaveUNet:
        """Make one of the paper's models.

        Args:
            name: `"M1"`, for vocals and accompaniment in mono; `"M2"`, with the difference as output; `"M3"`, with
                context; `"M4"`, in stereo; `"M5"`, with learned upsampling; or `"M6"`, M4 for four sources.
            **changes: further arguments of the constructor.

        Raises:
            ValueError: if `name` is unknown.
        """
        check_choice("name", name, PUBLISHED)
        return cls(**{**PUBLISHED[name], **changes})

    @property
    def lost(self) -> int:
        return _lost_samples(self.depth, self.padding)

    def input_length(self, samples: int) -> int:
        if self.padding == "same":
            return -(-samples // 2**self.depth) * 2**self.depth
        length = samples
        for _ in range(self.depth):
            length = (length + _UP + 1) // 2
        length += _DOWN - 1
        for _ in range(self.depth):
            length = 2 * length - 1 + _DOWN - 1
        return length

    def normalize(self, window) -> tuple:
        # A level of each window would cause seams between them, which valid convolutions do not.
        return super().normalize(window) if self.padding == "same" else (window, 1.0)

    def _network(self) -> keras.Model:
        dtype = self.dtype_policy
        inputs = keras.Input((None, self.channels), dtype=dtype.compute_dtype, name="mixture")
        x, skips = inputs, []
        for level in range(1, self.depth + 1):
            x = self._convolution(x, self.filters * level, _DOWN, f"down_{level}")
            skips.append(x)
            x = x[:, ::2]
        x = self._convolution(x, self.filters * (self.depth + 1), _DOWN, "bottleneck")
        for level in range(self.depth, 0, -1):
            name = f"up_{level}"
            x = MidpointUpsampling1D(self.padding, self.learned_upsampling, dtype=dtype, name=f"{name}_upsample")(x)
            if self.padding == "valid":
                crop = (_lost_samples(self.depth + 1 - level, self.padding) - (_DOWN - 1) - (_UP - 1)) // 2
                skips[level - 1] = layers.Cropping1D(crop, dtype=dtype, name=f"{name}_crop")(skips[level - 1])
            x = layers.Concatenate(dtype=dtype, name=f"{name}_skip")([skips[level - 1], x])
            x = self._convolution(x, self.filters * level, _UP, name)
        mixture = layers.Cropping1D(self.lost // 2, dtype=dtype, name="mixture_crop")(inputs)
        x = layers.Concatenate(dtype=dtype, name="mixture_skip")([mixture, x])
        outputs = layers.Conv1D(self.outputs, 1, dtype=dtype, name="output")(x)
        return keras.Model(inputs, outputs, name="network")

    def _convolution(self, x, filters: int, kernel_size: int, name: str):
        dtype = self.dtype_policy
        x = layers.Conv1D(filters, kernel_size, padding=self.padding, dtype=dtype, name=f"{name}_conv")(x)
        return layers.LeakyReLU(negative_slope=0.2, dtype=dtype, name=f"{name}_activation")(x)

    def get_config(self) -> dict:
        names = ("filters", "depth", "padding", "learned_upsampling")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _lost_samples(levels: int, padding: str) -> int:
    """Return by how many samples the output of the lowest levels is shorter than their input."""
    if padding == "same":
        return 0
    lost = _DOWN - 1
    for _ in range(levels):
        lost = 2 * lost + _DOWN + _UP - 2
    return lost
