"""Band-split RoFormer: adjacent bands."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tfsep.models.roformer import RoFormer

BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)


@keras.saving.register_keras_serializable(package="tfsep")
class BandSplitRoFormer(RoFormer):
    """Band-split RoFormer of the public checkpoints, with a complex mask for each source.

    Defaults are those of the model of four sources trained on MUSDB18-HQ. The loss is the mean absolute error of the
    waveforms; the published training adds that of spectrograms of several resolutions.

    Args:
        sources: names of the sources. Defaults to `("vocals", "bass", "drums", "other")`.
        sample_rate: int, samples per second. Defaults to 44100.
        channels: int, channels of the audio. Defaults to 2.
        segment: int, samples estimated at a time. Weights fit any length. Defaults to 485100, 11 seconds.
        n_fft: int, samples of a frame. Defaults to 2048.
        hop: int, samples from a frame to the next. Defaults to 441.
        bins_per_band: list of int, bins of each band, which add up to `n_fft / 2 + 1`. Defaults to the published 62
            bands.
        width: int, channels of a band. Defaults to 384.
        depth: int, number of blocks. Defaults to 8.
        time_layers: int, layers of a block's transformer along time. Defaults to 1.
        band_layers: int, layers of a block's transformer along bands. Defaults to 1.
        heads: int, heads of attention. Defaults to 8.
        head_size: int, channels of a head. Defaults to 64.
        mask_layers: int, hidden layers of the masks' networks. Defaults to 1.
        mask_expansion: int, size of a hidden layer, in `width`. Defaults to 2; 4 in most other checkpoints.
        skip_connection: bool, add the outputs of all earlier blocks to the input of each. Defaults to False.
        zero_dc: bool, set the lowest bin of the estimates to zero. Defaults to True.
        overlap: float, fraction of a segment that overlaps the next. Defaults to 0.75.
        **kwargs: see `Separator`.

    Raises:
        ValueError: if sizes do not fit each other.

    Example:

    >>> small = {"segment": 1024, "n_fft": 128, "hop": 32, "bins_per_band": (5, 60), "width": 8, "depth": 1}
    >>> tfsep.models.BandSplitRoFormer(**small)(np.zeros((1, 1024, 2), "float32"))["bass"].shape
    TensorShape([1, 1024, 2])

    Reference:

    - [Lu et al., 2023, Music source separation with band-split rope transformer](https://arxiv.org/abs/2309.02612)
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "bass", "drums", "other"),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 485100,
        n_fft: int = 2048,
        hop: int = 441,
        bins_per_band: Sequence[int] = BANDS,
        width: int = 384,
        depth: int = 8,
        time_layers: int = 1,
        band_layers: int = 1,
        heads: int = 8,
        head_size: int = 64,
        mask_layers: int = 1,
        mask_expansion: int = 2,
        skip_connection: bool = False,
        zero_dc: bool = True,
        overlap: float = 0.75,
        **kwargs,
    ):
        if sum(bins_per_band) != n_fft // 2 + 1 or min(bins_per_band) < 1:
            raise ValueError(
                f"bins_per_band must add up to n_fft / 2 + 1 = {n_fft // 2 + 1}. Received: {sum(bins_per_band)}."
            )
        self.bins_per_band = tuple(int(count) for count in bins_per_band)
        bands = np.split(np.arange(n_fft // 2 + 1), np.cumsum(self.bins_per_band)[:-1])
        super().__init__(
            bands, False, sources, sample_rate, channels, segment, n_fft, hop, width, depth, time_layers, band_layers,
            heads, head_size, mask_layers, mask_expansion, skip_connection, zero_dc, overlap, **kwargs,
        )  # fmt: skip

    def get_config(self) -> dict:
        return {**super().get_config(), "bins_per_band": list(self.bins_per_band)}
