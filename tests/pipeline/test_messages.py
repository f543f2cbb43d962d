import numpy as np
import pytest
import tensorflow as tf

from tfsep.datasets import Store
from tfsep.pipeline import cache, preparation, prepare
from tfsep.pipeline.messages import active_regions, encode, within

ROWS = np.array([[[1, -2], [3, -4]], [[0, 0], [0, 0]], [[5, 6], [7, 300]]])


@pytest.fixture(autouse=True)
def short_records(monkeypatch):
    monkeypatch.setattr(preparation, "_RECORD_SECONDS", 1)


@pytest.fixture
def song(make_track):
    """2500 samples at 1000 Hz, vocals silent in the second record, with a residual."""
    generator = np.random.default_rng(0)
    stems = {source: generator.integers(-900, 900, (2500, 2)) for source in ("vocals", "drums")}
    stems["vocals"][1000:2000] = 0
    return make_track("Ünder/песня", stems, sum(stems.values()) + 3, sample_rate=1000)


def parsed(message, **features):
    return tf.io.parse_single_example(message, features)


def test_messages_have_the_audio_at_the_returned_places():
    rows = ROWS.astype("int16")
    message, places = encode("song", ("vocals", "drums"), rows, 10, 8000, {"vocals": [[0, 2]], "drums": []})
    assert list(places) == ["vocals", "residual"]
    for source, row in (("vocals", rows[0]), ("residual", rows[2])):
        np.testing.assert_array_equal(np.frombuffer(message, "int16", 4, places[source]).reshape(2, 2), row)
    example = tf.train.Example.FromString(message)
    integers = {name: list(feature.int64_list.value) for name, feature in example.features.feature.items()}
    assert sorted(integers) == [
        "active/drums",
        "active/vocals",
        "audio/residual",
        "audio/vocals",
        "channels",
        "name",
        "sample_rate",
        "samples",
        "start",
    ]
    assert (integers["sample_rate"], integers["channels"]) == ([8000], [2])
    assert (integers["start"], integers["samples"]) == ([10], [2])
    assert (integers["active/vocals"], integers["active/drums"]) == ([0, 2], [])
    # The bytes of a song are the same in every process: features are sorted by name, and each follows its length.
    places = [message.index(b"\n%c%b" % (len(name), name.encode())) for name in sorted(integers)]
    assert places == sorted(places)
    assert message == encode("song", ("vocals", "drums"), rows, 10, 8000, {"drums": [], "vocals": [[0, 2]]})[0]


def test_plain_tensorflow_reads_a_shard(song, tmp_path):
    path = prepare({"train": [song]}, tmp_path / "store")
    decoded = cache.decode([song], 1000, 2)[0]
    scalar, audio = tf.io.FixedLenFeature([], tf.int64), tf.io.FixedLenFeature([], tf.string, "")
    features = {name: scalar for name in ("sample_rate", "channels", "start", "samples")}
    features |= {f"audio/{source}": audio for source in (*song.sources, "residual")}
    features |= {"name": audio, "active/drums": tf.io.VarLenFeature(tf.int64)}
    messages = list(tf.data.TFRecordDataset(str(path / "shard-00000-of-00001.tfrecord")))
    assert len(messages) == 3
    for number, message in enumerate(messages):
        example = parsed(message, **features)
        assert example["name"].numpy().decode() == song.name
        assert (example["sample_rate"], example["channels"]) == (1000, 2)
        start, samples = int(example["start"]), int(example["samples"])
        assert (start, samples) == (1000 * number, min(1000, 2500 - 1000 * number))
        assert example["active/drums"].values.numpy().tolist() == [0, samples]
        for source, row in zip((*song.sources, "residual"), decoded, strict=True):
            content = tf.io.decode_raw(example[f"audio/{source}"], "int16")
            if source == "vocals" and number == 1:
                assert content.shape == (0,)
            else:
                np.testing.assert_array_equal(tf.reshape(content, (samples, 2)), row[start : start + samples])


def test_tensorflow_detects_a_flipped_bit(song, tmp_path):
    path = prepare({"train": [song]}, tmp_path / "store") / "shard-00000-of-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)))


def test_lmdb_has_the_same_messages_under_integer_keys(song, tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    records = prepare({"train": [song, song]}, tmp_path / "records", shards=1)
    messages = [message.numpy() for message in tf.data.TFRecordDataset(str(next(records.glob("*.tfrecord"))))]
    path = prepare({"train": [song, song]}, tmp_path / "lmdb", format="lmdb", shards=1)
    with lmdb.open(str(next(path.glob("*.lmdb"))), subdir=False, lock=False, readonly=True) as environment:
        pairs = list(environment.begin().cursor())
    assert pairs == [(number.to_bytes(8, "big"), message) for number, message in enumerate(messages)]
    assert len(pairs) == 6


def test_places_of_the_manifest_are_those_of_the_audio(song, tmp_path):
    # The same bytes in several sources, and a name that looks like audio.
    same = {source: song.stems["drums"] for source in ("vocals", "drums")}
    track = type(song)("\1\0" * 500, same)
    stored = Store(prepare({"train": [track]}, tmp_path / "store"))[0]
    rows = cache.decode([track], 1000, 2)[0]
    copy = np.zeros_like(rows)
    stored.copy_into(list(copy), 0)
    np.testing.assert_array_equal(copy, rows)
    np.testing.assert_array_equal(copy[0], copy[1])


def test_active_regions_are_chunks_above_a_tenth_of_the_loudest():
    # Chunks of 50 ms are of 4 samples at 80 Hz.
    chunks = np.array([0, 100, 10.5, 9.5, 10.5, 0, 0, 50])
    row = np.repeat(chunks, 4)[:, np.newaxis] * [1, -1]
    for samples, end in ((32, 32), (30, 30), (29, 29)):
        regions = active_regions(row[:samples], 80)
        assert regions.tolist() == [[4, 12], [16, 20], [28, end]]
    # The smallest int16 does not overflow.
    assert active_regions(np.full((8, 1), -(2**15), np.int16), 80).tolist() == [[0, 8]]
    assert active_regions(np.zeros((30, 1), np.int16), 80).tolist() == []
    # At low rates a chunk is a sample.
    assert active_regions(np.array([[0], [9], [0]]), 8).tolist() == [[1, 2]]


def test_regions_are_cut_to_the_record():
    regions = np.array([[0, 100], [150, 250], [300, 400]])
    assert within(regions, 0, 400) == regions.tolist()
    assert within(regions, 50, 200) == [[0, 50], [100, 150]]
    assert within(regions, 160, 240) == [[0, 80]]
    assert within(regions, 100, 150) == []
    assert within(regions, 250, 500) == [[50, 150]]
    assert within(np.zeros((0, 2), int), 0, 10) == []
