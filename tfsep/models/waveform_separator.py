"""What the Wave-U-Nets share: a network from waveform to waveforms that fits some lengths only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import ops

from tfsep.models.separator import Separator, channel_blocks


class WaveformSeparator(Separator):
    """Base of models whose network maps a stretch of mixture to one waveform a source.

    A subclass builds `self.network`, with `outputs` signals at its end. Networks resample, so they fit some lengths
    only; for a segment of another length the context is longer, so that no window is filled up with zeros. The
    published loss is the squared error.

    Args:
        sources, sample_rate, channels, segment: see `Separator`.
        lost: int, even: by how many samples the network's output is shorter than its input.
        input_length: function from a number of samples to the least length of an input whose output has as many.
        difference: bool. Estimate all sources but the last, which is then the mixture less the others, so that the
            estimates add up to the mixture.

    Raises:
        ValueError: if the difference is wanted with a single source.
    """

    def __init__(
        self,
        sources: Sequence[str],
        sample_rate: int,
        channels: int,
        segment: int,
        lost: int,
        input_length: Callable[[int], int],
        difference: bool,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        if difference and len(self.sources) < 2:
            raise ValueError(f"difference=True needs two or more sources. Received: sources={sources!r}.")
        self.default_loss = keras.losses.MeanSquaredError()
        self.difference = difference
        self.lost = lost
        self.input_length = input_length
        self.context = input_length(self.segment) - self.segment - lost // 2

    @property
    def outputs(self) -> int:
        """Signals that the network estimates: channels times sources, less the source that is a difference."""
        return self.channels * (len(self.sources) - self.difference)

    def estimate(self, window, training: bool = False) -> dict:
        window = ops.cast(window, "float32")
        level, gain = self.normalize(window)
        samples = ops.shape(window)[1] - 2 * self.context
        start, length = self.context - self.lost // 2, self.input_length(samples)
        # A window longer than the segment, as a whole song is, may not fit.
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
        # It follows from the network and the segment.
        del config["context"]
        return config
