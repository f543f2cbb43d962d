"""The cache of tracks that are decoded and resampled once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tfsep import audio
from tfsep.datasets import Track
from tfsep.datasets.stems import digest
from tfsep.datasets.store import DTYPE, SCALE, StoredTrack
from tfsep.files import cache_folder, replacing
from tfsep.progress import progress_bar

# Seconds decoded at a time, so that memory does not grow with the song.
_BLOCK = 30


def open_audio(
    tracks: Sequence[Track], sample_rate: int, channels: int, folder: str | Path | None = None
) -> list[Decoded | StoredTrack]:
    """Open tracks for fast reading: those of a store with this rate and these channels directly, others decoded.

    Args:
        tracks, sample_rate, channels, folder: see `decode`.

    Returns:
        A list with one object per track, which has `samples` and `copy_into(rows, start)`.
    """

    def fits(track: Track) -> bool:
        return isinstance(track, StoredTrack) and (track.sample_rate, track.channels) == (sample_rate, channels)

    others = [track for track in tracks if not fits(track)]
    paths = iter(_decoded_files(others, sample_rate, channels, folder) if others else ())
    return [track if fits(track) else Decoded(next(paths)) for track in tracks]


class Decoded:
    """A decoded song in a file of the cache, `[sources + 1, samples, channels]`.

    The file is opened for each excerpt, as a process has few file descriptors and memory maps.
    """

    def __init__(self, path: Path):
        self.path = path
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            (_, self.samples, self.channels), _, _ = np.lib.format.read_array_header_1_0(file)
            self._first = file.tell()

    def copy_into(self, rows: Sequence[np.ndarray], start: int) -> None:
        """Fill a row `[samples, channels]` for each source and for the residual from `start` on."""
        frame = DTYPE.itemsize * self.channels
        try:
            with open(self.path, "rb", buffering=0) as file:
                for number, row in enumerate(rows):
                    file.seek(self._first + frame * (number * self.samples + start))
                    if file.readinto(memoryview(row).cast("B")) < row.nbytes:
                        raise OSError(errno.EIO, "it is shorter than it was")
        except OSError as error:
            reason = f"decoded audio can no longer be read ({error.strerror}); start again to decode it again"
            raise OSError(error.errno, reason, str(self.path)) from error


def decode(
    tracks: Sequence[Track], sample_rate: int, channels: int, folder: str | Path | None = None
) -> list[np.ndarray]:
    """Decode and resample tracks, or find them in the cache.

    The key of the cache is the content of the track's files, the rate, the channels and the type. The cache may be
    deleted while nothing is being trained.

    Args:
        tracks: the tracks.
        sample_rate: int, in hertz.
        channels: int; mono is duplicated, and one channel is the mean of several.
        folder: path of the cache. Defaults to `cache_folder()`.

    Returns:
        A list with one int16 array per track, mapped into memory, `[sources + 1, samples, channels]`. The last row is
        the residual: the mixture minus the sum of the stems.
    """
    paths = _decoded_files(tracks, sample_rate, channels, folder)
    return [np.load(path, mmap_mode="r") for path in paths]


def _decoded_files(tracks: Sequence[Track], sample_rate: int, channels: int, folder: str | Path | None) -> list[Path]:
    """Return the file of each track in the cache, after writing those that are missing."""
    folder = Path(folder) if folder is not None else cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"no folder for decoded audio can be made here ({error.strerror}); set TFSEP_CACHE to another"
        raise OSError(error.errno, reason, str(folder)) from error

    def decode_one(track: Track) -> Path:
        path = folder / f"{digest(track.digest(), sample_rate, channels, DTYPE.name, SCALE)}.npy"
        if not path.exists():
            _decode(track, sample_rate, channels, path)
        return path

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        decoded = pool.map(decode_one, tracks)
        with progress_bar("decoding", len(tracks), unit="track", disable=len(tracks) == 1) as bar:
            paths = []
            for path in decoded:
                paths.append(path)
                bar.update()
            return paths


def _decode(track: Track, sample_rate: int, channels: int, path: Path) -> None:
    samples = round(track.samples * sample_rate / track.sample_rate)
    header = {"descr": DTYPE.str, "fortran_order": False, "shape": (len(track.sources) + 1, samples, channels)}
    # Not a memory map: a full disk would kill the process.
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        first, start = file.tell(), 0
        for rows in _blocks(track, sample_rate, channels):
            for row, block in enumerate(rows):
                file.seek(first + DTYPE.itemsize * channels * (row * samples + start))
                _write(file, _units(block, track), track.name)
            start += len(rows[0])


def _blocks(track: Track, sample_rate: int, channels: int) -> Iterator[list[np.ndarray]]:
    """Yield a song's sources and its residual at another rate, block by block."""
    # Without a file, the mixture is the sum of the sources and the residual is zero.
    names = track.sources if track.mixture is None else (*track.sources, "mixture")
    for blocks in zip(*(_resampled(track, name, sample_rate, channels) for name in names), strict=True):
        stems = blocks[: len(track.sources)]
        residual = np.zeros_like(stems[0]) if track.mixture is None else blocks[-1] - sum(stems)
        yield [*stems, residual]


def _resampled(track: Track, source: str, sample_rate: int, channels: int) -> Iterator[np.ndarray]:
    size = _BLOCK * track.sample_rate
    starts = range(0, track.samples, size)
    blocks = (track.read(source, start, min(size, track.samples - start)) for start in starts)
    blocks = (_to_channels(block, channels, track.name) for block in blocks)
    return audio.resample_blocks(blocks, track.sample_rate, sample_rate, track.samples)


def _units(samples: np.ndarray, track: Track) -> np.ndarray:
    units = np.rint(samples * SCALE)
    if np.abs(units).max(initial=0) > 2**15:
        track.warn_once(": samples beyond -4 and 4 are clipped.")
    return np.clip(units, -(2**15), 2**15 - 1)


def _write(file: BinaryIO, samples: np.ndarray, name: str) -> None:
    try:
        file.write(samples.astype(DTYPE, order="C"))
        file.flush()
    except OSError as error:
        advice = "free space, or choose another folder (TFSEP_CACHE)"
        reason = f"decoded audio of {name} could not be written ({error.strerror}); {advice}"
        raise OSError(error.errno, reason) from error


def _to_channels(samples: np.ndarray, channels: int, name: str) -> np.ndarray:
    if samples.shape[1] == channels:
        return samples
    if channels == 1:
        return samples.mean(axis=1, keepdims=True)
    if samples.shape[1] == 1:
        return np.repeat(samples, channels, axis=1)
    raise ValueError(f"{name} has {samples.shape[1]} channels. Expected mono, or the model's {channels} channels.")
