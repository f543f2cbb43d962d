"""Mel-band RoFormer: overlapping bands, evenly spaced on the mel scale."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tfsep.checks import check_integer
from tfsep.models.roformer import RoFormer

# Slaney's mel scale: linear up to 1000 Hz, then logarithmic.
_HERTZ_PER_MEL = 200 / 3
_BREAK = 1000.0
_LOG_STEP = np.log(6.4) / 27


@keras.saving.register_keras_serializable(package="tfsep")
class MelBandRoFormer(RoFormer):
    """Mel-band RoFormer of the public checkpoints, with a complex mask for each source.

    Defaults are those of Kimberley Jensen's model of vocals. A bin may be in two bands, whose masks are averaged. The
    loss is the mean absolute error of the waveforms; the published training adds that of spectrograms of several
    resolutions.

    Args:
        sources: names of the sources. Defaults to `("vocals",)`.
        segment: int, samples estimated at a time. Weights fit any length. Defaults to 352800, 8 seconds.
        bands: int, number of bands. Defaults to 60.
        depth: int, number of blocks. Defaults to 6.
        mask_layers: int, hidden layers of the masks' networks. Defaults to 2.
        mask_expansion: int, size of a hidden layer, in `width`. Defaults to 4.
        overlap: float, fraction of a segment that overlaps the next. Defaults to 0.5.
        sample_rate, channels, n_fft, hop, width, time_layers, band_layers, heads, head_size, skip_connection,
            zero_dc, **kwargs: see `BandSplitRoFormer`.

    Raises:
        ValueError: if sizes do not fit each other, or there are too many bands for the bins.

    Example:

    >>> small = {"segment": 4096, "n_fft": 256, "hop": 32, "bands": 8, "width": 8, "depth": 1}
    >>> tfsep.models.MelBandRoFormer(**small)(np.zeros((1, 4096, 2), "float32"))["vocals"].shape
    TensorShape([1, 4096, 2])

    Reference:

    - [Wang et al., 2023, Mel-band RoFormer for music source separation](https://arxiv.org/abs/2310.01809)
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals",),
        sample_rate: int = 44100,
        channels: int = 2,
        segment: int = 352800,
        n_fft: int = 2048,
        hop: int = 441,
        bands: int = 60,
        width: int = 384,
        depth: int = 6,
        time_layers: int = 1,
        band_layers: int = 1,
        heads: int = 8,
        head_size: int = 64,
        mask_layers: int = 2,
        mask_expansion: int = 4,
        skip_connection: bool = False,
        zero_dc: bool = True,
        overlap: float = 0.5,
        **kwargs,
    ):
        check_integer("bands", bands)
        super().__init__(
            mel_bands(sample_rate, n_fft, bands), True, sources, sample_rate, channels, segment, n_fft, hop, width,
            depth, time_layers, band_layers, heads, head_size, mask_layers, mask_expansion, skip_connection, zero_dc,
            overlap, **kwargs,
        )  # fmt: skip

    def get_config(self) -> dict:
        return {**super().get_config(), "bands": len(self.bands)}


def mel_bands(sample_rate: int, n_fft: int, count: int) -> list[np.ndarray]:
    """Return the bins of each band. Bands begin and end at the centres of their neighbours, evenly spaced in mel.

    Args:
        sample_rate: int, samples per second.
        n_fft: int, samples of a frame.
        count: int, number of bands.

    Returns:
        list of arrays of bins.

    Raises:
        ValueError: if a band has no bin, or a bin is in no band.
    """
    edges = _hertz(np.linspace(0, _mel(sample_rate / 2), count + 2))
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    inside = (frequencies > edges[:-2, np.newaxis]) & (frequencies < edges[2:, np.newaxis])
    # The outermost edges are the lowest and the highest bin, which would be in no band.
    inside[0, 0] = inside[-1, -1] = True
    if not inside.any(axis=0).all() or not inside.any(axis=1).all():
        raise ValueError(f"bands must be fewer for n_fft={n_fft}: one would contain no bin. Received: bands={count}.")
    return [np.flatnonzero(band) for band in inside]


def _mel(hertz: float) -> float:
    return hertz / _HERTZ_PER_MEL if hertz < _BREAK else _BREAK / _HERTZ_PER_MEL + np.log(hertz / _BREAK) / _LOG_STEP


def _hertz(mels: np.ndarray) -> np.ndarray:
    above = np.maximum(0, mels - _BREAK / _HERTZ_PER_MEL)
    return np.where(above > 0, _BREAK * np.exp(above * _LOG_STEP), mels * _HERTZ_PER_MEL)
