"""Excerpts a second: this library beside musdb with stempeg, and beside a plain copy of the same bytes.

    python tests/benchmarks/pipeline.py --musdb18 PATH --mir1k PATH [--store FOLDER] [--batches 20000]

Everything is read in one run, alternating where two are compared. `--store` is where prepared stores go (a folder in
memory, such as /dev/shm, leaves the disk out). Run it on an idle machine. Targets:

- from STEM files, 6 s of stereo at 44.1 kHz with all sources: 10 times musdb;
- from a prepared store, augmented and batched by 16: 50 times musdb, and 100 excerpts a second where a plain copy of
  the same bytes allows it;
- one second at 16 kHz, mono, two sources: 3000 excerpts a second;
- memory flat over 20,000 batches; a store of 1,000 tracks opens in under a second.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil

from tfsep import datasets, pipeline
from tfsep.datasets.manifest import seal

SOURCES = ("vocals", "drums", "bass", "other")
SECONDS, RATE, BATCH = 6, 44100, 16
TARGETS = {
    "stem_files_over_musdb": 10.0,
    "store_over_musdb": 50.0,
    "store_excerpts_per_second": 100.0,
    "mono_excerpts_per_second": 3000.0,
    "memory_growth_megabytes": 20.0,
    "open_1000_tracks_seconds": 1.0,
}
AT_MOST = ("memory_growth_megabytes", "open_1000_tracks_seconds")


def rate(function: Callable[[], int], seconds: float = 4.0) -> float:
    """Excerpts a second of a function that makes some and says how many."""
    start, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        count += function()
    return count / elapsed


def musdb_reader(root: str) -> Callable[[], int]:
    import musdb

    tracks = musdb.DB(root=root, subsets="train", split="train").tracks
    generator = np.random.default_rng(0)

    def read() -> int:
        track = tracks[generator.integers(len(tracks))]
        track.chunk_duration = SECONDS
        track.chunk_start = generator.uniform(0, track.duration - SECONDS)
        track.stems  # noqa: B018  reads mixture and sources at once
        return 1

    return read


def stem_reader(corpus: datasets.Corpus) -> Callable[[], int]:
    """Reads in as many threads as there are cores, as tf.data does; stempeg's programs take both cores as well."""
    generator = np.random.default_rng(0)
    pool = ThreadPoolExecutor(os.cpu_count())

    def excerpt(track: datasets.Track, place: float) -> None:
        start = int(place * (track.samples - SECONDS * RATE))
        track.read_all(("mixture", *SOURCES), start, SECONDS * RATE)

    def read() -> int:
        chosen = [corpus[number] for number in generator.integers(len(corpus), size=8)]
        list(pool.map(excerpt, chosen, generator.uniform(size=len(chosen))))
        return len(chosen)

    return read


def batch_reader(batches: Iterator, size: int) -> Callable[[], int]:
    def read() -> int:
        next(batches)
        return size

    return read


def copier(rows: int) -> Callable[[], int]:
    """Copies a batch's bytes from 16-bit samples to the float samples of mixture and sources, doing nothing else."""
    stored = np.ones((BATCH, rows, SECONDS * RATE, 2), np.int16)

    def copy() -> int:
        for _ in range(rows):
            stored[:, 0].astype(np.float32)
        return BATCH

    return copy


def megabytes() -> float:
    return psutil.Process().memory_info().rss / 2**20


def wanted(sources, sample_rate: int, channels: int, seconds: float) -> SimpleNamespace:
    """What the pipeline asks of a model."""
    segment = int(seconds * sample_rate)
    return SimpleNamespace(sources=sources, sample_rate=sample_rate, channels=channels, segment=segment, context=0)


def large_store(store: Path, folder: Path) -> Path:
    """A manifest of 1,000 tracks of 4 minutes, made of that of a store."""
    manifest = json.loads((store / "store.json").read_text())
    records = manifest["tracks"][0]["records"][:1] * 24
    manifest["tracks"] = [
        {**manifest["tracks"][0], "name": f"song {number}", "records": records} for number in range(1000)
    ]
    folder.mkdir()
    for shard in manifest["shards"]:
        (folder / shard["file"]).symlink_to(store / shard["file"])
    (folder / "store.json").write_text(seal({name: value for name, value in manifest.items() if name != "seal"}))
    return folder


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--musdb18", required=True)
    parser.add_argument("--mir1k", required=True)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--batches", type=int, default=20000)
    arguments = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory(dir=arguments.store) as folder:
        stereo = datasets.MUSDB18(arguments.musdb18)
        store = pipeline.prepare({"train": stereo}, Path(folder, "stereo"))
        mono = pipeline.prepare({"train": datasets.MIR1K(arguments.mir1k)}, Path(folder, "mono"), channels=1)

        model = wanted(SOURCES, RATE, 2, SECONDS)
        batches = iter(pipeline.excerpts(datasets.Store(store), model, BATCH, steps_per_epoch=10**6))
        next(batches)
        readers = {
            "musdb with stempeg": musdb_reader(arguments.musdb18),
            "STEM files": stem_reader(stereo),
            "prepared store": batch_reader(batches, BATCH),
            "plain copy": copier(len(SOURCES) + 1),
        }
        rates = {name: [] for name in readers}
        for _ in range(3):
            for name, reader in readers.items():
                rates[name].append(rate(reader))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        print(f"{'6 s of stereo, 4 sources':28}{'excerpts/s':>12}{'x musdb':>10}")
        for name, value in medians.items():
            print(f"{name:28}{value:12.1f}{value / medians['musdb with stempeg']:10.1f}")
        figures["stem_files_over_musdb"] = medians["STEM files"] / medians["musdb with stempeg"]
        figures["store_over_musdb"] = medians["prepared store"] / medians["musdb with stempeg"]
        figures["store_excerpts_per_second"] = medians["prepared store"]
        figures["plain_copy_excerpts_per_second"] = medians["plain copy"]
        del batches, readers

        model = wanted(("vocals", "accompaniment"), 16000, 1, 1.0)
        batches = iter(pipeline.excerpts(datasets.Store(mono), model, BATCH, steps_per_epoch=10**6))
        next(batches)
        figures["mono_excerpts_per_second"] = rate(batch_reader(batches, BATCH))
        print(f"{'1 s of mono, 2 sources':28}{figures['mono_excerpts_per_second']:12.1f}")
        curve = []
        for number in range(arguments.batches):
            next(batches)
            if number % (arguments.batches // 10) == arguments.batches // 10 - 1:
                curve.append(megabytes())
        print(f"memory over {arguments.batches} batches: {' '.join(f'{value:.0f}' for value in curve)} MB")
        figures["memory_growth_megabytes"] = curve[-1] - curve[0]
        del batches

        large = large_store(store, Path(folder, "large"))
        start = time.perf_counter()
        datasets.Store(large)
        figures["open_1000_tracks_seconds"] = time.perf_counter() - start
        print(f"a store of 1,000 tracks opens in {figures['open_1000_tracks_seconds']:.2f} s")
    figures["peak_gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    short = [
        name
        for name, target in TARGETS.items()
        if (figures[name] > target if name in AT_MOST else figures[name] < target)
    ]
    figures = {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps({"figures": figures, "targets": TARGETS, "falls_short": short}))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
