"""Base of the RoFormers: transformers along time and along frequency bands give a complex mask for each source."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from tfsep.checks import check_integer, check_number
from tfsep.layers.band_layers import BandMasks, BandSplit
from tfsep.layers.rotary_transformer import RotaryAngles, RotaryTransformer, UnitNormalization
from tfsep.layers.segment_stft import SegmentSTFT
from tfsep.models.separator import Separator


class RoFormer(Separator):
    """Base of the RoFormers, which differ in their bands and in the place of the normalisation.

    Songs are separated as in ZFTurbo's Music-Source-Separation-Training: mirrored at their ends, with a cross-fade over
    a tenth of a segment. The network takes one segment at a time: `model(x)` separates longer audio segment by segment
    and pads the last one with zeros.

    Args:
        bands: list of int arrays, the bins of each band.
        final_norms: bool, normalize after each transformer instead of once after all.
        sources, sample_rate, channels, segment: see `Separator`.
        n_fft, hop: int, samples of a frame, and from one to the next.
        width: int, channels of a band.
        depth: int, number of blocks, each of transformers along time and along bands.
        time_layers, band_layers: int, layers of either transformer.
        heads, head_size: int, heads of attention and channels of each.
        mask_layers, mask_expansion: int, hidden layers of the masks' networks and their size, in `width`.
        skip_connection: bool, add the outputs of all earlier blocks to the input of each.
        zero_dc: bool, set the lowest bin of the estimates to zero.
        overlap: float, fraction of a segment that overlaps the next.
    """

    batch_size = 1
    fade = "tenth"
    edges = "reflect"
    fixed_length = True
    fixed_context = True

    default_learning_rate = 5e-5

    def __init__(
        self,
        bands: Sequence[np.ndarray],
        final_norms: bool,
        sources: Sequence[str],
        sample_rate: int,
        channels: int,
        segment: int,
        n_fft: int,
        hop: int,
        width: int,
        depth: int,
        time_layers: int,
        band_layers: int,
        heads: int,
        head_size: int,
        mask_layers: int,
        mask_expansion: int,
        skip_connection: bool,
        zero_dc: bool,
        overlap: float,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        self._sizes = {
            "n_fft": n_fft, "hop": hop, "width": width, "depth": depth, "time_layers": time_layers,
            "band_layers": band_layers, "heads": heads, "head_size": head_size, "mask_layers": mask_layers,
            "mask_expansion": mask_expansion,
        }  # fmt: skip
        for name, value in self._sizes.items():
            check_integer(name, value)
        if head_size % 2:
            raise ValueError(f"head_size must be even. Received: head_size={head_size}.")
        check_number("overlap", overlap, least=0, below=1)
        self.bands, self.final_norms = [np.asarray(band) for band in bands], final_norms
        self.overlap, self.skip_connection, self.zero_dc = float(overlap), bool(skip_connection), bool(zero_dc)
        self.depth = depth
        self.default_loss = keras.losses.MeanAbsoluteError()
        self.stft = SegmentSTFT(self.segment, n_fft, hop)
        self.network = self._network()
        self.built = True

    @property
    def widths(self) -> list[int]:
        """Return the features of each band: real and imaginary parts of all channels."""
        return [2 * self.channels * len(band) for band in self.bands]

    def estimate(self, window, training: bool = False) -> dict:
        spectrogram = ops.stack(self.stft(window), axis=-1)  # [batch, frames, bins, channels, 2]
        features = ops.take(spectrogram, np.concatenate(self.bands), axis=2)
        features = ops.reshape(features, (-1, self.stft.frames, sum(self.widths)))
        masks = self.network(ops.cast(features, self.compute_dtype), training=training)
        return {name: self._masked(masks[name], spectrogram) for name in self.sources}

    def _masked(self, mask, spectrogram):
        """Compute the waveform of a source from its mask over the features."""
        shape = (-1, self.stft.frames, sum(map(len, self.bands)), self.channels, 2)
        mask = self._mean_of_bands(ops.reshape(ops.cast(mask, "float32"), shape))
        real, imaginary = spectrogram[..., 0], spectrogram[..., 1]
        parts = (
            mask[..., 0] * real - mask[..., 1] * imaginary,
            mask[..., 0] * imaginary + mask[..., 1] * real,
        )
        if self.zero_dc:
            keep = np.r_[0, np.ones(parts[0].shape[2] - 1)].astype("float32")[:, np.newaxis]
            parts = tuple(part * keep for part in parts)
        return self.stft.inverse(*parts)

    def _mean_of_bands(self, mask):
        """Average the masks of the bands of each bin: `[batch, frames, bins, channels, 2]`."""
        holders = [np.flatnonzero(np.concatenate(self.bands) == bin) for bin in range(self.stft.n_fft // 2 + 1)]
        most = max(map(len, holders))
        none = sum(map(len, self.bands))  # a further entry, of zeros
        places = np.array([[*held, *[none] * (most - len(held))] for held in holders])
        counts = np.array([len(held) for held in holders], "float32")[:, np.newaxis, np.newaxis]
        if most == 1:
            return ops.take(mask, places[:, 0], axis=2)
        mask = ops.pad(mask, [[0, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
        return sum(ops.take(mask, places[:, index], axis=2) for index in range(most)) / counts

    def _network(self) -> keras.Model:
        """Make the network from the features of the mixture to a mask for each source."""
        sizes, kinds = self._sizes, {"dtype": self.dtype_policy}
        shape = sizes["heads"], sizes["head_size"], self.final_norms
        inputs = keras.Input((self.stft.frames, sum(self.widths)))
        grid = BandSplit(self.widths, sizes["width"], name="band_split", **kinds)(inputs)
        angles = {axis: RotaryAngles(sizes["head_size"], name=f"{axis}_angles") for axis in ("time", "band")}
        earlier = []
        for index in range(sizes["depth"]):
            if self.skip_connection:
                grid = sum(earlier, grid)
            grid = ops.transpose(grid, (0, 2, 1, 3))
            layer = RotaryTransformer(sizes["time_layers"], *shape, name=f"time_{index}", **kinds)
            grid = ops.transpose(layer(grid, angles["time"](grid)), (0, 2, 1, 3))
            layer = RotaryTransformer(sizes["band_layers"], *shape, name=f"band_{index}", **kinds)
            grid = layer(grid, angles["band"](grid))
            earlier.append(grid)
        if not self.final_norms:
            grid = UnitNormalization(name="final_norm", **kinds)(grid)
        hidden = sizes["mask_expansion"] * sizes["width"]
        masks = {
            source: BandMasks(self.widths, hidden, sizes["mask_layers"], name=f"masks_{index}", **kinds)(grid)
            for index, source in enumerate(self.sources)
        }
        return keras.Model(inputs, masks, name="network")

    def get_config(self) -> dict:
        config = super().get_config()
        del config["context"]
        facts = {"skip_connection": self.skip_connection, "zero_dc": self.zero_dc, "overlap": self.overlap}
        return {**config, **self._sizes, **facts}
