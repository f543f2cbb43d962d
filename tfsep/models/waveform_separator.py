"""Base of the Wave-U-Nets: networks from waveform to waveforms that fit certain lengths only."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from tfsep.models.separator import Separator, channel_blocks


class WaveformSeparator(Separator):
    """Base of models with a network from the waveform of a mixture to one waveform for each source.

    A subclass builds `self.network` with `outputs` signals, and defines `lost` and `input_length`. Because networks
    resample, they fit certain lengths only: for other segments the context is longer, so that windows are not padded.
    The published loss is the squared error.

    Args:
        sources, sample_rate, channels, segment: see `Separator`.
        difference: bool, estimate all sources but the last one, which is the mixture minus the others. The estimates
            then add up to the mixture.

    Raises:
        ValueError: if `difference` is True and there is only one source.
    """

    fixed_context = True

    def __init__(
        self,
        sources: Sequence[str],
        sample_rate: int,
        channels: int,
        segment: int,
        difference: bool,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        if difference and len(self.sources) < 2:
            raise ValueError(f"difference=True needs two or more sources. Received: sources={sources!r}.")
        self.default_loss = keras.losses.MeanSquaredError()
        self.difference = difference
        self.context = self.input_length(self.segment) - self.segment - self.lost // 2

    # What a subclass defines, from attributes that it sets before the base's constructor.

    @property
    def lost(self) -> int:
        """Return by how many samples the output of the network is shorter than its input, an even number."""
        raise NotImplementedError

    def input_length(self, samples: int) -> int:
        """Return the least length of an input of the network with an output of at least `samples`."""
        raise NotImplementedError

    # What is common to all.

    @property
    def adds_up(self) -> bool:
        return self.difference

    @property
    def outputs(self) -> int:
        """Return the number of the network's signals: those of all sources, or of all but the difference."""
        return self.channels * (len(self.sources) - self.difference)

    def estimate(self, window, training: bool = False) -> dict:
        window = ops.cast(window, "float32")
        level, gain = self.normalize(window)
        samples = ops.shape(window)[1] - 2 * self.context
        start, length = self.context - self.lost // 2, self.input_length(samples)
        # A window longer than a segment, such as a song, may not fit.
        padded = ops.pad(level, [[0, 0], [0, length - samples], [0, 0]])[:, start : start + length]
        outputs = self.network(ops.cast(padded, self.compute_dtype), training=training)
        outputs = gain * ops.cast(outputs, "float32")[:, :samples]
        estimates = ops.split(outputs, self.outputs // self.channels, axis=-1)
        if self.difference:
            estimates.append(self.centre(window) - sum(estimates))
        return dict(zip(self.sources, estimates, strict=True))

    def source_weights(self) -> dict[str, list[tuple]]:
        estimated = self.sources[: self.outputs // self.channels]
        return channel_blocks(self.network.get_layer("output"), estimated, self.channels)

    def get_config(self) -> dict:
        config = {**super().get_config(), "difference": self.difference}
        # The context follows from the network and the segment.
        del config["context"]
        return config
