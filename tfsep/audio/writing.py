"""Arrays to audio files, which appear complete or not at all."""

import contextlib
import dataclasses
import errno
import os
import sys
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import soundfile

from tfsep.audio import av_encoder, reading, soundfile_encoder
from tfsep.audio.formats import AudioError
from tfsep.audio.tags import Tags, read_tags, write_tags
from tfsep.checks import check_choice, check_integer
from tfsep.files import replacing

SUBTYPES = {**soundfile_encoder.SUBTYPES, **av_encoder.SUBTYPES}
_PCM_BITS = {"PCM_16": 16, "PCM_24": 24}
# Subtypes limited to [-1, 1]; AAC distorts what is beyond.
_LIMITED = (*_PCM_BITS, "AAC")
CLIPS = ("error", "rescale", "clamp")
# Samples encoded at once; libsndfile crashes if an ogg file is given as one large array.
_BLOCK = 65536
_WAV_LIMIT = 2**32 - 4096  # bytes; its sizes have 32 bits
# What encoders raise if they cannot write.
_FAILURES = (soundfile.LibsndfileError, AssertionError, av.FFmpegError)


def write(
    path: str | os.PathLike,
    audio: np.ndarray,
    sample_rate: int,
    subtype: str | None = None,
    overwrite: bool = False,
    clip: str = "error",
    bitrate: int | None = None,
    tags: Tags | None = None,
) -> None:
    """Write audio to a file, which appears complete or not at all.

    Files have exactly the length that was written. Opus supports only some sample rates: audio at rates other than
    8, 12, 16, 24 and 48 kHz is resampled to 48 kHz, and has `round(samples * 48000 / sample_rate)` samples.

    Args:
        path: path, whose suffix gives the format: `.wav`, `.flac`, `.ogg` (Vorbis), `.opus`, `.mp3` or
            `.m4a` (AAC).
        audio: float array of shape `[samples, channels]`, or `[samples]` for one channel. PCM formats and m4a
            store [-1, 1]. Float wav, ogg, opus and mp3 store any level unchanged, though players clip it.
        sample_rate: int, in hertz.
        subtype: str, for wav `"FLOAT"`, `"PCM_16"` or `"PCM_24"`; for flac `"PCM_24"` or `"PCM_16"`. Defaults to
            the first of them.
        overwrite: bool, replace an existing file. Defaults to False.
        clip: str, treatment of samples beyond [-1, 1] in PCM formats and m4a: `"error"`, `"rescale"` (scale the whole
            file to a peak of 1) or `"clamp"`. Defaults to `"error"`.
        bitrate: int, in bits per second, for lossy formats. Defaults to some 250000 for two channels, and 192000 for
            opus. mp3 has 64000, 80000, 96000, 112000, 128000, 160000, 192000, 224000, 256000 and 320000, all
            constant, below 32 kHz 64000 to 160000, and below 16 kHz 64000. The others are averages, which depend on
            the music: ogg takes 64000 to 499821 for two channels at 44.1 kHz, opus 6000 to 256000 for each channel,
            and m4a 16000 for each channel to 6 bits for each sample, of which its encoder uses some 400000 for two
            channels at 44.1 kHz.
        tags: `Tags` to store. Those that the format cannot store are left out with a warning. Defaults to None.

    Raises:
        ValueError: for a suffix, subtype, rate, bitrate or array that does not fit.
        FileExistsError: if the file exists and `overwrite` is False.
        OSError: if the folder is missing or not writable, or the disk is full.

    Example:

    >>> vocals, sample_rate = tfsep.audio.read("song.stem.mp4", stream=4)
    >>> tfsep.audio.write("vocals.wav", vocals, sample_rate)
    """
    audio = np.asarray(audio)
    audio = audio[:, np.newaxis] if audio.ndim == 1 else audio
    if audio.ndim != 2:
        raise ValueError(f"{path}: audio must have the shape [samples, channels]. Received: {audio.shape}.")
    with Writer(path, sample_rate, audio.shape[1], subtype, overwrite, clip, None, bitrate, tags) as writer:
        writer.write(audio)


def check_format(
    suffix: str,
    subtype: str | None = None,
    sample_rate: int | None = None,
    channels: int | None = None,
    bitrate: int | None = None,
) -> str:
    """Check that files of a format can be written, and return their subtype.

    Args:
        suffix: str, `.wav`, `.flac`, `.ogg`, `.opus`, `.mp3` or `.m4a`; `.stem.m4a` or `.stem.mp4` for `write_stems`.
        subtype: str, as in `write`. Defaults to that of the format.
        sample_rate: int, in hertz. Defaults to None, which leaves it and `channels` unchecked.
        channels: int, given together with `sample_rate`. Defaults to None.
        bitrate: int, as in `write`. Its range is checked if `sample_rate` is given. Defaults to None.

    Returns:
        The subtype, a str.

    Raises:
        ValueError: if files of that suffix cannot be written, or not with that subtype, rate, channels or bitrate.

    Example:

    >>> tfsep.audio.check_format(".flac")
    'PCM_24'
    """
    check_choice("suffix", suffix, SUBTYPES)
    subtype = SUBTYPES[suffix][0] if subtype is None else subtype
    if subtype != SUBTYPES[suffix][0] and len(SUBTYPES[suffix]) == 1:
        raise ValueError(f"{suffix[1:]} takes no subtype. Received: subtype={subtype!r}.")
    check_choice("subtype", subtype, SUBTYPES[suffix])
    check_integer("bitrate", bitrate, optional=True)
    if bitrate is not None and suffix in soundfile_encoder.LOSSLESS:
        raise ValueError(f"{suffix[1:]} is lossless and takes no bitrate. Received: bitrate={bitrate}.")
    if sample_rate is None:
        return subtype
    if suffix in av_encoder.SUBTYPES:
        av_encoder.check_format(suffix, sample_rate, channels, bitrate)
    else:
        soundfile_encoder.check_format(suffix, subtype, sample_rate, channels, bitrate)
    return subtype


def _suffix(path: Path) -> str:
    """Return the suffix that names the format, which for STEM files is a double one."""
    name = path.name.lower()
    return next((suffix for suffix in av_encoder.STEM_SUFFIXES if name.endswith(suffix)), path.suffix.lower())


def read_comment(path: str | os.PathLike) -> str:
    """Return the comment that `Writer` stored in a file; empty if there is none, or the file cannot be read."""
    try:
        return read_tags(path).comment
    except (AudioError, OSError):
        return ""


class Writer:
    """Write an audio file block by block, for audio that does not fit in memory.

    The blocks go to a temporary file in the same folder, which is renamed to `path` when the `with` block ends. If
    that ends in any exception, including one for an invalid block, nothing is left behind.

    Args:
        path: path, as in `write`.
        sample_rate: int, in hertz.
        channels: int.
        subtype: str, as in `write`. Defaults to that of the format.
        overwrite: bool, as in `write`. Defaults to False.
        clip: str, as in `write`. To rescale, the samples are first written as floats beside the file. Defaults to
            `"error"`.
        comment: str, text that is stored in the file, instead of that of `tags`. Defaults to None.
        bitrate, tags: as in `write`.

    Attributes:
        peak: float, the greatest absolute sample so far. Files that must keep their balance, such as the stems of a
            song, are rescaled by one gain if all are given the greatest of their peaks before `finish`.
        gain: float, by which PCM and AAC are scaled: below 1 where the peak is above 1 and `clip` is `"rescale"`.

    Raises:
        As `write` does.

    Example:

    >>> with tfsep.audio.Writer("mono.wav", 44100, channels=1) as writer:
    ...     for block in tfsep.audio.blocks("song.mp3", 65536):
    ...         writer.write(block.mean(axis=1, keepdims=True))
    """

    def __init__(
        self,
        path: str | os.PathLike,
        sample_rate: int,
        channels: int,
        subtype: str | None = None,
        overwrite: bool = False,
        clip: str = "error",
        comment: str | None = None,
        bitrate: int | None = None,
        tags: Tags | None = None,
    ):
        self._path = Path(path)
        self._suffix = _suffix(self._path)
        self._bitrate = bitrate
        try:
            check_integer("sample_rate", sample_rate)
            check_integer("channels", channels)
            check_choice("clip", clip, CLIPS)
            if not isinstance(tags, (Tags, type(None))):
                raise ValueError(f"tags must be Tags. Received: {tags!r:.200}.")
            self._subtype = self._check_format(subtype, sample_rate, channels)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        self._sample_rate = sample_rate
        self._channels = channels
        self._overwrite = overwrite
        self._clip = clip if self._subtype in _LIMITED else None
        self._tags = tags or Tags()
        if comment:
            self._tags = dataclasses.replace(self._tags, comment=comment)
        self._samples = 0
        self._finished = False
        self.peak = 0.0
        self._check_target()

    @property
    def gain(self) -> float:
        return 1 / self.peak if self._clip == "rescale" and self.peak > 1 else 1.0

    def __repr__(self) -> str:
        return f"Writer({str(self._path)!r}, {self._sample_rate}, channels={self._channels})"

    def __enter__(self) -> "Writer":
        self._replacing = replacing(self._path)
        try:
            self._temporary = self._replacing.__enter__()
        except OSError as error:
            raise OSError(error.errno, f"cannot write ({error.strerror})", str(self._path)) from None
        try:
            self._encoder = self._open()
            # The gain is known only after the last sample.
            self._floats = open(self._temporary.with_name("floats"), "w+b") if self._clip == "rescale" else None
        except BaseException:
            self._replacing.__exit__(*sys.exc_info())
            raise
        return self

    def _check_format(self, subtype: str | None, sample_rate: int, channels: int) -> str:
        if self._suffix in av_encoder.STEM_SUFFIXES:
            raise ValueError("is the name of a STEM file; use tfsep.audio.write_stems or StemFileWriter.")
        return check_format(self._suffix, subtype, sample_rate, channels, self._bitrate)

    def _open(self) -> soundfile_encoder.SoundFileEncoder | av_encoder.AacEncoder:
        settings = self._sample_rate, self._channels, self._bitrate
        if self._suffix in av_encoder.SUBTYPES:
            return av_encoder.AacEncoder(self._temporary, *settings)
        file = os.fsencode(self._temporary)
        return soundfile_encoder.SoundFileEncoder(file, self._suffix, self._subtype, *settings)

    def write(self, block: np.ndarray) -> None:
        """Append a float array of shape `[samples, channels]`."""
        block = self._check(np.asarray(block))
        if self._floats is None:
            self._write(block)
        else:
            try:
                self._floats.write(np.ascontiguousarray(block))
                self._floats.flush()
            except OSError as error:
                raise self._disk_error() from error
        self._samples += len(block)

    def _write(self, block: np.ndarray) -> None:
        try:
            for start in range(0, len(block), _BLOCK):
                self._encoder.write(self._encode(block[start : start + _BLOCK]))
        except _FAILURES as error:
            raise self._disk_error() from error

    def finish(self) -> None:
        """Encode and check the file, which appears when the `with` block ends; that calls this as well."""
        if self._finished:
            return
        if self._floats is not None:
            self._floats.seek(0)
            while len(block := np.fromfile(self._floats, np.float32, _BLOCK * self._channels)):
                self._write(block.reshape(-1, self._channels) * np.float32(self.gain))
        with contextlib.suppress(*_FAILURES):  # _verify finds what did not reach the disk
            self._encoder.finish()
        self._verify()
        self._complete()
        write_tags(self._temporary, self._suffix, self._tags, self._path)
        self._finished = True

    def _complete(self) -> None:
        """Add to the encoded file what the encoder does not write."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
                self._check_target()
        except BaseException:
            self._close()
            self._replacing.__exit__(*sys.exc_info())
            raise
        self._close()
        self._replacing.__exit__(kind, error, traceback)

    def _close(self) -> None:
        with contextlib.suppress(*_FAILURES):
            self._encoder.close()
        if self._floats is not None:
            with contextlib.suppress(OSError):  # of a full disk, which was reported already
                self._floats.close()

    def _verify(self) -> None:
        if self._encoder.samples == 0:
            raise ValueError(f"{self._path}: no samples were written.")
        # Encoders write their last samples on closing, and libsndfile does not report if that fails.
        try:
            reading.read(self._temporary, start=self._encoder.samples - 1, samples=1)
        except (AudioError, ValueError) as error:
            raise self._disk_error() from error

    def _check_target(self) -> None:
        if self._path.is_dir():
            raise ValueError(f"{self._path}: is a folder. Expected the name of a file to write.")
        if self._path.exists() and not self._overwrite:
            raise FileExistsError(
                f"{self._path}: exists already; choose another name, or replace it with overwrite=True (--overwrite)."
            )
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"{self._path}: its folder does not exist; create it first.")

    def _check(self, block: np.ndarray) -> np.ndarray:
        if block.ndim != 2 or block.shape[1] != self._channels or block.dtype.kind != "f":
            raise ValueError(
                f"{self._path}: audio must be a float array [samples, {self._channels}]. "
                f"Received: {block.dtype} of shape {block.shape}."
            )
        block = block.astype(np.float32, copy=False)
        peak = float(np.abs(block).max(initial=0))
        if not np.isfinite(peak):
            raise ValueError(f"{self._path}: audio contains NaN or infinite samples.")
        if self._clip == "error" and peak > 1:
            raise ValueError(
                f"{self._path}: audio reaches {peak:.4g} and {self._subtype} would clip it at 1; "
                "write wav with subtype 'FLOAT', or lower the level by clip='rescale' (--clip rescale)."
            )
        self.peak = max(self.peak, peak)
        size = (self._samples + len(block)) * self._channels * _PCM_BITS.get(self._subtype, 32) // 8
        if self._suffix == ".wav" and size > _WAV_LIMIT:
            raise ValueError(f"{self._path}: wav stores at most 4 GiB; write flac.")
        return block

    def _encode(self, block: np.ndarray) -> np.ndarray:
        """Round PCM to the nearest code; libsndfile would round down. Codes are the upper bits of an int32."""
        if self._clip is None:
            return block
        block = np.clip(block, -1, 1)  # clamped, or rounded beyond the peak in rescaling
        bits = _PCM_BITS.get(self._subtype)
        if bits is None:
            return block
        full_scale = 2.0 ** (bits - 1)
        codes = np.minimum(np.rint(block * np.float32(full_scale)), full_scale - 1).astype(np.int32)
        return codes << (32 - bits)

    def _disk_error(self) -> OSError:
        return OSError(errno.EIO, "not all samples could be written; the disk may be full", str(self._path))
