"""The Wave-U-Net as first published."""

from __future__ import annotations

import functools
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
    """U-Net from the mixture's waveform to one waveform a source, of many levels that halve the rate.

    Down: at level n a convolution of 15 samples with `filters * n` filters and leaky ReLU, of which every second sample
    goes on. Up: linear interpolation, concatenation with the level's convolution before decimation, and a convolution
    of 5 samples. The mixture itself is concatenated at the end, and a convolution of one sample gives the waveforms.

    With `"valid"` padding all estimates come from real samples on both sides (`context`: 65,532, or 65,527 for the
    paper's segment of 16,389), and the network hears the mixture at its own level, so that segments which begin at
    multiples of `2 ** depth` samples give the same estimates whatever their length: let `segment` times one minus the
    overlap of `tfsep.separate` be such a multiple, as it is by default. With `"same"` padding each segment stands
    alone, zeros around it in each convolution, at a level of -20 dB RMS. Outputs are linear.

    Args:
        sources: names of the sources. Defaults to `("vocals", "drums", "bass", "other")`.
        sample_rate: int. Defaults to 22050.
        channels: int. Defaults to 2.
        segment: int, samples estimated at a time. Defaults to 16384.
        filters: int, filters of the first level. Defaults to 24.
        depth: int, number of levels. Defaults to 12.
        padding: `"valid"` or `"same"`. Defaults to `"valid"`.
        learned_upsampling: bool, learn a weight for the interpolation of each channel. Defaults to False.
        difference: bool. Estimate all sources but the last, which is then the mixture less the others, so that the
            estimates add up to the mixture. Defaults to True.
        dtype: Keras dtype or policy of the network.

    Example:

    >>> model = tfsep.models.ClassicWaveUNet.published("M1")
    >>> model.count_params()
    10263028

    Reference:
        Stoller et al., "Wave-U-Net: a multi-scale neural network for end-to-end audio source separation", ISMIR 2018.
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
        lost = _lost_samples(depth, padding)
        input_length = functools.partial(_input_length, levels=depth, padding=padding)
        super().__init__(sources, sample_rate, channels, segment, lost, input_length, difference, **kwargs)
        self.filters = filters
        self.depth = depth
        self.padding = padding
        self.learned_upsampling = learned_upsampling
        self.network = self._network()
        self.built = True

    @classmethod
    def published(cls, name: str, **changes) -> ClassicWaveUNet:
        """One of the paper's models.

        Args:
            name: `"M1"`, for vocals and accompaniment in mono; `"M2"`, with the difference as output; `"M3"`, with
                context; `"M4"`, in stereo; `"M5"`, with learned upsampling; or `"M6"`, M4 for four sources.
            **changes: further arguments of the constructor.

        Raises:
            ValueError: for another name.
        """
        check_choice("name", name, PUBLISHED)
        return cls(**{**PUBLISHED[name], **changes})

    def normalize(self, window) -> tuple:
        # A level taken from each window would leave seams between them, which valid convolutions do not.
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
    """By how many samples the output of the lowest levels is shorter than their input."""
    if padding == "same":
        return 0
    lost = _DOWN - 1
    for _ in range(levels):
        lost = 2 * lost + _DOWN + _UP - 2
    return lost


def _input_length(samples: int, levels: int, padding: str) -> int:
    """Least length of the network's input for an output of at least `samples`."""
    if padding == "same":
        return -(-samples // 2**levels) * 2**levels
    length = samples
    for _ in range(levels):
        length = (length + _UP + 1) // 2
    length += _DOWN - 1
    for _ in range(levels):
        length = 2 * length - 1 + _DOWN - 1
    return length
