"""Songs as `tf.train.Example` messages, whose content `tfsep.datasets.store` describes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfsep.datasets.store import RESIDUAL

# A source is active in chunks of 50 ms with more than a tenth of the mean magnitude of its loudest chunk: the rule of
# the CycleGAN's data (800 samples at 16 kHz).
_CHUNK = 0.05
_SHARE = 0.1


def encode(
    name: str, sources: Sequence[str], rows: np.ndarray, start: int, sample_rate: int, active: dict[str, list]
) -> tuple[bytes, dict[str, int]]:
    """Encode an excerpt of a song as a message.

    Args:
        name: str, name of the song.
        sources: names of the rows except the last, which is the residual.
        rows: int16 array `[sources + 1, samples, channels]`.
        start: int, position of the excerpt in the song, in samples.
        sample_rate: int, in hertz.
        active: dict from source to pairs of start and end, in samples of the excerpt.

    Returns:
        The serialised message, and a dict from source to the byte at which its samples start, without sources that are
        silent throughout.
    """
    features = {
        "name": _bytes(name.encode()),
        "sample_rate": _integers([sample_rate]),
        "channels": _integers([rows.shape[2]]),
        "start": _integers([start]),
        "samples": _integers([rows.shape[1]]),
    }
    contents = {
        source: np.ascontiguousarray(row).tobytes()
        for source, row in zip((*sources, RESIDUAL), rows, strict=True)
        if row.any()
    }
    features |= {f"audio/{source}": _bytes(content) for source, content in contents.items()}
    features |= {f"active/{source}": _integers(np.ravel(pairs)) for source, pairs in active.items()}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    message = example.SerializeToString(deterministic=True)
    # `index` may find an earlier equal run of bytes; its samples are equal too.
    return message, {source: message.index(content) for source, content in contents.items()}


def active_regions(row: np.ndarray, sample_rate: int) -> np.ndarray:
    """Find where a source of a song is active.

    Args:
        row: array `[samples, channels]` of the whole song.
        sample_rate: int, in hertz.

    Returns:
        int array `[regions, 2]`, start and end of each region in samples.
    """
    chunk = max(1, round(_CHUNK * sample_rate))
    magnitudes = np.array(
        [np.abs(row[start : start + chunk].astype(np.float32)).mean() for start in range(0, len(row), chunk)]
    )
    active = magnitudes > _SHARE * magnitudes.max(initial=0)
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    return np.minimum(edges.reshape(-1, 2) * chunk, len(row))


def within(regions: np.ndarray, start: int, end: int) -> list[list[int]]:
    """Return the parts of regions between `start` and `end`, relative to `start`."""
    cut = np.clip(regions, start, end) - start
    return cut[cut[:, 0] < cut[:, 1]].tolist()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values: Sequence[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
