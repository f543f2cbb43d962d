"""Songs as `tf.train.Example` messages; `tfsep.datasets.store` says what they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfsep.datasets.store import RESIDUAL

# A source counts as heard in chunks of 50 ms with more than a tenth of the mean magnitude of its loudest chunk: the
# rule of the CycleGAN's data (800 samples at 16 kHz).
_CHUNK = 0.05
_SHARE = 0.1


def encode(
    name: str, sources: Sequence[str], rows: np.ndarray, start: int, sample_rate: int, active: dict[str, list]
) -> tuple[bytes, dict[str, int]]:
    """Makes a message of an excerpt of a song.

    Args:
        name: str, the song.
        sources: names of the rows but the last, which is the residual.
        rows: int16 or float32 `[sources + 1, samples, channels]`.
        start: int, place of the excerpt in the song, in samples.
        sample_rate: int.
        active: dict from source to pairs of start and end, in samples of the excerpt.

    Returns:
        The serialised message, and where in it the samples of each source start that is not silent throughout.
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
    # Should the same bytes stand earlier as well, they are the same samples.
    return message, {source: message.index(content) for source, content in contents.items()}


def active_regions(row: np.ndarray, sample_rate: int) -> np.ndarray:
    """Says where a source of a song is heard.

    Args:
        row: `[samples, channels]`, the whole song.
        sample_rate: int.

    Returns:
        int `[regions, 2]`: start and end of each stretch, in samples.
    """
    chunk = max(1, round(_CHUNK * sample_rate))
    magnitudes = np.array(
        [np.abs(row[start : start + chunk].astype(np.float32)).mean() for start in range(0, len(row), chunk)]
    )
    heard = magnitudes > _SHARE * magnitudes.max(initial=0)
    edges = np.flatnonzero(np.diff(heard.astype(np.int8), prepend=0, append=0))
    return np.minimum(edges.reshape(-1, 2) * chunk, len(row))


def within(regions: np.ndarray, start: int, end: int) -> list[list[int]]:
    """The parts of regions that lie between `start` and `end`, counted from `start`."""
    cut = np.clip(regions, start, end) - start
    return cut[cut[:, 0] < cut[:, 1]].tolist()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values: Sequence[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
