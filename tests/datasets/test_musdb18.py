import logging
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import yaml
from corpus_case import FolderCase

from tfsep import audio
from tfsep.datasets import MUSDB18, embedded, musdb18
from tfsep.datasets.stems import FileStem, to_int16

TRAIN, VALID, TEST = ("A - One", "Z - Two"), ("ANiMAL - Rockshow", "Leaf - Summerghost"), ("Unknown - Three",)
SPLITS = {"train": TRAIN, "valid": VALID, "test": TEST}


class TestMUSDB18HQ(FolderCase):
    sources = ("vocals", "drums", "bass", "other")
    splits = SPLITS
    spec = "musdb18:{}"
    empty = "No MUSDB18 track of split 'train'"

    def build(self, root):
        songs = {}
        for number, name in enumerate((*TRAIN, *VALID, *TEST)):
            stems = {source: self.noise(100 + number, seed=10 * number + k) for k, source in enumerate(self.sources)}
            songs[name] = {**stems, "mixture": sum(stems.values()) + np.float32(0.01)}
            folder = root / ("test" if name in TEST else "train") / name
            for source, samples in songs[name].items():
                self.write(folder / f"{source}.wav", samples)
        return songs

    def open(self, root, split):
        return MUSDB18(root, split=split)


class TestMUSDB18(TestMUSDB18HQ):
    """As STEM files, which are rounded to 16 bits."""

    jitter = 2**-15  # a sample near a tie

    def build(self, root):
        songs = {}
        for number, name in enumerate((*TRAIN, *VALID, *TEST)):
            path = root / ("test" if name in TEST else "train") / f"{name}.stem.mp4"
            path.parent.mkdir(exist_ok=True)
            stems = [self.noise(2048 + 1024 * number, seed=10 * number + k) for k in range(4)]
            write_stem_file(path, [sum(stems), *stems])
            order = ("mixture", "drums", "bass", "other", "vocals")
            songs[name] = {source: to_int16(audio.read(path, stream=stream)[0]) for stream, source in enumerate(order)}
        return songs


def write_stem_file(path, streams):
    # Without noise substitution FFmpeg's AAC decodes the same from any starting point.
    with av.open(str(path), "w", format="mp4") as container:
        tracks = [container.add_stream("aac", rate=44100, options={"aac_pns": "0"}, layout="stereo") for _ in streams]
        for track, samples in zip(tracks, streams, strict=True):
            for start in range(0, len(samples), 1024):
                block = np.ascontiguousarray(samples[start : start + 1024].T)
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = 44100, start
                container.mux(track.encode(frame))
            container.mux(track.encode(None))


@pytest.fixture(scope="module")
def musdb_setup():
    folder = next(iter(find_spec("musdb").submodule_search_locations))
    return yaml.safe_load(Path(folder, "configs", "mus.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def falcon():
    folder = next(iter(find_spec("stempeg").submodule_search_locations))
    return Path(folder, "data", "The Easton Ellises - Falcon 69.stem.mp4")


@pytest.fixture
def hq(tmp_path, noise, write_song):
    """A small MUSDB18-HQ."""
    names = [*(("train", name) for name in (*TRAIN, *VALID)), *(("test", name) for name in TEST)]
    for number, (split, name) in enumerate(names):
        stems = {f"{source}.wav": noise(500, seed=10 * number + k) for k, source in enumerate(musdb18.SOURCES)}
        mixture = sum(stems.values()) + np.float32(0.01)
        write_song(tmp_path / split / name, {**stems, "mixture.wav": mixture})
    return tmp_path


@pytest.fixture
def stem_files(tmp_path, falcon):
    """A small MUSDB18 of STEM files, all of the same song."""
    for split, names in (("train", (*TRAIN, *VALID)), ("test", TEST)):
        (tmp_path / split).mkdir()
        for name in names:
            shutil.copy(falcon, tmp_path / split / f"{name}.stem.mp4")
    return tmp_path


def test_validation_songs_and_streams_are_the_official_ones(musdb_setup):
    assert len(musdb18.VALIDATION) == len(set(musdb18.VALIDATION)) == 14
    assert set(musdb18.VALIDATION) == set(musdb_setup["validation_tracks"])
    assert musdb_setup["stem_ids"] == musdb18.STREAMS


@pytest.mark.parametrize("kind", ["hq", "stem_files"])
def test_splits_are_disjoint_and_complete(kind, request):
    root = request.getfixturevalue(kind)
    for split, names in SPLITS.items():
        assert [track.name for track in MUSDB18(root, split=split)] == sorted(names)


def test_wav_folders_are_read(hq):
    track = MUSDB18(str(hq), split="test")[0]
    assert track.sources == ("vocals", "drums", "bass", "other")
    assert (track.sample_rate, track.samples, track.channels) == (8000, 500, 2)
    for source in (*track.sources, "mixture"):
        stored, _ = audio.read(hq / "test" / track.name / f"{source}.wav")
        np.testing.assert_array_equal(track.read(source, 100, 50), stored[100:150])


def test_stem_files_are_read_from_their_streams(stem_files, musdb_setup):
    track = MUSDB18(stem_files, split="valid")[0]
    assert track.sources == ("vocals", "drums", "bass", "other")
    assert (track.sample_rate, track.samples, track.channels) == (44100, 268288, 2)
    path = stem_files / "train" / f"{track.name}.stem.mp4"
    for source, stream in musdb_setup["stem_ids"].items():
        stored, _ = audio.read(path, stream=stream)
        np.testing.assert_allclose(track.read(source, 100000, 5000), stored[100000:105000], atol=2**-16 + 1e-6)


@pytest.mark.parametrize("kind", ["hq", "stem_files"])
def test_mixture_from_the_file_or_as_the_sum(kind, request):
    root = request.getfixturevalue(kind)
    track = MUSDB18(root, mixture="sum")[0]
    # The middle of the STEM file, as its encoder has left clicks at the ends.
    start, samples = track.samples // 4, track.samples // 2
    total = sum(track.read_sources(track.sources, start, samples).values())
    np.testing.assert_allclose(track.read("mixture", start, samples), total, atol=1e-7)
    residual = MUSDB18(root)[0].read("mixture", start, samples) - total
    # Small, as it is the same song, but not zero, as the file is another encoding of it.
    assert 0.005 < np.abs(residual).max() < 0.12


def test_both_kinds_may_be_in_one_folder(hq, falcon):
    shutil.copy(falcon, hq / "train" / "M - Four.stem.mp4")
    assert [track.sample_rate for track in MUSDB18(hq)] == [8000, 44100, 8000]


def test_musdb_and_stempeg_are_not_imported(stem_files, monkeypatch):
    for name in ("musdb", "stempeg"):
        monkeypatch.setitem(sys.modules, name, None)
    MUSDB18(stem_files)[0].read("vocals", 0, 10)


def test_song_with_a_lost_file_is_an_error_that_names_it(hq):
    (hq / "test" / TEST[0] / "vocals.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"vocals\.wav"):
        MUSDB18(hq, split="test")[0].read("drums")


def test_folder_without_stems_is_skipped_and_logged(hq, caplog):
    (hq / "train" / "B - Empty").mkdir()
    with caplog.at_level(logging.WARNING, "tfsep"):
        corpus = MUSDB18(hq)
    assert [track.name for track in corpus] == list(TRAIN)
    assert [record.getMessage() for record in caplog.records] == [
        f"{hq / 'train' / 'B - Empty'} contains no stems and is skipped."
    ]


def test_missing_root_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        MUSDB18(tmp_path / "nowhere")


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_no_tracks_is_an_error_that_names_the_folder(tmp_path, split):
    with pytest.raises(ValueError, match=f"No MUSDB18 track of split '{split}' in .*{tmp_path.name}"):
        MUSDB18(tmp_path, split=split)


def test_unknown_arguments_are_errors(hq):
    with pytest.raises(ValueError, match="split='validation'"):
        MUSDB18(hq, split="validation")
    with pytest.raises(ValueError, match="mixture='wav'"):
        MUSDB18(hq, mixture="wav")


def test_precision_is_that_of_musdb_by_default(stem_files):
    decoded = audio.read_streams(next((stem_files / "test").glob("*.mp4")), range(5))
    rounded, floats = (MUSDB18(stem_files, "test", precision=precision)[0] for precision in ("int16", "float32"))
    assert (rounded.precision, floats.precision, embedded()[0].precision) == ("int16", "float32", "int16")
    assert MUSDB18(stem_files, "test")[0].digest() == rounded.digest() != floats.digest()
    for name, stream in musdb18.STREAMS.items():
        np.testing.assert_array_equal(floats.read(name), decoded[stream])
        # Exact in float32, and so the values that musdb has in float64.
        np.testing.assert_array_equal(
            rounded.read(name) * 2**15, np.rint(decoded[stream] * 2.0**15).clip(max=2**15 - 1)
        )


def test_wav_folders_are_not_rounded(hq):
    assert {track.precision for track in MUSDB18(hq)} == {"float32"}


def test_unknown_precision_is_an_error(hq):
    with pytest.raises(ValueError, match="precision='int24'"):
        MUSDB18(hq, precision="int24")


def test_samples_beyond_full_scale_are_clipped_as_in_ffmpeg(tmp_path):
    """And samples halfway between two numbers of 16 bits are rounded to the even one."""
    units = np.array([-40000, -32768.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 32766.5, 32767.5, 40000], np.float32)
    samples = (units / np.float32(2**15))[:, np.newaxis]
    soundfile.write(tmp_path / "peaks.wav", samples, 8000, subtype="FLOAT")
    expected = [-32768, -32768, -2, -2, 0, 0, 2, 2, 32766, 32767, 32767]
    np.testing.assert_array_equal(
        FileStem(tmp_path / "peaks.wav", precision="int16").read(0, 11)[:, 0] * 2**15, expected
    )
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="mono")
    frame.sample_rate = 8000
    (converted,) = av.AudioResampler(format="s16p").resample(frame)
    np.testing.assert_array_equal(converted.to_ndarray()[0], expected)


class FakeMusdb:
    """A substitute for the package, whose DB downloads the preview into the root."""

    def __init__(self, song):
        self.song = song
        self.calls = []

    def DB(self, root, download):  # noqa: N802
        self.calls.append((root, download))
        for split in ("train", "test"):
            Path(root, split).mkdir(parents=True)
            shutil.copy(self.song, Path(root, split, "A - One.stem.mp4"))


@pytest.fixture
def musdb(monkeypatch, falcon):
    fake = FakeMusdb(falcon)
    monkeypatch.setitem(sys.modules, "musdb", fake)
    return fake


def test_download_fetches_the_preview_into_the_root(tmp_path, musdb):
    root = tmp_path / "new" / "musdb18"
    assert [track.name for track in MUSDB18(root, download=True)] == ["A - One"]
    assert musdb.calls == [(str(root), True)]


def test_download_does_not_change_an_existing_corpus(hq, musdb):
    assert len(MUSDB18(hq, split="test", download=True)) == 1
    assert musdb.calls == []


def test_nothing_is_downloaded_by_default(tmp_path, musdb):
    with pytest.raises(ValueError, match="No MUSDB18 track"):
        MUSDB18(tmp_path)
    assert musdb.calls == []


def test_download_without_ffmpeg_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "musdb.py").write_text("raise RuntimeError('ffmpeg or ffprobe could not be found!')")
    monkeypatch.delitem(sys.modules, "musdb", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"could not be found!.*Install the programs ffmpeg and ffprobe"):
        MUSDB18(tmp_path / "root", download=True)
    assert not (tmp_path / "root").exists()


def test_download_without_a_network_is_an_error_that_says_what_to_do(tmp_path, musdb, monkeypatch):
    def no_network(root, download):
        raise OSError("Name or service not known")

    monkeypatch.setattr(musdb, "DB", no_network)
    with pytest.raises(OSError, match=r"downloaded to .*root: Name or service not known.*Check the network"):
        MUSDB18(tmp_path / "root", download=True)


def test_embedded_song_is_found_without_importing_stempeg(monkeypatch):
    monkeypatch.delitem(sys.modules, "stempeg", raising=False)
    corpus = embedded()
    assert "stempeg" not in sys.modules
    assert [track.name for track in corpus] == ["The Easton Ellises - Falcon 69"]
    assert corpus.sources == ("vocals", "drums", "bass", "other")
    assert (corpus[0].sample_rate, corpus[0].samples, corpus[0].channels) == (44100, 268288, 2)


def test_embedded_song_without_stempeg_is_an_error(monkeypatch):
    monkeypatch.setattr(musdb18, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install stempeg"):
        embedded()
