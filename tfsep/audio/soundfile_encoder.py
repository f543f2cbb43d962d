"""Encoding with libsndfile: wav, flac, ogg, opus and mp3."""

import functools
import io

import numpy as np
import soundfile

from tfsep.audio.channels import wave_to_vorbis
from tfsep.audio.formats import check_bitrate
from tfsep.audio.resampling import Resampler

# Subtypes of each suffix, the default first.
SUBTYPES = {
    ".wav": ("FLOAT", "PCM_16", "PCM_24"),
    ".flac": ("PCM_24", "PCM_16"),
    ".ogg": ("VORBIS",),
    ".opus": ("OPUS",),
    ".mp3": ("MPEG_LAYER_III",),
}
LOSSLESS = (".wav", ".flac")
# About 250 kbit/s for a stereo song, where libsndfile's defaults are 120 (ogg) and 140 (mp3).
_DEFAULTS = {
    ".ogg": {"compression_level": 0.2},
    ".mp3": {"compression_level": 0.0, "bitrate_mode": "VARIABLE"},
}
_VORBIS_RATE = 200000  # hertz; libvorbis crashes above
# Bits per second of each channel; libsndfile's compression levels 1 and 0.
_OPUS_BITRATES = (6000, 256000)
_OPUS_DEFAULT = 96000
_OPUS_RATES = (48000, 24000, 16000, 12000, 8000)
# By the lowest sample rate: the rates of constant bitrates at libsndfile's compression levels 1 and 0, and those that
# MPEG has. In the frames of lower ones there is no place for the header that tells the exact length.
_MP3_BITRATES = {
    32000: (32, 320, (64, 80, 96, 112, 128, 160, 192, 224, 256, 320)),
    16000: (8, 160, (64, 80, 96, 112, 128, 144, 160)),
    0: (8, 64, (64,)),
}


def check_format(suffix: str, subtype: str, sample_rate: int, channels: int, bitrate: int | None) -> None:
    """Raise ValueError if a format does not support a rate, number of channels or bitrate."""
    if suffix == ".mp3" and channels > 2:
        raise ValueError(f"mp3 stores 1 or 2 channels. Received: channels={channels}. Write wav, flac or ogg.")
    if suffix == ".ogg" and sample_rate > _VORBIS_RATE:
        raise ValueError(f"ogg supports at most {_VORBIS_RATE} Hz. Received: {sample_rate} Hz. Resample, or write wav.")
    SoundFileEncoder(io.BytesIO(), suffix, subtype, sample_rate, channels, bitrate).close()


class SoundFileEncoder:
    """Encode blocks into a file.

    Args:
        file: path as bytes, or a file object.
        suffix, subtype: str, the format.
        sample_rate: int, in hertz.
        channels: int.
        bitrate: int, in bits per second, for lossy formats. Defaults to None, some 125 kbit/s for each channel.

    Attributes:
        sample_rate: int, that of the file; opus has some rates only, and audio at others is resampled to 48 kHz.
        samples: int, length of the file so far.

    Raises:
        ValueError: if the format does not support the rate, channels or bitrate.
    """

    def __init__(
        self, file: bytes | io.BytesIO, suffix: str, subtype: str, sample_rate: int, channels: int, bitrate: int | None
    ):
        self.samples = 0
        self.sample_rate = sample_rate
        self._resampler = None
        if subtype == "OPUS" and sample_rate not in _OPUS_RATES:
            self.sample_rate = 48000
            self._resampler = Resampler(sample_rate, self.sample_rate, channels)
        self._order = wave_to_vorbis(channels) if subtype in ("VORBIS", "OPUS") else None
        settings = _settings(suffix, sample_rate, channels, bitrate)
        self._file = _open(file, suffix, subtype, self.sample_rate, channels, settings)

    def write(self, block: np.ndarray) -> None:
        """Encode floats of shape `[samples, channels]`, or PCM in the upper bits of an int32."""
        self._write(block if self._resampler is None else self._resampler.push(block))

    def finish(self) -> None:
        """Encode the remaining samples, and close the file."""
        if self._resampler is not None:
            self._write(self._resampler.finish())
        self.close()

    def close(self) -> None:
        self._file.close()

    def _write(self, block: np.ndarray) -> None:
        block = block if self._order is None else block[:, self._order]
        self._file.write(block)
        self.samples += len(block)


def _open(
    file: bytes | io.BytesIO, suffix: str, subtype: str, sample_rate: int, channels: int, settings: dict
) -> soundfile.SoundFile:
    container = "OGG" if suffix == ".opus" else suffix[1:].upper()
    try:
        return soundfile.SoundFile(file, "w", sample_rate, channels, subtype, format=container, **settings)
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"{suffix[1:]} does not support {channels} channels at {sample_rate} Hz ({error.error_string.strip()}). "
            "Resample, or write wav."
        ) from error


def _settings(suffix: str, sample_rate: int, channels: int, bitrate: int | None) -> dict:
    """Return the settings of libsndfile for a bitrate."""
    if suffix == ".opus":
        least, most = (limit * channels for limit in _OPUS_BITRATES)
        bitrate = _OPUS_DEFAULT * channels if bitrate is None else bitrate
        check_bitrate(bitrate, range(least, most + 1))
        return {"compression_level": (most - bitrate) / (most - least)}
    if bitrate is None:
        return _DEFAULTS.get(suffix, {})
    if suffix == ".mp3":
        least, most, choices = next(row for lowest, row in _MP3_BITRATES.items() if sample_rate >= lowest)
        check_bitrate(bitrate, [1000 * choice for choice in choices])
        return {"compression_level": (most - bitrate / 1000) / (most - least), "bitrate_mode": "CONSTANT"}
    return {"compression_level": _vorbis_level(sample_rate, channels, bitrate)}


@functools.lru_cache
def _vorbis_level(sample_rate: int, channels: int, bitrate: int) -> float:
    """Return the compression level for which libvorbis states a bitrate, by bisection."""
    least, most = (_vorbis_bitrate(sample_rate, channels, level) for level in (1.0, 0.0))
    if most <= 0:
        raise ValueError(f"ogg takes no bitrate at {sample_rate} Hz: resample, or leave it out.")
    check_bitrate(bitrate, range(least, most + 1))
    low, high = 0.0, 1.0
    for _ in range(10):
        level = (low + high) / 2
        low, high = (level, high) if _vorbis_bitrate(sample_rate, channels, level) > bitrate else (low, level)
    return high


def _vorbis_bitrate(sample_rate: int, channels: int, level: float) -> int:
    """Return the nominal bitrate in the header of an empty file."""
    file = io.BytesIO()
    _open(file, ".ogg", "VORBIS", sample_rate, channels, {"compression_level": level}).close()
    return int.from_bytes(file.getvalue()[48:52], "little", signed=True)
