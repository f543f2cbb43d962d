"""Tracks decoded and resampled once, kept as 16-bit samples that are mapped into memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tfsep import audio
from tfsep.datasets import Track

# The 16 bits span [-2, 2): lossy decoders overshoot full scale, and clipping would change the material.
SCALE = 2.0**14

RESIDUAL = "residual"


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
    layout = [(source, stem and stem.stream) for source, stem in (*track.stems.items(), ("mix", track.mixture))]
    digest = hashlib.blake2b(repr((layout, sample_rate, channels)).encode(), digest_size=16)
    for path in track.files:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _decode(track: Track, sample_rate: int, channels: int, path: Path) -> None:
    def read(source: str) -> np.ndarray:
        return audio.resample(_to_channels(track.read(source), channels), track.sample_rate, sample_rate)

    mixture = read("mixture")
    residual = mixture.copy()
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    os.close(handle)
    try:
        shape = (len(track.sources) + 1, *mixture.shape)
        rows = np.lib.format.open_memmap(temporary, "w+", np.int16, shape)
        for row, source in zip(rows, track.sources, strict=False):
            stem = read(source)
            residual -= stem
            row[:] = _to_int16(stem)
        rows[-1] = _to_int16(residual)
        rows.flush()
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _to_int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples * SCALE), -32768, 32767).astype(np.int16)


def _to_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    if samples.shape[1] == channels:
        return samples
    if channels == 1:
        return samples.mean(axis=1, keepdims=True)
    if samples.shape[1] == 1:
        return np.repeat(samples, channels, axis=1)
    raise ValueError(f"Cannot turn {samples.shape[1]} channels into {channels}. Expected mono, or {channels} channels.")
