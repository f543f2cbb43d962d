import errno
import hashlib
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import Store, Track
from tfsep.pipeline import preparation, prepare
from tfsep.pipeline.preparation import write_shard

SONGS = (2500, 1700, 1000)


@pytest.fixture(autouse=True)
def short_records(monkeypatch):
    monkeypatch.setattr(preparation, "_RECORD_SECONDS", 1)


@pytest.fixture
def songs(make_track):
    """Noise of several records at 1000 Hz, the first with a mixture file."""
    generator = np.random.default_rng(0)
    tracks = []
    for number, samples in enumerate(SONGS):
        stems = {source: generator.integers(-900, 900, (samples, 2)) for source in ("vocals", "drums")}
        mixture = sum(stems.values()) + generator.integers(-9, 9, (samples, 2)) if number == 0 else None
        tracks.append(make_track(f"song{number}", stems, mixture, sample_rate=1000))
    return tracks


@pytest.fixture
def corpora(songs):
    return {"train": songs[:2], "test": songs[2:]}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(store):
    """Return all samples of a store, song by song."""
    audio = [np.zeros((len(track.sources) + 1, track.samples, track.channels), np.int16) for track in store]
    for track, songs in zip(store, audio, strict=True):
        track.copy_into(list(songs), 0)
    return audio


def test_manifest(corpora, tmp_path):
    path = prepare(corpora, str(tmp_path / "some" / "store"), shards=2)
    manifest = Store(path, split=None).manifest
    assert path == tmp_path / "some" / "store"
    assert {name: manifest[name] for name in ("format", "dtype", "scale", "sample_rate", "channels", "sources")} == {
        "format": "tfrecord",
        "dtype": "int16",
        "scale": 8192.0,
        "sample_rate": 1000,
        "channels": 2,
        "sources": ["vocals", "drums"],
    }
    assert manifest["counts"] == {"train": 2, "test": 1}
    assert manifest["seconds"] == {"train": 4.2, "test": 1.0}
    assert [[track["name"], track["split"]] for track in manifest["tracks"]] == [
        ["song0", "train"],
        ["song1", "train"],
        ["song2", "test"],
    ]
    files = sorted(path.glob("*.tfrecord"))
    assert [file.name for file in files] == ["shard-00000-of-00002.tfrecord", "shard-00001-of-00002.tfrecord"]
    for shard, file in zip(manifest["shards"], files, strict=True):
        content = file.read_bytes()
        expected = {"file": file.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert shard == expected


def test_shards_are_of_bounded_size_and_records_of_bounded_length(songs, tmp_path, monkeypatch):
    assert len(list(prepare({"train": songs}, tmp_path / "one").glob("*.tfrecord"))) == 1
    # Two stems and a residual of 5200 stereo samples of two bytes: 62 kB.
    monkeypatch.setattr(preparation, "_SHARD_BYTES", 30_000)
    path = prepare({"train": songs}, tmp_path / "two")
    assert len(list(path.glob("*.tfrecord"))) == 2
    assert [len(track["records"]) for track in Store(path, split=None).manifest["tracks"]] == [3, 2, 1]
    # At most one per track.
    assert len(list(prepare({"train": songs}, tmp_path / "many", shards=99).glob("*.tfrecord"))) == 3


def test_defaults_are_the_rate_of_the_first_and_the_most_channels(make_track, tmp_path):
    mono = make_track("mono", {"vocals": np.arange(100)}, sample_rate=1000)
    stereo = make_track("stereo", {"vocals": np.ones((300, 2))}, sample_rate=2000)
    store = Store(prepare({"train": [mono, stereo]}, tmp_path / "store"))
    assert [(track.sample_rate, track.channels, track.samples) for track in store] == [(1000, 2, 100), (1000, 2, 150)]


def test_shards_and_threads_do_not_change_the_audio(corpora, tmp_path, monkeypatch, format):
    expected = rows(Store(prepare(corpora, tmp_path / "1", format=format, shards=1), split=None))
    assert all(song.any() for song in expected)
    for shards in (2, 3):
        np.testing.assert_equal(
            rows(Store(prepare(corpora, tmp_path / str(shards), format=format, shards=shards), split=None)), expected
        )
    for threads in (1, 8):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        path = prepare(corpora, tmp_path / f"threads{threads}", format=format, shards=3)
        assert contents(path) == contents(tmp_path / "3")


def test_a_finished_store_is_not_changed(corpora, tmp_path, monkeypatch):
    path = prepare(corpora, tmp_path / "store", shards=2)
    before = contents(path)
    written = {file: file.stat().st_ino for file in path.glob("*.tfrecord")}
    monkeypatch.setattr(Track, "read", None)
    prepare(corpora, path, shards=2)
    assert contents(path) == before
    assert {file: file.stat().st_ino for file in path.glob("*.tfrecord")} == written


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("failing", ["_write_song", "file_sha256", "write_text", "_finish"])
def test_an_interrupted_run_is_finished_by_the_same_call(corpora, tmp_path, monkeypatch, format, failing, error):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    expected = contents(prepare(corpora, tmp_path / "undisturbed", format=format, shards=2))
    original, path = getattr(preparation, failing), tmp_path / "store"
    unfinished = 0
    for at in range(1, 5):
        calls = []

        def fail(*args, at=at, calls=calls):
            calls.append(args)
            if len(calls) == at:
                raise error
            return original(*args)

        with monkeypatch.context() as patch:
            patch.setattr(preparation, failing, fail)
            try:
                prepare(corpora, path, format=format, shards=2)
            except error:
                unfinished += 1
                assert not list(path.glob(".*"))
                assert all(
                    expected[name] == content for name, content in contents(path).items() if name != "store.json"
                )
                if (path / "store.json").exists():
                    with pytest.raises(ValueError, match=r"store is unfinished.*same `tfsep prepare` again to finish"):
                        Store(path, split=None)
            else:
                break
    assert unfinished
    prepare(corpora, path, format=format, shards=2)
    assert contents(path) == expected


def test_complete_shards_are_not_written_again(corpora, tmp_path, monkeypatch):
    path = prepare(corpora, tmp_path / "store", shards=3)
    expected = contents(path)
    (path / "shard-00001-of-00003.json").unlink()
    read, names = Track.read, set()
    monkeypatch.setattr(Track, "read", lambda track, *args: names.add(track.name) or read(track, *args))
    prepare(corpora, path, shards=3)
    assert contents(path) == expected
    assert names == {"song1"}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", None])
def test_a_damaged_index_is_repaired(corpora, tmp_path, content):
    path = prepare(corpora, tmp_path / "store", shards=3)
    expected = contents(path)
    index = path / "shard-00001-of-00003.json"
    # With a changed digit it is still JSON.
    index.write_bytes(index.read_bytes().replace(b'"place": 12', b'"place": 13') if content is None else content)
    assert contents(path) != expected
    prepare(corpora, path, shards=3)
    assert contents(path) == expected


def test_a_song_that_changed_is_written_again(songs, tmp_path):
    path = prepare({"train": songs}, tmp_path / "store", shards=3)
    before = contents(path)
    changed = np.full((SONGS[1], 2), 0.25, np.float32)
    audio.write(songs[1].stems["drums"].path, changed, 1000, overwrite=True)
    prepare({"train": songs}, path, shards=3)
    np.testing.assert_array_equal(Store(path, split=None)[1].read("drums"), changed)
    assert contents(path) == contents(prepare({"train": songs}, tmp_path / "fresh", shards=3)) != before


_KILLED = """
import os, signal, sys
import numpy as np
import tfsep.pipeline
from tfsep.datasets import FileStem, Track
from tfsep.pipeline import preparation
preparation._RECORD_SECONDS = 1
songs, root, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
tracks = [
    Track(name, {source: FileStem(preparation.Path(songs, name, source + ".wav")) for source in ("vocals", "drums")})
    for name in ("song0", "song1", "song2")
]

def run(path, format, moment=None):
    # Kill the process at one of its accesses to files.
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    seen = 0
    def count(event, arguments):
        nonlocal seen
        if event.startswith(("open", "os.", "shutil.", "tempfile.")) and any(path in str(a) for a in arguments):
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    os.cpu_count = lambda: 1
    preparation.prepare({"train": tracks[:2], "test": tracks[2:]}, path, format=format, shards=2)
    os._exit(0)

def contents(path):
    return {name: open(os.path.join(path, name), "rb").read() for name in os.listdir(path)}

for format in sys.argv[4:]:
    whole = os.path.join(root, format)
    assert run(whole, format) == 0
    for moment in range(1, 10000, step):
        path = os.path.join(root, f"{format}-{moment}-killed")
        status = run(path, format, moment)
        if status == 0:
            break
        assert status == signal.SIGKILL, status
        left = os.listdir(path) if os.path.isdir(path) else []
        assert run(path, format) == 0, (format, moment, left)
        assert contents(path) == contents(whole), (format, moment, left)
    print(format, moment)
"""


def test_a_killed_run_is_finished_by_the_same_call(songs, tmp_path):
    pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this platform")
    step = 16
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "songs"), str(tmp_path), str(step), "tfrecord", "lmdb"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    moments = dict(line.split() for line in run.stdout.splitlines())
    assert list(moments) == ["tfrecord", "lmdb"]
    assert min(map(int, moments.values())) > 30


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sample_rate": 500}, "sample_rate is 1000, not 500"),
        ({"channels": 1}, "channels is 2, not 1"),
        ({"format": "lmdb"}, "format is 'tfrecord', not 'lmdb'"),
        ({"shards": 3}, "shard_count is 2, not 3"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_by_name(corpora, tmp_path, monkeypatch, changed, message, finished):
    if "lmdb" in changed.values():
        pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    path = tmp_path / "store"
    if finished:
        prepare(corpora, path, shards=2)
    else:
        with pytest.raises(KeyboardInterrupt):
            prepare(corpora, path, shards=2, run=interrupt)
    before = contents(path)
    with pytest.raises(ValueError, match=f"store was begun with other settings: {message}.*another folder"):
        prepare(corpora, path, **{"shards": 2, **changed})
    assert contents(path) == before


def interrupt(plan, shards):
    write_shard(plan, shards[0])
    raise KeyboardInterrupt


def test_a_manifest_without_shards_may_be_overwritten(corpora, tmp_path):
    def fail(plan, shards):
        raise RuntimeError("a song is damaged")

    path = tmp_path / "store"
    with pytest.raises(RuntimeError, match="a song is damaged"):
        prepare(corpora, path, shards=2, run=fail)
    assert [entry.name for entry in path.iterdir()] == ["store.json"]
    prepare(corpora, path, shards=1, sample_rate=500)
    assert contents(path) == contents(prepare(corpora, tmp_path / "other", shards=1, sample_rate=500))


def test_channels_that_do_not_fit_are_refused_before_anything_is_written(corpora, tmp_path):
    with pytest.raises(ValueError, match=r"has 2 channels\. Expected mono, or channels=7"):
        prepare(corpora, tmp_path / "store", channels=7)
    assert not (tmp_path / "store").exists()


def test_other_songs_are_refused(songs, tmp_path):
    path = prepare({"train": songs}, tmp_path / "store", shards=1)
    renamed = Track("renamed", songs[2].stems)
    for other in ({"test": songs}, {"train": songs[:2]}, {"train": songs[::-1]}, {"train": [*songs[:2], renamed]}):
        with pytest.raises(ValueError, match=r"store was begun with other settings: songs are others\. Use the same"):
            prepare(other, path, shards=1)


@pytest.mark.parametrize("name", ["notes.txt", ".git", "store.json", ".decoded"])
def test_a_folder_with_something_else_is_refused_and_not_changed(corpora, tmp_path, name):
    folder = tmp_path / "folder"
    (folder / ".git" / "objects").mkdir(parents=True)
    (folder / name / "some").mkdir(parents=True) if name.startswith(".") else (folder / name).write_text('{"a": 1}')
    before = sorted(folder.rglob("*"))
    with pytest.raises(FileExistsError, match=r"folder contains something else.*another folder"):
        prepare(corpora, folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "hdf5"}, r"format must be 'tfrecord' or 'lmdb'.*format='hdf5'"),
        ({"sample_rate": 0}, "sample_rate=0"),
        ({"channels": -1}, "channels=-1"),
        ({"shards": 0}, "shards=0"),
    ],
)
def test_bad_arguments_are_errors_and_leave_nothing(corpora, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(corpora, tmp_path / "store", **options)
    assert not (tmp_path / "store").exists()


def test_unknown_splits_and_no_tracks_are_errors(songs, tmp_path):
    with pytest.raises(ValueError, match="split='dev'"):
        prepare({"dev": songs}, tmp_path / "store")
    for nothing in ({}, {"train": []}):
        with pytest.raises(ValueError, match="no tracks to prepare"):
            prepare(nothing, tmp_path / "store")


def test_a_source_called_residual_is_refused(make_track, tmp_path):
    with pytest.raises(ValueError, match=r"song has a source 'residual'.*another name"):
        prepare({"train": [make_track("song", {"vocals": [1, 2], "residual": [3, 4]})]}, tmp_path / "store")


def test_too_many_channels_for_the_store_are_an_error(make_track, tmp_path):
    wide = make_track("wide", {"vocals": np.ones((9, 4))})
    with pytest.raises(ValueError, match=r"wide has 4 channels"):
        prepare({"train": [wide]}, tmp_path / "store", channels=2)


def test_lmdb_without_its_package_is_an_error_before_anything_is_written(corpora, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(RuntimeError, match=r"pip install 'tfsep\[lmdb\]'"):
        prepare(corpora, tmp_path / "store", format="lmdb")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("format", "limit", "message"),
    [
        (
            "tfrecord",
            45_000,
            r"store/shard-00000-of-00001\.tfrecord could not be written: .*Free space.*another folder for the store",
        ),
        ("lmdb", 45_000, r"store/shard-00000-of-00001\.lmdb could not be written: .*Free space"),
        ("tfrecord", 10_000, "File too large"),
    ],
)
def test_full_disk_leaves_no_half_shard(corpora, tmp_path, format, limit, message):
    resource = pytest.importorskip("resource", reason="no limit of file sizes on this platform")
    if format == "lmdb":
        pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    path = tmp_path / "store"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match=message):
            prepare(corpora, path, format=format, shards=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [file.name for file in path.iterdir()] == ["store.json"]
    expected = contents(prepare(corpora, tmp_path / "undisturbed", format=format, shards=1))
    assert contents(prepare(corpora, path, format=format, shards=1)) == expected


def test_an_unreadable_song_is_an_error_that_names_the_file(corpora, tmp_path):
    corpora["test"][0].stems["drums"].path.write_bytes(b"no audio")
    with pytest.raises(audio.AudioError, match=r"drums\.wav"):
        prepare(corpora, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_other_threads_stop_at_the_first_error(make_songs, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    write, calls = preparation._write_song, []

    def fail(plan, song, *args):
        calls.append(song)
        if song == 0:
            raise OSError(errno.EIO, "broken")
        time.sleep(0.05)
        return write(plan, song, *args)

    monkeypatch.setattr(preparation, "_write_song", fail)
    with pytest.raises(OSError, match="broken"):
        prepare({"train": make_songs((5,) * 40)}, tmp_path / "store", shards=2)
    # The other shard has written only a few songs.
    assert len(calls) < 10
    assert not list((tmp_path / "store").glob(".*"))


def test_a_second_run_in_the_same_folder_waits_for_the_first(corpora, tmp_path, monkeypatch, caplog):
    write = preparation.write_shard
    second = threading.Thread(target=prepare, args=(corpora, tmp_path / "store"), kwargs={"shards": 2})
    written = []

    def slow(plan, shard, progress):
        if not written:
            second.start()
            time.sleep(0.5)
        written.append(shard)
        write(plan, shard, progress)

    monkeypatch.setattr(preparation, "write_shard", slow)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    prepare(corpora, tmp_path / "store", shards=2)
    second.join()
    assert "another process writes into this folder" in caplog.text
    assert written == [0, 1]
    assert sorted(Store(tmp_path / "store").manifest["counts"].items()) == [("test", 1), ("train", 2)]


def test_a_full_disk_names_the_store_and_says_what_to_do(corpora, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "store" / ".tfsep-abc" / "x.npy"))

    monkeypatch.setattr(preparation.cache, "_write", full)
    with pytest.raises(OSError, match="No space left on device while song0 was decoded") as caught:
        prepare(corpora, tmp_path / "store", shards=1)
    assert caught.value.filename == str(tmp_path / "store")
    assert "TFSEP_CACHE" not in str(caught.value)
