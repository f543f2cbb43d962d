"""Preparation of stores shard by shard, so that a killed run can be finished and many machines can share the work."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfsep.checks import check_choice, check_integer
from tfsep.datasets import Track
from tfsep.datasets.folders import SPLITS
from tfsep.datasets.manifest import MANIFEST, VERSION, DamagedError, file_sha256, read_manifest, seal, unseal
from tfsep.datasets.store import DTYPE, RESIDUAL, SCALE, import_lmdb
from tfsep.datasets.track import track_list
from tfsep.files import is_scratch, locked, remove_leftovers, replacing, scratch, write_text
from tfsep.pipeline import cache
from tfsep.pipeline.messages import active_regions, encode, within
from tfsep.pipeline.store_files import WRITERS
from tfsep.progress import progress_bar

# Length of a record, so that parsing one does not need a whole song in memory.
_RECORD_SECONDS = 10
_SHARD_BYTES = 256 * 2**20


def prepare(
    corpora: Mapping[str, Sequence[Track]],
    output: str | Path,
    *,
    sample_rate: int | None = None,
    channels: int | None = None,
    format: str = "tfrecord",
    shards: int | None = None,
    run: Callable[[Plan, list[int]], None] | None = None,
) -> Path:
    """Decode and resample corpora into a store, which `tfsep.datasets.Store` opens.

    Shards appear complete or not at all. The same call finishes a run that was killed, with the same bytes as a result;
    shards that are damaged, or whose songs have changed, are written again.

    Args:
        corpora: dict from split (`"train"`, `"valid"`, `"test"`) to tracks.
        output: path of the store's folder.
        sample_rate: int, in hertz. Defaults to that of the first track.
        channels: int. Defaults to the largest number of channels of a track.
        format: str, `"tfrecord"` or `"lmdb"`. Defaults to `"tfrecord"`.
        shards: int, at most one per track. Defaults to as many as make shards of about 256 MB.
        run: function that writes the shards of a `Plan` with the given numbers; `runner` of `tfsep.pipeline.beam`
            returns one for Apache Beam. Defaults to None, threads of this process.

    Returns:
        `output`, a path.

    Raises:
        ValueError: for unknown arguments, no tracks, or a store in `output` that was begun with other settings.
        FileExistsError: if `output` contains something else.
        OSError: if the store cannot be written; the same call continues where this one ended.

    Example:

    >>> songs = tfsep.datasets.StemsFolder("songs")
    >>> store = tfsep.pipeline.prepare({"train": songs}, "store", sample_rate=11025, channels=1)
    >>> sorted(path.suffix for path in store.iterdir())
    ['.json', '.json', '.tfrecord']
    """
    check_choice("format", format, WRITERS)
    if not isinstance(corpora, Mapping):
        raise ValueError(f"corpora must be a dict from split to tracks. Received: a {type(corpora).__name__}.")
    for split in corpora:
        check_choice("split", split, SPLITS)
    tracks = [(split, track) for split, tracks in corpora.items() for track in track_list(tracks)]
    if not tracks:
        raise ValueError("There are no tracks to prepare.")
    for _, track in tracks:
        if RESIDUAL in track.sources:
            raise ValueError(
                f"{track.name} has a source {RESIDUAL!r}, a name that is reserved for the mixture minus all sources. "
                "Give the source another name."
            )
    for name, value in (("sample_rate", sample_rate), ("channels", channels), ("shards", shards)):
        check_integer(name, value, optional=True)
    if format == "lmdb":
        import_lmdb()
    plan = _plan(Path(output).expanduser(), tracks, sample_rate, channels, format, shards)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with locked(plan.folder):  # a second run waits and then finds the shards of the first
        _begin(plan)
        missing = [number for number in range(plan.settings["shard_count"]) if not _is_written(plan, number)]
        (run or _run_threads)(plan, missing)
        _finish(plan)
    return plan.folder


@dataclass(frozen=True)
class Plan:
    """The content of a store, enough to write any of its shards on any machine.

    Attributes:
        folder: path of the store.
        settings: dict, the part of the manifest that must be the same when a run is continued.
        tracks: split and track of each song, in the order of the store.
    """

    folder: Path
    settings: dict
    tracks: list[tuple[str, Track]]

    def songs(self, shard: int) -> list[int]:
        """Return the numbers of the songs of a shard, which are consecutive."""
        count = self.settings["shard_count"]
        return [song for song in range(len(self.tracks)) if song * count // len(self.tracks) == shard]

    def path(self, shard: int, suffix: str | None = None) -> Path:
        """Return the path of a shard, or of the file with another suffix beside it."""
        name = f"shard-{shard:05d}-of-{self.settings['shard_count']:05d}"
        return self.folder / f"{name}.{suffix or self.settings['format']}"


def _plan(folder, tracks, sample_rate, channels, format, shards) -> Plan:
    sample_rate = sample_rate or tracks[0][1].sample_rate
    channels = channels or max(track.channels for _, track in tracks)
    for _, track in tracks:
        if channels > 1 and track.channels not in (1, channels):
            raise ValueError(f"{track.name} has {track.channels} channels. Expected mono, or channels={channels}.")
    seconds = sum(track.samples / track.sample_rate * (len(track.sources) + 1) for _, track in tracks)
    size = seconds * sample_rate * channels * DTYPE.itemsize
    settings = {
        "version": VERSION,
        "format": format,
        "dtype": DTYPE.name,
        "scale": SCALE,
        "sample_rate": sample_rate,
        "channels": channels,
        "record_samples": round(_RECORD_SECONDS * sample_rate),
        "shard_count": min(shards or max(1, round(size / _SHARD_BYTES)), len(tracks)),
        "songs": [
            [split, track.name, track.samples, track.sample_rate, list(track.sources)] for split, track in tracks
        ],
    }
    return Plan(folder, settings, tracks)


def _begin(plan: Plan) -> None:
    """Write the settings into the folder, or check that it contains the same ones."""
    try:
        manifest = read_manifest(plan.folder)
    except DamagedError:
        _forget_shards(plan)
        manifest = None
    remove_leftovers(plan.folder)
    if manifest is not None and any(plan.folder.glob("shard-*")):
        _check_settings(plan, manifest)
        return
    # A manifest without shards may be overwritten.
    ours = set() if manifest is None else {MANIFEST}
    if {path.name for path in plan.folder.iterdir() if not is_scratch(path)} - ours:
        raise FileExistsError(f"{plan.folder} contains something else. Choose another folder for the store.")
    _write_manifest(plan, {"shards": None})


def _check_settings(plan: Plan, manifest: dict) -> None:
    for name, value in plan.settings.items():
        if manifest[name] != value:
            found = "songs are others" if name == "songs" else f"{name} is {manifest[name]!r}, not {value!r}"
            raise ValueError(
                f"{plan.folder} was begun with other settings: {found}. Use the same, remove the folder, or choose "
                "another folder."
            )


def _forget_shards(plan: Plan) -> None:
    """Delete all shards of a store with a damaged manifest: their settings are unknown."""
    shards = list(plan.folder.glob("shard-*-of-*.*"))
    for path in [*shards, plan.folder / MANIFEST] if shards else ():
        path.unlink()


def _is_written(plan: Plan, shard: int) -> bool:
    """Whether a shard has an index, is complete, and contains the songs as they are now."""
    try:
        index = unseal(plan.path(shard, "json"))
        written = [song["digest"] for song in index["songs"]]
        if written != [plan.tracks[song][1].digest() for song in plan.songs(shard)]:
            return False
        return file_sha256(plan.path(shard)) == index["sha256"]
    except (FileNotFoundError, DamagedError):
        return False


def _run_threads(plan: Plan, shards: list[int]) -> None:
    stopped = threading.Event()
    songs = sum(len(plan.songs(shard)) for shard in shards)
    with progress_bar("preparing", songs, unit="track") as bar:

        def progress() -> None:
            if stopped.is_set():  # threads cannot be interrupted
                raise CancelledError
            bar.update()

        pool = ThreadPoolExecutor(max_workers=os.cpu_count())
        try:
            for written in as_completed([pool.submit(write_shard, plan, shard, progress) for shard in shards]):
                written.result()
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def write_shard(plan: Plan, shard: int, progress: Callable[[], None] = lambda: None) -> None:
    """Write a shard and then its index, each in one step.

    Args:
        plan: the `Plan`.
        shard: int, number of the shard.
        progress: function that is called after each song. Defaults to no action.
    """
    songs = []
    with replacing(plan.path(shard)) as temporary:
        with WRITERS[plan.settings["format"]](temporary, plan.path(shard)) as write:
            for song in plan.songs(shard):
                songs.append(_write_song(plan, song, shard, write))
                progress()
        facts = {"file": plan.path(shard).name, "bytes": temporary.stat().st_size, "sha256": file_sha256(temporary)}
    write_text(plan.path(shard, "json"), seal({**facts, "songs": songs}))


def _write_song(plan: Plan, song: int, shard: int, write: Callable[[bytes], int]) -> dict:
    split, track = plan.tracks[song]
    settings = plan.settings
    rate, length = settings["sample_rate"], settings["record_samples"]
    with _decoded(plan, track) as rows:
        regions = {source: active_regions(row, rate) for source, row in zip(track.sources, rows, strict=False)}
        records = []
        for start in range(0, rows.shape[1], length):
            excerpt = rows[:, start : start + length]
            active = {source: within(pairs, start, start + excerpt.shape[1]) for source, pairs in regions.items()}
            message, places = encode(track.name, track.sources, excerpt, start, rate, active)
            records.append({"place": write(message), "audio": places})
    return {
        "name": track.name,
        "split": split,
        "digest": track.digest(),
        "sources": list(track.sources),
        "residual": track.mixture is not None,
        "samples": rows.shape[1],
        "shard": shard,
        "active": {source: pairs.ravel().tolist() for source, pairs in regions.items()},
        "records": records,
    }


@contextmanager
def _decoded(plan: Plan, track: Track) -> Iterator[np.ndarray]:
    """Decode a track's stems into a temporary folder of the store."""
    settings = plan.settings
    try:
        with scratch(plan.folder) as folder:
            yield cache.decode([track], settings["sample_rate"], settings["channels"], folder)[0]
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        reason = f"{os.strerror(error.errno)} while {track.name} was decoded. Free space, and call again to continue"
        raise OSError(error.errno, reason, str(plan.folder)) from error


def _finish(plan: Plan) -> None:
    """Write the manifest from the indices of all shards."""
    count = plan.settings["shard_count"]
    indices = [unseal(plan.path(shard, "json")) for shard in range(count)]
    songs = [song for index in indices for song in index.pop("songs")]
    rate = plan.settings["sample_rate"]
    splits = dict.fromkeys(split for split, _ in plan.tracks)
    by_split = {split: [song for song in songs if song["split"] == split] for split in splits}
    _write_manifest(
        plan,
        {
            "sources": list(dict.fromkeys(source for song in songs for source in song["sources"])),
            "counts": {split: len(members) for split, members in by_split.items()},
            "seconds": {split: sum(song["samples"] for song in members) / rate for split, members in by_split.items()},
            "shards": indices,
            "tracks": songs,
        },
    )


def _write_manifest(plan: Plan, rest: dict) -> None:
    write_text(plan.folder / MANIFEST, seal({**plan.settings, **rest}))
