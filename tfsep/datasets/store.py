"""Prepared stores: corpora as shards in TFRecord or LMDB, read at memory speed.

A store is a folder with the manifest `store.json` and shards. A shard is a TFRecord file, or an LMDB file with the
same messages under integer keys. A message is a `tf.train.Example` with some seconds of a song:

- `name` (of the song), `sample_rate`, `channels`, `start` and `samples` (position and length in the song);
- `audio/<source>` and `audio/residual`: samples as little-endian int16, in units of 1 / 8192, with interleaved
  channels. A source that is silent throughout the message is omitted;
- `active/<source>`: starts and ends, in samples from `start`, of the regions where the source is active.

The manifest contains the position of each source's samples in its shard, so that an excerpt is read from the mapped
file without parsing a message.
"""

from __future__ import annotations

import functools
import mmap
import os
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import SPLITS
from tfsep.datasets.manifest import MANIFEST, DamagedError, file_sha256, read_manifest
from tfsep.datasets.stems import digest
from tfsep.datasets.track import RESIDUAL, Corpus, Track

DTYPE = np.dtype("<i2")

# Shards of a store that are open at a time.
_OPEN = 32

# int16 samples span [-4, 4): lossy decoders exceed full scale, and residuals of mastered mixtures exceed it by far.
SCALE = 2.0**13


class Store(Corpus):
    """Open a corpus that `tfsep.pipeline.prepare` or `tfsep prepare` wrote.

    Only its manifest is read. A shard is compared with its SHA-256 when it is first read.

    Args:
        path: path of the store.
        split: str, `"train"`, `"valid"`, `"test"`, or None for all tracks. Defaults to `"train"`.
        verify: bool, check shards when they are first read. Defaults to True.

    Raises:
        FileNotFoundError: if there is no store at `path`, or a shard is missing.
        DamagedError: if its manifest or a shard is damaged.
        ValueError: if the store is unfinished, or contains no track of the split.

    Example:

    >>> songs = tfsep.datasets.StemsFolder("songs")
    >>> tfsep.datasets.Store(tfsep.pipeline.prepare({"train": songs}, "store"))
    Store(path='store', split='train'): 2 tracks
    """

    def __init__(self, path: str | Path, split: str | None = "train", verify: bool = True):
        check_choice("split", split, (*SPLITS, None))
        folder = existing_folder(path, f"a store, with its {MANIFEST}")
        manifest = read_manifest(folder)
        if manifest is None:
            raise FileNotFoundError(f"{folder} has no {MANIFEST}. Expected a store that `tfsep prepare` wrote.")
        if manifest["shards"] is None:
            raise ValueError(f"{folder} is unfinished. Run the same `tfsep prepare` again to finish it.")
        for shard in manifest["shards"]:
            _check_size(folder / shard["file"], shard["bytes"])
        reader = Messages(folder, manifest, verify)
        tracks = [
            StoredTrack(facts, manifest, reader) for facts in manifest["tracks"] if split in (None, facts["split"])
        ]
        if not tracks:
            held = ", ".join(repr(name) for name, count in manifest["counts"].items() if count)
            raise ValueError(f"{folder} contains no track of split {split!r}, only of {held}. split=None selects all.")
        super().__init__(folder.name, tracks, path=str(folder), split=split)
        self.manifest = manifest


class StoredTrack(Track):
    """A song of a store: a `Track` whose samples can also be copied as they are stored."""

    def __init__(self, facts: dict, manifest: dict, messages: Messages):
        self.facts = facts
        self.messages = messages
        self.stored_rate, self.stored_channels = manifest["sample_rate"], manifest["channels"]
        self.record_samples = manifest["record_samples"]
        mixture = StoredStem(self, None) if facts["residual"] else None
        super().__init__(facts["name"], {source: StoredStem(self, source) for source in facts["sources"]}, mixture)

    def digest(self) -> str:
        return digest(self.facts["digest"], self.stored_rate, self.stored_channels, DTYPE.name)

    def active(self, source: str) -> list[tuple[int, int]]:
        """Return the starts and ends, in samples, of the regions where a source is active."""
        edges = self.facts["active"][source]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def copy_into(self, rows: Sequence[np.ndarray], start: int) -> None:
        """Fill a row `[samples, channels]` for each source and for the residual from `start` on, as stored."""
        end = start + len(rows[0])
        for number in range(start // self.record_samples, -(-end // self.record_samples)):
            record, begin = self.facts["records"][number], number * self.record_samples
            first, last = max(start, begin), min(end, begin + self.record_samples)
            for row, source in zip(rows, (*self.sources, RESIDUAL), strict=True):
                row[first - start : last - start] = self._samples(record, source, first - begin, last - begin)

    def _read_stems(self, names: set[str], start: int, samples: int) -> dict[str, np.ndarray]:
        rows = np.zeros((len(self.sources) + 1, samples, self.stored_channels), DTYPE)
        self.copy_into(rows, start)
        stems = rows.astype(np.float32) / SCALE
        return {name: stems.sum(axis=0) if name == "mixture" else stems[self.sources.index(name)] for name in names}

    def _samples(self, record: dict, source: str, first: int, last: int) -> np.ndarray | float:
        if source not in record["audio"]:
            return 0
        frame = DTYPE.itemsize * self.stored_channels
        content = self.messages.read(
            self.facts["shard"], record["place"], record["audio"][source] + first * frame, (last - first) * frame
        )
        return np.frombuffer(content, DTYPE).reshape(-1, self.stored_channels)


@dataclass(frozen=True)
class StoredStem:
    """A stored source, or the mixture, as a `Stem`. The track reads several at once."""

    track: StoredTrack
    source: str | None

    @property
    def name(self) -> str:
        return f"{self.track.name}, {self.source or 'mixture'}"

    def info(self) -> audio.AudioInfo:
        return audio.AudioInfo(
            self.name, self.track.stored_rate, self.track.facts["samples"], self.track.stored_channels, 1
        )

    def read(self, start: int, samples: int) -> np.ndarray:
        return self.track.read(self.source or "mixture", start, samples)

    def digest(self) -> str:
        return digest(self.track.digest(), self.source)


class Messages:
    """The messages of a store's shards, mapped into memory, a few shards at a time.

    A map uses a file descriptor, of which a process has fewer than a store may have shards.

    Args:
        folder: path of the store.
        manifest: dict, its manifest.
        verify: bool, compare a shard with its SHA-256 before it is first read.
    """

    def __init__(self, folder: Path, manifest: dict, verify: bool):
        self.folder = folder
        self.shards = manifest["shards"]
        self.lmdb = manifest["format"] == "lmdb"
        self.verify = verify
        self.__setstate__({})

    def read(self, shard: int, place: int, start: int, size: int) -> bytes:
        """Read a part of a message.

        Args:
            shard: int, number of the shard.
            place: int, byte at which the message starts in a TFRecord file; its key in LMDB (8 bytes, big-endian).
            start: int, first byte of the part in the message.
            size: int, bytes of the part.
        """
        # This reference keeps the shard open until the bytes are copied; another thread may drop it from the cache.
        opened = self._opened(shard)
        if self.lmdb:
            return bytes(opened.get(place.to_bytes(8, "big"))[start : start + size])
        return opened[place + start : place + start + size]

    def _open(self, number: int):
        facts = self.shards[number]
        path = self.folder / facts["file"]
        with self._lock:
            version = _version(path)
            if self.verify and number not in self._seen and file_sha256(path) != facts["sha256"]:
                raise DamagedError(
                    f"{path} is damaged: its SHA-256 is not that of {MANIFEST}. Run `tfsep prepare` again."
                )
            if self._seen.setdefault(number, version) != version:
                raise DamagedError(f"{path} was rewritten after it was first read. Open the store again.")
            return _open_lmdb(path) if self.lmdb else _map(path)

    def __getstate__(self) -> dict:
        # Maps stay in their process.
        return {name: getattr(self, name) for name in ("folder", "shards", "lmdb", "verify")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._seen = {}
        self._opened = functools.lru_cache(maxsize=_OPEN)(self._open)


def _check_size(path: Path, size: int) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Run `tfsep prepare` again to restore it.")
    if path.stat().st_size != size:
        raise DamagedError(
            f"{path} is damaged: it has {path.stat().st_size} bytes, expected {size}. Run `tfsep prepare` again."
        )


def _version(path: Path) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _map(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


# Hundredths of a second to wait until a file is closed.
_ATTEMPTS = 1000

# A process must not open an LMDB file twice, so the stores of several splits share it.
_transactions = weakref.WeakValueDictionary()
_transactions_lock = threading.Lock()


def _open_lmdb(path: Path):
    status = os.stat(path)
    file = status.st_dev, status.st_ino
    with _transactions_lock:
        transaction = _transactions.get(file)
        if transaction is None:
            environment = _environment(path)
            # Messages of a transaction are views into the map, valid while it is open.
            transaction = _transactions[file] = environment.begin(buffers=True)
    return transaction


def _environment(path: Path):
    lmdb = import_lmdb()
    for _ in range(_ATTEMPTS):
        try:
            return lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            # A transaction that another thread gave up is gone here before its file is closed there.
            if "already open" not in str(error):
                raise
            time.sleep(0.01)
    raise RuntimeError(f"{path} stays open in this process.")


def import_lmdb():
    """Return the lmdb package; raise RuntimeError, which says how to install it, if it is missing."""
    try:
        import lmdb
    except ImportError as error:
        raise RuntimeError("Stores of format 'lmdb' need the lmdb package: pip install 'tfsep[lmdb]'.") from error
    return lmdb
