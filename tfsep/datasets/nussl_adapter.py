"""Datasets of the nussl library as a corpus."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.datasets.stems import digest
from tfsep.datasets.track import Corpus, Track

_KEPT = 4  # items in memory, so that a song is not decoded again for each of its sources


def from_nussl(dataset) -> Corpus:
    """Use any nussl dataset as a corpus, such as `nussl.datasets.MUSDB18(folder="/data/musdb18")`.

    Items are loaded by `dataset[index]` when they are read, and the last few are kept in memory. An item needs `"mix"`
    and the dict `"sources"` of nussl's `AudioSignal`, with its `audio_data` and `sample_rate`.

    Args:
        dataset: a `nussl.datasets.BaseDataset`, without transforms that turn its items into tensors.

    Returns:
        A `Corpus` with the sources of the first item. Its tracks are named after the files that the dataset lists, or
        numbered.

    Raises:
        ValueError: if the dataset is empty, or its first item lacks `mix` or `sources`.

    Example:

    >>> from types import SimpleNamespace
    >>> signal = SimpleNamespace(audio_data=np.zeros((2, 44100)), sample_rate=44100)
    >>> dataset = [{"mix": signal, "sources": {"vocals": signal}}]
    >>> tfsep.datasets.from_nussl(dataset)[0]
    Track('00000', sources=('vocals',))
    """
    if not len(dataset):
        raise ValueError("The nussl dataset has no items.")
    items = _Items(dataset)
    sources = sorted(items.load(0)["sources"])
    tracks = []
    for index in range(len(dataset)):
        stems = {source: _Signal(items, index, source) for source in sources}
        tracks.append(Track(_name(dataset, index), stems, _Signal(items, index, None)))
    return Corpus(type(dataset).__name__, tracks)


def _name(dataset, index: int) -> str:
    """Return the name of an item without loading it: nussl's items are file names, numbers or objects with a name."""
    item = dataset.items[index] if hasattr(dataset, "items") else index
    if isinstance(item, str | Path):
        return Path(item).stem
    name = getattr(item, "name", None)
    return name if isinstance(name, str) else f"{index:05d}"


class _Items:
    """The items of a dataset, of which the last few are kept."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.load = functools.lru_cache(maxsize=_KEPT)(self._load)

    def __repr__(self) -> str:
        return f"items of {type(self.dataset).__name__}"

    def __reduce__(self):
        # Tracks go to another process without the items in memory.
        return _Items, (self.dataset,)

    def _load(self, index: int) -> dict:
        item = self.dataset[index]
        if not isinstance(item, dict) or "mix" not in item or not isinstance(item.get("sources"), dict):
            raise ValueError(
                f"Item {index} of the nussl dataset must contain 'mix' and the dict 'sources'. Received: "
                f"{sorted(item) if isinstance(item, dict) else type(item).__name__}."
            )
        return item


@dataclass(frozen=True)
class _Signal:
    """The signal of a source of an item, or its mixture, as a stem (see `Stem`)."""

    items: _Items
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
        return self._signal().audio_data[:, start : start + samples].T.astype(np.float32)

    def digest(self) -> str:
        signal = self._signal()
        data = np.ascontiguousarray(signal.audio_data)
        content = hashlib.blake2b(data, digest_size=16).hexdigest()
        return digest(content, data.shape, data.dtype.str, int(signal.sample_rate))

    def _signal(self):
        item = self.items.load(self.index)
        if self.source is not None and self.source not in item["sources"]:
            raise audio.AudioError(f"{self.name}: the item has no such source, only {sorted(item['sources'])}.")
        signal = item["mix"] if self.source is None else item["sources"][self.source]
        if getattr(signal, "audio_data", None) is None:
            raise audio.AudioError(f"{self.name} must be an AudioSignal with audio. Received: {type(signal).__name__}.")
        return signal
