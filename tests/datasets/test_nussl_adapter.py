import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from corpus_case import CorpusCase

from tfsep import audio
from tfsep.datasets import from_nussl

LABELS = ("bass", "drums", "vocals")
SPLITS = {"train": ("01 - A. B. - One", "02 - Two"), "valid": ("03 - Three",), "test": ("04 - Four",)}


class AudioSignal:
    """A substitute for nussl's class with the attributes that are read."""

    def __init__(self, audio_data, sample_rate=8000, path=None):
        self.audio_data = audio_data
        self.sample_rate = sample_rate
        self.file_name = None if path is None else Path(path).name


class Dataset:
    """A substitute for `nussl.datasets.BaseDataset`: `items`, and a dict of signals for each."""

    def __init__(self, items, process_item):
        self.items = items
        self.process_item = process_item
        self.loaded = []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        self.loaded.append(index)
        return self.process_item(self.items[index])


class Folder:
    """Load items as nussl's `MixSourceFolder` does: `mix/<file>` and `<label>/<file>`."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, item):
        signals = {name: self.load(self.folder / name / item) for name in ("mix", *reversed(LABELS))}
        return {"mix": signals.pop("mix"), "sources": signals, "metadata": {"labels": list(LABELS)}}

    def load(self, path):
        data, sample_rate = soundfile.read(path, always_2d=True)
        return AudioSignal(data.T, sample_rate, path)


class TestFromNussl(CorpusCase):
    sources = LABELS
    splits = SPLITS
    sample_rate = 8000

    def build(self, root):
        songs = {}
        for split, names in self.splits.items():
            for number, name in enumerate(names):
                seed = 100 * len(songs)
                stems = {label: self.noise(100 + number, seed=seed + k) for k, label in enumerate(LABELS)}
                songs[name] = {**stems, "mixture": sum(stems.values()) + np.float32(0.01)}
                for label, samples in songs[name].items():
                    self.write(root / split / ("mix" if label == "mixture" else label) / f"{name}.wav", samples)
        return songs

    def open(self, root, split):
        names = sorted(path.name for path in (root / split / "mix").iterdir())
        return from_nussl(Dataset(names, Folder(root / split)))


def item(number, labels=LABELS, samples=100):
    """Return signals of constants, which differ for each item and source."""
    sources = {label: AudioSignal(np.full((2, samples), number + k / 10)) for k, label in enumerate(labels)}
    return {"mix": AudioSignal(np.full((2, samples), number + 0.9)), "sources": sources, "metadata": {}}


def test_corpus_has_the_name_of_the_class():
    assert from_nussl(Dataset([1], item)).name == "Dataset"


def test_items_are_loaded_when_they_are_read():
    dataset = Dataset(list(range(20)), item)
    corpus = from_nussl(dataset)
    assert dataset.loaded == [0]
    assert len(corpus) == 20
    assert corpus[7].read("drums", 5, 1)[0, 0] == np.float32(7.1)
    assert set(dataset.loaded) == {0, 7}


def test_sources_of_a_song_are_loaded_together_and_few_songs_are_kept():
    alive, most, lock = set(), [0], threading.Lock()

    class Item(dict):
        def __del__(self):
            with lock:
                alive.discard(id(self))

    def process_item(number):
        made = Item(item(number))
        with lock:
            alive.add(id(made))
            most[0] = max(most[0], len(alive))
        return made

    dataset = Dataset(list(range(12)), process_item)
    for track in from_nussl(dataset):
        for source in (*track.sources, "mixture"):
            track.read(source)
            track.read(source, 10, 5)
    assert dataset.loaded == list(range(12))
    assert most[0] <= 5


@pytest.mark.parametrize(
    ("items", "names"),
    [
        (["a.wav", "Mr. B - c.d.jams"], ["a", "Mr. B - c.d"]),
        ([Path("x/a.wav"), Path("y/b.wav")], ["a", "b"]),
        ([3, 5], ["00000", "00001"]),
        ([SimpleNamespace(name="Schoolboy F. Cination"), SimpleNamespace(name=5)], ["Schoolboy F. Cination", "00001"]),
    ],
)
def test_names_come_from_the_list_of_items(items, names):
    assert [track.name for track in from_nussl(Dataset(items, lambda _: item(0)))] == names


def test_plain_sequence_of_items_is_numbered():
    assert [track.name for track in from_nussl([item(0), item(1)])] == ["00000", "00001"]


def test_mixture_is_that_of_the_item():
    track = from_nussl([item(2)])[0]
    assert (track.read("mixture") == np.float32(2.9)).all()


def test_audio_is_float32_with_samples_first():
    data = np.arange(200, dtype=np.float64).reshape(2, 100) / 1000
    track = from_nussl([{"mix": AudioSignal(data), "sources": {"vocals": AudioSignal(data[:1])}}])[0]
    assert (track.samples, track.channels) == (100, 2)
    for excerpt in (track.read("mixture", 10, 20), track.mixture.read(10, 20)):
        assert excerpt.dtype == np.float32
        np.testing.assert_array_equal(excerpt, data.T[10:30].astype(np.float32))
    # A mono source of a stereo song is duplicated.
    np.testing.assert_array_equal(track.read("vocals"), np.repeat(data[:1].T, 2, axis=1).astype(np.float32))


def test_excerpts_are_copies():
    dataset = Dataset([0], item)
    track = from_nussl(dataset)[0]
    track.read("vocals")[:] = 5
    assert (track.read("vocals") == np.float32(0.2)).all()


def test_content_hash_is_that_of_the_audio():
    data = np.random.default_rng(0).normal(size=(2, 60))

    def digest(mix, rate=8000, label="vocals"):
        return from_nussl([{"mix": AudioSignal(mix, rate), "sources": {label: AudioSignal(mix, rate)}}])[0].digest()

    same = digest(data)
    assert digest(data.copy(), np.int64(8000)) == same
    others = [digest(data + 1e-9), digest(data.reshape(1, 120)), digest(data, 16000), digest(data, label="bass")]
    assert len({same, *others}) == 5


def test_source_that_an_item_lacks_is_an_error_that_names_both():
    track = from_nussl(Dataset([0, 1], lambda number: item(number, LABELS[number:])))[1]
    with pytest.raises(
        audio.AudioError, match=r"item 1, bass: the item has no such source, only \['drums', 'vocals'\]"
    ):
        track.read("bass")


def test_rates_that_differ_are_an_error():
    track = from_nussl([{"mix": AudioSignal(np.ones((1, 9))), "sources": {"a": AudioSignal(np.ones((1, 9)), 44100)}}])[
        0
    ]
    with pytest.raises(audio.AudioError, match=r"item 0, mix has 8000 Hz, while item 0, a .*44100 Hz"):
        track.read("a")


@pytest.mark.parametrize(
    "wrong", [{}, {"mix_magnitude": 1}, {"mix": 1}, {"mix": 1, "sources": [1]}, ("mix", "sources")]
)
def test_items_of_another_kind_are_an_error_that_says_what_was_received(wrong):
    with pytest.raises(
        ValueError, match=r"Item 0 of the nussl dataset must contain 'mix' and the dict 'sources'"
    ) as caught:
        from_nussl([wrong])
    assert (str(sorted(wrong)) if isinstance(wrong, dict) else "tuple") in str(caught.value)
    later = from_nussl([item(0), wrong])[1]
    with pytest.raises(ValueError, match="Item 1 of the nussl dataset must contain"):
        later.read("vocals")


@pytest.mark.parametrize("signal", [np.ones((2, 100)), AudioSignal(None)])
def test_signal_without_audio_is_an_error_that_names_it(signal):
    track = from_nussl([{**item(0), "mix": signal}])[0]
    with pytest.raises(audio.AudioError, match=rf"item 0, mix must be .*Received: {type(signal).__name__}\."):
        track.read("mixture")


def test_dataset_without_items_is_an_error():
    with pytest.raises(ValueError, match="The nussl dataset has no items"):
        from_nussl(Dataset([], item))


def test_error_of_the_dataset_itself_is_not_hidden():
    def process_item(number):
        if number:
            raise OSError(f"cannot load item {number}")
        return item(number)

    with pytest.raises(OSError, match="cannot load item 1"):
        from_nussl(Dataset([0, 1], process_item))[1].read("vocals")
