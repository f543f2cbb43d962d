import json
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tfsep import audio
from tfsep.datasets import FileStem, Store, Track, from_spec
from tfsep.datasets import store as module
from tfsep.datasets.manifest import DamagedError, seal, unseal
from tfsep.pipeline import cache, preparation, prepare

RATE = 1000
FORMATS = ("tfrecord", "lmdb")


@pytest.fixture(autouse=True)
def short_records(monkeypatch, tmp_path):
    """Records of a second, 1000 samples, so that songs have several; and a cache for each test."""
    monkeypatch.setattr(preparation, "_RECORD_SECONDS", 1)
    monkeypatch.setenv("TFSEP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def corpora(tmp_path, noise):
    """A song with a mixture file and a silent region, one with a missing stem, and one with other sources."""

    def song(name, stems, mixture=None, missing=()):
        (tmp_path / "songs" / name).mkdir(parents=True)
        files = {**stems, "mixture": mixture} if mixture is not None else stems
        for source, samples in files.items():
            audio.write(tmp_path / "songs" / name / f"{source}.wav", samples, RATE)
        paths = {source: tmp_path / "songs" / name / f"{source}.wav" for source in files}
        stems = {source: FileStem(paths[source]) for source in stems} | dict.fromkeys(missing)
        return Track(name, stems, FileStem(paths["mixture"]) if mixture is not None else None)

    vocals, drums = noise(2500, seed=1), noise(2500, seed=2)
    vocals[1000:2000] = 0
    full = song("full", {"vocals": vocals, "drums": drums}, vocals + drums + noise(2500, seed=3))
    plain = song("plain", {"vocals": noise(1700, 1, seed=4)}, missing=("drums",))
    other = song("other", {"piano": noise(1000, seed=5), "vocals": noise(1000, seed=6)})
    return {"train": [full, plain], "test": [other]}


@pytest.fixture
def make_store(corpora, tmp_path):
    """A function that prepares the corpora."""

    def make(format="tfrecord", name="store", **options):
        if format == "lmdb":
            pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
        return prepare(corpora, tmp_path / name, format=format, **options)

    return make


def stored(track, start, samples):
    rows = np.full((len(track.sources) + 1, samples, track.channels), 99, np.int16)
    track.copy_into(list(rows), start)
    return rows


def excerpts(samples):
    """Yield starts and lengths: the whole, within a record, across several, at the ends."""
    yield 0, samples
    yield 0, 1
    yield samples - 1, 1
    inside = [(990, 1000), (799, 801), (1200, 1300)]
    across = [(900, 1100), (500, 2400), (999, 2001), (1000, 2000)]
    for start, end in inside + across:
        if end <= samples:
            yield start, end - start


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("rate", "channels"), [(1000, 2), (1000, 1), (800, 2)])
def test_stored_samples_are_the_decoded_ones(make_store, corpora, format, rate, channels):
    store = Store(make_store(format, sample_rate=rate, channels=channels, shards=2), split=None)
    tracks = [*corpora["train"], *corpora["test"]]
    decoded = cache.decode(tracks, rate, channels)
    assert len(store) == len(tracks) == 3
    for track, original, rows in zip(store, tracks, decoded, strict=True):
        assert (track.name, track.sources) == (original.name, original.sources)
        assert (track.sample_rate, track.channels, track.samples) == (rate, channels, rows.shape[1])
        assert rows.dtype == np.int16
        for start, samples in excerpts(track.samples):
            np.testing.assert_array_equal(stored(track, start, samples), rows[:, start : start + samples])
    # The songs have the silent rows that the test needs.
    full, plain, _ = decoded
    assert full[-1].any() and full[0].any() and (rate == 800 or not full[0, 1000:2000].any())
    assert not plain[-1].any() and not plain[1].any() and plain[0].any()


@pytest.mark.parametrize("format", FORMATS)
def test_stored_tracks_read_like_any_track(make_store, corpora, format):
    store = Store(make_store(format), split=None)
    for track, original in zip(store, [*corpora["train"], *corpora["test"]], strict=True):
        for start, samples in excerpts(track.samples):
            for source in (*track.sources, "mixture"):
                np.testing.assert_allclose(
                    track.read(source, start, samples),
                    np.broadcast_to(original.read(source, start, samples), (samples, 2)),
                    atol=len(track.sources) / 8192,
                )
        assert (track.mixture is None) == (original.mixture is None)
        got = track.read_sources(("vocals", "accompaniment"), 5, 20)
        assert list(got) == ["vocals", "accompaniment"]
        for name, expected in original.read_sources(("vocals", "accompaniment"), 5, 20).items():
            assert got[name].dtype == np.float32
            np.testing.assert_allclose(got[name], np.broadcast_to(expected, (20, 2)), atol=1 / 8192)
    assert store[0].read("mixture").shape == (2500, 2)
    assert store[0].read("mixture", 7, 0).shape == (0, 2)
    with pytest.raises(ValueError, match="full has 2500 samples"):
        store[0].read("vocals", 2400, 200)
    with pytest.raises(ValueError, match="full has no source 'piano'"):
        store[0].read("piano")


def test_int16_samples_are_whole_units_in_float(make_store, corpora):
    track = Store(make_store(), split=None)[0]
    rows = cache.decode(corpora["train"][:1], RATE, 2)[0]
    for source, row in zip(track.sources, rows, strict=False):
        np.testing.assert_array_equal(track.read(source), row / np.float32(module.SCALE))
    np.testing.assert_array_equal(track.read("mixture"), rows.sum(axis=0) / np.float32(module.SCALE))


def test_splits(make_store, tmp_path):
    path = make_store(shards=1)
    assert [track.name for track in Store(path, split=None)] == ["full", "plain", "other"]
    assert [track.name for track in Store(path, "train")] == ["full", "plain"] == [track.name for track in Store(path)]
    assert repr(Store(path)) == f"Store(path={str(path)!r}, split='train'): 2 tracks"
    assert [track.name for track in from_spec(f"store:{path}", "test")] == ["other"]
    assert Store(path, split=None).sources == ("vocals", "drums", "piano")
    with pytest.raises(ValueError, match=r"store contains no track of split 'valid', only of 'train', 'test'\. split="):
        Store(path, "valid")
    with pytest.raises(ValueError, match="split='dev'"):
        Store(path, "dev")


@pytest.mark.parametrize("format", FORMATS)
def test_several_splits_are_open_at_once(make_store, format):
    path = make_store(format, shards=1)
    train, test, again = Store(path, "train"), Store(path, "test"), Store(path, split=None)
    expected = train[0].read("vocals")
    assert test[0].read("vocals").any()
    np.testing.assert_array_equal(again[0].read("vocals"), expected)
    del train
    np.testing.assert_array_equal(again[0].read("vocals"), expected)


@pytest.mark.parametrize("format", FORMATS)
def test_store_that_is_prepared_again_is_read_again(make_store, corpora, noise, format):
    path = make_store(format, shards=1)
    before = Store(path, split=None)
    expected = before[0].read("drums")
    changed = noise(2500, seed=9)
    audio.write(corpora["train"][0].stems["drums"].path, changed, RATE, overwrite=True)
    make_store(format, shards=1)
    np.testing.assert_allclose(Store(path, split=None)[0].read("drums"), changed, atol=1 / module.SCALE)
    np.testing.assert_array_equal(before[0].read("drums"), expected)


@pytest.mark.parametrize("format", FORMATS)
def test_many_threads_read_the_same(make_store, format):
    store = Store(make_store(format, shards=2), split=None)
    places = [(number % 3, number * 7 % 900) for number in range(300)]
    expected = [stored(store[song], start, 100) for song, start in places]
    fresh = Store(store.tracks[0].messages.folder, split=None)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda place: stored(fresh[place[0]], place[1], 100), places))
    np.testing.assert_equal(got, expected)


@pytest.mark.parametrize("format", FORMATS)
def test_stored_tracks_can_be_pickled(make_store, format):
    store = Store(make_store(format), split=None)
    expected = store[0].read("vocals")
    copy = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(copy[0].read("vocals"), expected)


def test_digest_depends_on_song_rate_and_channels(make_store):
    def digests(**options):
        return [track.digest() for track in Store(make_store(name=str(len(seen)), **options), split=None)]

    seen = []
    for options in ({}, {"sample_rate": 500}, {"channels": 1}):
        seen.extend(digests(**options))
    assert len(set(seen)) == len(seen) == 9
    assert seen[:3] == digests(shards=3)


def test_active_regions_are_those_of_the_song(make_store):
    full, plain, _ = Store(make_store(), split=None)
    assert full.active("vocals") == [(0, 1000), (2000, 2500)]
    assert full.active("drums") == [(0, 2500)]
    assert plain.active("drums") == []


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(content[:-5])
    elif how == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "longer":
        path.write_bytes(content + b"\0")
    elif how == "missing":
        path.unlink()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("how", ["cut", "flipped", "longer", "missing"])
def test_damaged_shard_is_refused_by_name_and_repaired(make_store, format, how):
    path = make_store(format, shards=3)
    whole = {file.name: file.read_bytes() for file in path.iterdir()}
    shard = f"shard-00001-of-00003.{format}"
    damage(path / shard, how)
    error, message = (FileNotFoundError, "is missing") if how == "missing" else (DamagedError, "is damaged")
    with pytest.raises(error, match=rf"{shard} {message}.*tfsep prepare"):
        Store(path, split=None)[1].read("vocals")
    if how == "flipped":
        # The others are still read, and this one without the check.
        assert Store(path, split=None)[0].read("vocals").any()
        Store(path, split=None, verify=False)[1].read("vocals")
    make_store(format, shards=3)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == whole


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "place", "rate"])
def test_damaged_manifest_is_refused_by_name_and_repaired(make_store, how):
    path = make_store(shards=2)
    whole = {file.name: file.read_bytes() for file in path.iterdir()}
    manifest = path / "store.json"
    text = manifest.read_text()
    if how in ("cut", "flipped"):
        damage(manifest, how)
    elif how == "empty":
        manifest.write_text("")
    else:  # valid JSON still
        key = '"place": ' if how == "place" else '"sample_rate": '
        first = text.index(key) + len(key)
        manifest.write_text(text[:first] + str((int(text[first]) + 1) % 10) + text[first + 1 :])
        assert json.loads(manifest.read_text()) != json.loads(text)
    with pytest.raises(DamagedError, match=r"store\.json is damaged.*tfsep prepare"):
        Store(path, split=None)
    make_store(shards=2)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == whole


@pytest.mark.parametrize(
    ("changed", "message"), [({"version": 99}, "version 99 in int16"), ({"dtype": "float32"}, "version 1 in float32")]
)
def test_other_versions_are_refused(make_store, corpora, changed, message):
    path = make_store()
    manifest = unseal(path / "store.json")
    (path / "store.json").write_text(seal({**manifest, **changed}))
    with pytest.raises(ValueError, match=rf"store\.json is of {message}, .*reads 1 in int16\. Prepare the store again"):
        Store(path, split=None)
    with pytest.raises(ValueError, match=message):
        make_store()


def test_no_store_is_an_error_that_names_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder.*store\.json"):
        Store(tmp_path / "nowhere", split=None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty has no store\.json"):
        Store(tmp_path / "empty", split=None)


def test_lmdb_without_its_package_says_how_to_install_it(make_store, monkeypatch):
    store = Store(make_store("lmdb"), split=None)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(RuntimeError, match=r"pip install 'tfsep\[lmdb\]'"):
        store[0].read("vocals")


def test_a_thousand_tracks_open_quickly(make_store):
    path = make_store(shards=1)
    manifest = unseal(path / "store.json")
    song = manifest["tracks"][0]
    # Four minutes in records of ten seconds, with five active regions of each source in each.
    record = {"place": 10**8, "audio": dict.fromkeys(("vocals", "drums", "bass", "other", "residual"), 10**7)}
    active = dict.fromkeys(("vocals", "drums", "bass", "other"), [10**7] * 2 * 5 * 24)
    song = {**song, "active": active, "records": [record] * 24}
    manifest["tracks"] = [{**song, "name": f"song {number}"} for number in range(1000)]
    (path / "store.json").write_text(seal(manifest))
    seconds = []
    for _ in range(3):
        started = time.process_time()
        assert len(Store(path, split=None)) == 1000
        seconds.append(time.process_time() - started)
    # Usually 0.25 s.
    assert min(seconds) < 1, seconds


def test_a_shard_that_another_thread_is_closing_is_waited_for(tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    path = tmp_path / "shard.lmdb"
    lmdb.open(str(path), subdir=False).close()
    held = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
    threading.Timer(0.1, held.close).start()
    assert module._open_lmdb(path).stat()["entries"] == 0
