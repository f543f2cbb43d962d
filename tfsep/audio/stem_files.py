"""Native Instruments' STEM files: a mixture and its stems as the streams of one mp4."""

import json
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfsep.audio import mp4
from tfsep.audio.av_encoder import STEM_CHANNELS, STEM_SUFFIXES, AacEncoder
from tfsep.audio.tags import Tags
from tfsep.audio.writing import Writer, check_format

MOST_STEMS = 4
_SILENCE = "silence"
_COLORS = {"drums": "#009E73", "bass": "#D55E00", "other": "#CC79A7", "vocals": "#56B4E9"}
# The effects that players may apply to the sum of the stems, with the values of the format's authors, switched off.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "threshold": 0,
        "dry_wet": 50,
        "attack": 0.003,
        "release": 0.3,
        "ratio": 3,
        "hp_cutoff": 300,
    },
    "limiter": {"enabled": False, "threshold": 0, "ceiling": -0.35, "release": 0.05},
}


def write_stems(
    path: str | os.PathLike,
    mixture: np.ndarray,
    stems: Mapping[str, np.ndarray],
    sample_rate: int,
    overwrite: bool = False,
    clip: str = "error",
    bitrate: int | None = None,
    tags: Tags | None = None,
) -> None:
    """Write a STEM file, which Traktor, Mixxx and other players mix.

    Args:
        path: path that ends in `.stem.m4a` or `.stem.mp4`.
        mixture: float array of shape `[samples, channels]`, mono or stereo, or `[samples]`.
        stems: dict from name to a float array of the same shape, up to four. Players show them in this order.
        sample_rate, overwrite, clip, bitrate, tags: see `StemFileWriter`.

    Raises:
        As `StemFileWriter` does.

    Example:

    >>> mixture, sample_rate = tfsep.audio.read("song.wav")
    >>> stems = {"vocals": mixture / 4, "accompaniment": mixture * 3 / 4}
    >>> tfsep.audio.write_stems("new.stem.m4a", mixture, stems, sample_rate)
    >>> tfsep.audio.info("new.stem.m4a").streams
    5
    """
    streams = [np.asarray(stream) for stream in (mixture, *stems.values())]
    streams = [stream[:, np.newaxis] if stream.ndim == 1 else stream for stream in streams]
    channels = streams[0].shape[-1] if streams[0].ndim else 0
    with StemFileWriter(path, sample_rate, tuple(stems), channels, overwrite, clip, None, bitrate, tags) as writer:
        writer.write(streams)


class StemFileWriter(Writer):
    """Write a STEM file block by block: stereo streams of AAC, the mixture first, and the names and colours of stems.

    The file has five streams, as players expect: where there are fewer than four stems, streams of silence follow.
    Mono becomes stereo. The file appears as with `Writer`, whose attributes `peak` and `gain` count for all streams.

    Args:
        path: path that ends in `.stem.m4a` or `.stem.mp4`.
        sample_rate: int, in hertz, one that AAC has.
        names: sequence of 1 to 4 str, the stems.
        channels: int, 1 or 2, channels of the blocks. Defaults to 2.
        overwrite: bool, replace an existing file. Defaults to False.
        clip: str, treatment of samples beyond [-1, 1]: `"error"`, `"rescale"` (scale all streams by one gain) or
            `"clamp"`. Defaults to `"error"`.
        comment: str, as for `Writer`. Defaults to None.
        bitrate: int, of each stream in bits per second, see `write`. Defaults to 256000.
        tags: `Tags` to store. Defaults to None.

    Raises:
        ValueError: for another suffix, number of stems, rate, bitrate or blocks that do not fit.
        FileExistsError, OSError: as `write` does.

    Example:

    >>> with tfsep.audio.StemFileWriter("new.stem.mp4", 44100, ("drums", "vocals")) as writer:
    ...     for block in tfsep.audio.blocks("song.wav", 65536):
    ...         writer.write([block, block / 2, block / 2])
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int,
        names: Sequence[str],
        channels: int = STEM_CHANNELS,
        overwrite: bool = False,
        clip: str = "error",
        comment: str | None = None,
        bitrate: int | None = None,
        tags: Tags | None = None,
    ):
        self._names = tuple(names)
        self._block_channels = channels
        width = STEM_CHANNELS * (1 + MOST_STEMS)
        super().__init__(path, sample_rate, width, None, overwrite, clip, comment, bitrate, tags)

    def __repr__(self) -> str:
        return f"StemFileWriter({str(self._path)!r}, {self._sample_rate}, {self._names})"

    def write(self, streams: Sequence[np.ndarray]) -> None:
        """Append blocks.

        Args:
            streams: sequence of float arrays of shape `[samples, channels]`: the mixture, then each stem.
        """
        streams = [np.asarray(stream) for stream in streams]
        shapes = [stream.shape for stream in streams]
        if len(streams) != 1 + len(self._names) or set(shapes) != {(len(streams[0]), self._block_channels)}:
            raise ValueError(
                f"{self._path}: streams must be {1 + len(self._names)} arrays [samples, {self._block_channels}] of one "
                f"length, the mixture first. Received: {shapes}."
            )
        stereo = [np.broadcast_to(stream, (len(stream), STEM_CHANNELS)) for stream in streams]
        silence = np.zeros((len(streams[0]), STEM_CHANNELS * (MOST_STEMS - len(self._names))), streams[0].dtype)
        super().write(np.concatenate([*stereo, silence], axis=1))

    def _check_format(self, subtype: str | None, sample_rate: int, channels: int) -> str:
        if self._suffix not in STEM_SUFFIXES:
            raise ValueError(f"the name of a STEM file must end in {' or '.join(STEM_SUFFIXES)}.")
        if not 1 <= len(self._names) <= MOST_STEMS or len(set(self._names)) < len(self._names):
            raise ValueError(f"a STEM file has 1 to {MOST_STEMS} stems of different names. Received: {self._names}.")
        return check_format(self._suffix, subtype, sample_rate, self._block_channels, self._bitrate)

    def _open(self) -> AacEncoder:
        names = ("mixture", *self._padded_names())
        return AacEncoder(self._temporary, self._sample_rate, STEM_CHANNELS, self._bitrate, names)

    def _complete(self) -> None:
        manifest = {"version": 1, "mastering_dsp": _MASTERING, "stems": self._described_stems()}
        with_manifest = self._temporary.with_suffix(".manifest")
        with open(self._temporary, "rb") as source, open(with_manifest, "wb") as target:
            mp4.replace_user_data(source, target, mp4.atom(b"stem", json.dumps(manifest).encode()))
        os.replace(with_manifest, self._temporary)

    def _padded_names(self) -> list[str]:
        return [*self._names, *[_SILENCE] * (MOST_STEMS - len(self._names))]

    def _described_stems(self) -> list[dict[str, str]]:
        """Return names and colours; names without a colour of their own take those that are left."""
        free = iter([color for name, color in _COLORS.items() if name not in self._names])
        return [{"name": name, "color": _COLORS.get(name) or next(free)} for name in self._padded_names()]
