"""Tracks decoded and resampled once, kept as 16-bit samples that are mapped into memory."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from tfsep import audio
from tfsep.datasets import Track
from tfsep.files import replacing

_log = logging.getLogger("tfsep")

# The 16 bits span [-4, 4): lossy decoders overshoot full scale, and the residual of a mastered mixture does so by far.
SCALE = 2.0**13


def default_folder() -> Path:
    """The folder of decoded tracks: `$TFSEP_CACHE`, else `~/.cache/tfsep`."""
    return Path(os.environ.get("TFSEP_CACHE", "~/.cache/tfsep")).expanduser()


def decode(
    tracks: Sequence[Track],
    sample_rate: int,
    channels: int,
    folder: str | Path | None = None,
) -> list[np.ndarray]:
    """Decodes and resamples tracks, or finds them in the cache.

    The cache is keyed by the content of the track's files, the rate and the channels; it may be deleted at any
    time.

    Args:
        tracks: tracks whose stems are wanted.
        sample_rate: int, samples per second wanted.
        channels: int, channels wanted. To one: the mean. From one: duplicated.
        folder: path of the cache. Defaults to `default_folder()`.

    Returns:
        One int16 array a track, mapped into memory, `[sources + 1, samples, channels]` in units of `1 / SCALE`.
        The last row is the residual: the mixture less the sum of the stems.
    """
    folder = Path(folder) if folder is not None else default_folder()
    folder.mkdir(parents=True, exist_ok=True)

    def decode_one(track: Track) -> Path:
        path = folder / f"{_fingerprint(track, sample_rate, channels)}.npy"
        if not path.exists():
            _decode(track, sample_rate, channels, path)
        return path

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        paths = list(tqdm(pool.map(decode_one, tracks), "decoding", len(tracks), unit="track", leave=False))
    return [np.load(path, mmap_mode="r") for path in paths]


def _fingerprint(track: Track, sample_rate: int, channels: int) -> str:
    stems = (*track.stems.items(), ("mix", track.mixture))
    layout = [(source, stem and (track.files.index(stem.path), stem.stream)) for source, stem in stems]
    digest = hashlib.blake2b(repr((layout, sample_rate, channels, SCALE)).encode(), digest_size=16)
    for path in track.files:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _decode(track: Track, sample_rate: int, channels: int, path: Path) -> None:
    def read(source: str) -> np.ndarray:
        samples = _to_channels(track.read(source), channels, track.name)
        return audio.resample(samples, track.sample_rate, sample_rate)

    mixture = read("mixture")
    residual = mixture.copy()
    # Written, not mapped: a full disk under a map would kill the process.
    with replacing(path) as temporary, open(temporary, "wb") as file:
        header = {"descr": "<i2", "fortran_order": False, "shape": (len(track.sources) + 1, *mixture.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for source in track.sources:
            stem = read(source)
            residual -= stem
            _append(file, stem, track.name)
        _append(file, residual, track.name)


def _append(file: BinaryIO, samples: np.ndarray, name: str) -> None:
    units = np.rint(samples * SCALE)
    if np.abs(units).max(initial=0) > 2**15:
        _log.warning("%s: samples beyond -4 and 4 are clipped.", name)
    try:
        file.write(np.clip(units, -(2**15), 2**15 - 1).astype("<i2", order="C"))
    except OSError as error:
        raise OSError(
            error.errno,
            f"decoded audio of {name} could not be written ({error.strerror}); free space, or set TFSEP_CACHE",
            file.name,
        ) from error


def _to_channels(samples: np.ndarray, channels: int, name: str) -> np.ndarray:
    if samples.shape[1] == channels:
        return samples
    if channels == 1:
        return samples.mean(axis=1, keepdims=True)
    if samples.shape[1] == 1:
        return np.repeat(samples, channels, axis=1)
    raise ValueError(f"{name} has {samples.shape[1]} channels. Expected mono, or the model's {channels} channels.")
