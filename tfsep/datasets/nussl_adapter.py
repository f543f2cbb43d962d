"""Datasets of the nussl library as a corpus."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.datasets.stem import digest
from tfsep.datasets.track import Corpus, Track

_KEPT = 4  # items in memory, so that the sources of one song are not decoded one by one


def from_nussl(dataset) -> Corpus:
    """Takes any nussl dataset as a corpus.

    Items are loaded when they are read, through `dataset[index]`, and the last few are kept. What is asked of an
    item: `"mix"` and the dict `"sources"`, with nussl's `AudioSignal` in them (`audio_data`, `sample_rate`,
    `file_name`). nussl itself is not imported.

    Args:
        dataset: a `nussl.datasets.BaseDataset`, without transforms that change its items to tensors.

    Returns:
        A `Corpus`, with the sources of the first item.

    Raises:
        ValueError: if the dataset is empty, or its items are none of `mix` and `sources`.

    Example:

    >>> dataset = nussl.datasets.MUSDB18(folder="/data/musdb18", subsets=["train"])
    >>> train = tfsep.datasets.from_nussl(dataset)
    """
    if not len(dataset):
        raise ValueError("The nussl dataset has no items.")
    load = functools.lru_cache(maxsize=_KEPT)(dataset.__getitem__)
    first = load(0)
    if not isinstance(first, dict) or not {"mix", "sources"} <= set(first):
        raise ValueError(
            "Items of the nussl dataset must hold 'mix' and 'sources'. Received: "
            f"{sorted(first) if isinstance(first, dict) else type(first).__name__}."
        )
    tracks = []
    for index in range(len(dataset)):
        stems = {source: _Signal(load, index, source) for source in sorted(first["sources"])}
        tracks.append(Track(_name(dataset, index), stems, _Signal(load, index, None)))
    return Corpus(type(dataset).__name__, tracks)


def _name(dataset, index: int) -> str:
    """Name of an item without loading it: nussl's items are file names, or objects with a name."""
    item = dataset.items[index] if hasattr(dataset, "items") else index
    name = getattr(item, "name", item)
    return Path(name).stem if isinstance(name, str) else f"{index:05d}"


@dataclass(frozen=True)
class _Signal:
    """The signal of a source of an item, or its mixture, as a stem (see `Stem`)."""

    load: Callable[[int], dict]
    index: int
    source: str | None

    @property
    def name(self) -> str:
        return f"item {self.index}, {self.source or 'mix'}"

    def info(self) -> audio.AudioInfo:
        signal = self._signal()
        channels, samples = signal.audio_data.shape
        return audio.AudioInfo(self.name, int(signal.sample_rate), samples, channels, 1)

    def read(self, start: int, samples: int) -> np.ndarray:
        return self._signal().audio_data[:, start : start + samples].T.astype(np.float32, order="C")

    def digest(self) -> str:
        signal = self._signal()
        content = hashlib.blake2b(np.ascontiguousarray(signal.audio_data), digest_size=16).hexdigest()
        return digest(content, signal.sample_rate)

    def _signal(self):
        item = self.load(self.index)
        if self.source is None:
            return item["mix"]
        if self.source not in item["sources"]:
            raise audio.AudioError(f"{self.name}: the item has no such source, only {sorted(item['sources'])}.")
        return item["sources"][self.source]
