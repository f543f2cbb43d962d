"""Tests that every corpus must pass.

A test module of a corpus derives its class from one of these. `build` writes a tiny corpus in its real layout; the
fixture `tree` of `conftest.py` is its root and what `build` returned:

    class TestDSD100(FolderCase):
        sources = ("vocals", "drums", "bass", "other")
        splits = SPLITS  # {"train": ("A - One",), "valid": ("B - Two",), "test": ("C - Three",)}
        spec = "dsd100:{}"
        empty = "No DSD100 track of split 'train'"

        def build(self, root): ...
        def open(self, root, split): ...
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tfsep import audio, datasets
from tfsep.datasets import Corpus, Track

Songs = dict[str, dict[str, np.ndarray]]


class CorpusCase:
    """Base of the tests of one corpus.

    Attributes:
        sources: names of the sources, in the corpus's order.
        splits: dict from split to the names of its tracks, in the corpus's order.
        sample_rate: int, of the files that `build` writes.
        channels: int, of a track.
        tolerance: float, by which audio that is read may differ from what was written.
        jitter: float, by which an excerpt may differ from the slice; 0 except for lossy formats.
    """

    sources: tuple[str, ...]
    splits: dict[str, tuple[str, ...]]
    sample_rate = 44100
    channels = 2
    tolerance = 1e-6
    jitter = 0.0

    # To be overridden.

    def build(self, root: Path) -> Songs:
        """Write the corpus; return a dict from track to a dict from source, or "mixture", to audio."""
        raise NotImplementedError

    def open(self, root: Path | str, split: str) -> Corpus:
        raise NotImplementedError

    def recordings(self, track: Track) -> set[str]:
        """Return hashes of the audio of a track."""
        return {hashlib.sha256(track.read(source)).hexdigest() for source in (*track.sources, "mixture")}

    # Material.

    def noise(self, samples: int, channels: int | None = None, seed: int = 0) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return generator.normal(0, 0.1, (samples, channels or self.channels)).astype(np.float32)

    def write(self, path: Path, samples: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, self.sample_rate, {".wav": "FLOAT", ".flac": "PCM_24"}[path.suffix])

    def all_tracks(self, root: Path) -> list[Track]:
        return [track for split in self.splits for track in self.open(root, split)]

    # The tests.

    def test_each_split_has_its_tracks(self, tree):
        for split, names in self.splits.items():
            corpus = self.open(tree[0], split)
            assert [track.name for track in corpus] == list(names)
            assert len(corpus) == len(names)
            assert corpus.sources == self.sources

    def test_rate_length_channels_and_sources_of_each_track(self, tree):
        root, songs = tree
        for track in self.all_tracks(root):
            assert track.sources == self.sources
            assert (track.sample_rate, track.channels) == (self.sample_rate, self.channels)
            assert track.samples == len(songs[track.name]["mixture"])

    def test_sources_and_mixture_are_what_was_written(self, tree):
        root, songs = tree
        for track in self.all_tracks(root):
            assert songs[track.name].keys() == {*self.sources, "mixture"}
            for source, expected in songs[track.name].items():
                whole = track.read(source)
                assert whole.dtype == np.float32
                np.testing.assert_allclose(whole, expected, atol=self.tolerance, err_msg=f"{track.name} {source}")

    def test_no_track_is_in_two_splits(self, tree):
        digests, recordings = {}, {}
        for split in self.splits:
            tracks = self.open(tree[0], split)
            digests[split] = {track.digest() for track in tracks}
            recordings[split] = set.union(*map(self.recordings, tracks))
            assert len(digests[split]) == len(tracks)
        for found in (digests, recordings):
            assert len(set.union(*found.values())) == sum(map(len, found.values()))

    def test_content_hashes_are_the_same_when_opened_again(self, tree):
        first, second = (self.all_tracks(tree[0]) for _ in range(2))
        assert [track.digest() for track in first] == [track.digest() for track in second]

    def test_excerpts_equal_slices(self, tree):
        for track in self.all_tracks(tree[0]):
            end = track.samples
            for source in (*self.sources, "mixture"):
                whole = track.read(source)
                assert whole.shape == (end, self.channels)
                for start, samples in (
                    (0, 1),
                    (0, end),
                    (end // 3, end // 2),
                    (end - 1, 1),
                    (end // 2, None),
                    (end, 0),
                ):
                    excerpt = track.read(source, start, samples)
                    expected = whole[start:] if samples is None else whole[start : start + samples]
                    np.testing.assert_allclose(excerpt, expected, rtol=0, atol=self.jitter)

    def test_sources_read_at_once_are_those_read_alone(self, tree):
        for track in self.all_tracks(tree[0]):
            read = track.read_all(("mixture", *self.sources), 7, 40)
            assert list(read) == ["mixture", *self.sources]
            for source, excerpt in read.items():
                np.testing.assert_allclose(excerpt, track.read(source, 7, 40), rtol=0, atol=self.jitter)

    def test_accompaniment_is_all_but_the_target(self, tree):
        root, songs = tree
        target = self.sources[0]
        for track in self.all_tracks(root):
            read = track.read_sources((target, "accompaniment"), 2, 50)
            assert list(read) == [target, "accompaniment"]
            others = sum(songs[track.name][source] for source in self.sources[1:])
            np.testing.assert_allclose(read["accompaniment"], others[2:52], atol=4 * self.tolerance)
            np.testing.assert_allclose(read[target], songs[track.name][target][2:52], atol=self.tolerance)

    def test_tracks_can_go_to_another_process(self, tree):
        for track in self.all_tracks(tree[0]):
            track.read("mixture", 0, 10)
            twin = pickle.loads(pickle.dumps(track))
            assert (twin.name, twin.digest()) == (track.name, track.digest())
            np.testing.assert_array_equal(twin.read("mixture", 3, 10), track.read("mixture", 3, 10))

    @pytest.mark.parametrize(("start", "samples"), [(-1, 5), (0, 10**7), (10**7, None)])
    def test_excerpts_beyond_the_ends_are_errors(self, tree, start, samples):
        track = self.all_tracks(tree[0])[0]
        with pytest.raises(ValueError, match=rf"{re.escape(track.name)} has {track.samples} samples"):
            track.read(self.sources[0], start, samples)


class FolderCase(CorpusCase):
    """Base of the tests of a corpus that is opened by the path of its root.

    Attributes:
        spec: its notation on the command line, with `{}` for the root.
        empty: what the error of an empty root says.
    """

    spec: str
    empty: str

    def refuses(self, root: Path | str, split: str, error: type[Exception], *words: str) -> None:
        """Check that opening fails with one line that contains `words`."""
        with pytest.raises(error) as caught:
            self.open(root, split)
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert word in message

    def test_notation_of_the_command_line_opens_the_same(self, tree):
        for split in self.splits:
            opened, expected = datasets.from_spec(self.spec.format(tree[0]), split), self.open(tree[0], split)
            assert type(opened) is type(expected)
            assert [track.digest() for track in opened] == [track.digest() for track in expected]

    def test_names_that_begin_with_a_dot_are_ignored(self, tmp_path, caplog):
        self.build(tmp_path)
        before = {split: [track.name for track in self.open(tmp_path, split)] for split in self.splits}
        # Every file and folder once more, as macOS, editors and version control leave them.
        for path in sorted(path for path in tmp_path.rglob("*") if not path.name.startswith(".")):
            twin = path.with_name(f".{path.name}")
            shutil.copytree(path, twin) if path.is_dir() else shutil.copy(path, twin)
        caplog.clear()
        for split, names in before.items():
            assert [track.name for track in self.open(tmp_path, split)] == names
        assert caplog.messages == []

    def test_repr_names_root_split_and_size(self, tree):
        for split, names in self.splits.items():
            text = repr(self.open(tree[0], split))
            assert str(tree[0]) in text and f"split={split!r}" in text
            assert text.endswith(f"): {len(names)} track{'s' if len(names) > 1 else ''}")

    def test_training_songs_are_the_default(self, tree):
        corpus = type(self.open(tree[0], "train"))
        assert inspect.signature(corpus).parameters["split"].default == "train"

    def test_root_may_be_a_string(self, tree):
        assert len(self.open(str(tree[0]), "train")) == len(self.splits["train"])

    def test_missing_root_is_an_error_that_names_it(self, tmp_path):
        self.refuses(tmp_path / "nowhere", "train", FileNotFoundError, str(tmp_path / "nowhere"), "is not a folder")

    def test_empty_root_is_an_error_that_names_it(self, tmp_path):
        for split in self.splits:
            self.refuses(tmp_path, split, ValueError, str(tmp_path), *([self.empty] if split == "train" else []))

    def test_unknown_split_is_an_error(self, tree):
        self.refuses(tree[0], "dev", ValueError, "'train', 'valid'", "'test'", "split='dev'")

    def test_damaged_file_is_an_error_that_names_it(self, tmp_path):
        self.build(tmp_path)
        files = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".wav", ".flac", ".mp4"))
        for number, path in enumerate(files[:: -(-len(files) // 9)]):
            whole = path.read_bytes()
            path.write_bytes([b"", b"no audio\n" * 9, whole[: len(whole) // 2]][number % 3])
            messages = self.failures(tmp_path)
            assert messages, f"{path} is not read"
            for message in messages:
                assert str(path) in message
                assert "\n" not in message
            path.write_bytes(whole)
        assert self.failures(tmp_path) == []

    def failures(self, root: Path) -> list[str]:
        """Return the messages of errors when all sources of all tracks are read."""
        messages = []
        for split in self.splits:
            try:
                for track in self.open(root, split):
                    try:
                        for source in (*track.sources, "mixture"):
                            track.read(source)
                    except audio.AudioError as error:
                        messages.append(str(error))
            except audio.AudioError as error:
                messages.append(str(error))
        return messages
