import shutil
import weakref

import av
import numpy as np
import pytest

from tfsep import audio
from tfsep.separation import file_options, separate, separate_file, song_files


@pytest.fixture
def song(tmp_path, noise):
    path = tmp_path / "song.wav"
    audio.write(path, noise(5000), 16000)
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "stems" / "song"


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("block", [1, 1000, 1 << 18])
@pytest.mark.parametrize("residual", [None, "rest"])
def test_files_contain_the_estimates_of_separate(identity, song, folder, monkeypatch, block, residual):
    monkeypatch.setattr(song_files, "_BLOCK", max(block, 50))
    options = {"overlap": 0.5, "batch_size": 3, "residual": residual}
    paths = separate_file(song, folder, identity(context=10), **options)
    expected = separate(song, identity(context=10), **options)
    assert paths == {name: folder / f"{name}.wav" for name in expected}
    assert contents(folder) == sorted(f"{name}.wav" for name in expected)
    for name, path in paths.items():
        stem, sample_rate = audio.read(path)
        assert sample_rate == 16000
        np.testing.assert_allclose(stem, expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("suffix", "subtype", "tolerance"), [(".flac", None, 2**-20), (".wav", "PCM_16", 2**-15)])
def test_format_can_be_chosen(identity, song, folder, suffix, subtype, tolerance):
    paths = separate_file(song, str(folder), identity(), suffix=suffix, subtype=subtype)
    stem, _ = audio.read(paths["plain"])
    assert paths["plain"].name == f"plain{suffix}"
    np.testing.assert_allclose(stem, separate(song, identity())["plain"], atol=tolerance)


def test_song_of_one_sample(identity, tmp_path, folder):
    audio.write(tmp_path / "one.wav", np.full((1, 2), 0.5, np.float32), 44100)
    paths = separate_file(tmp_path / "one.wav", folder, identity(), residual="rest")
    stems = [audio.read(path)[0] for path in paths.values()]
    np.testing.assert_allclose(sum(stems), np.full((1, 2), 0.5), atol=1e-6)


@pytest.mark.parametrize("residual", [None, "rest"])
def test_memory_does_not_grow_with_the_length(identity, tmp_path, folder, monkeypatch, residual):
    audio.write(tmp_path / "long.wav", np.zeros((200_000, 1), np.float32), 16000)
    blocks, alive, most = audio.blocks, weakref.WeakValueDictionary(), []

    def spy(path, block_size, tolerant):
        for number, block in enumerate(blocks(path, block_size)):
            alive[number] = block
            most.append(len(alive))
            yield block

    monkeypatch.setattr(song_files, "_BLOCK", 1000)
    monkeypatch.setattr(audio, "blocks", spy)
    separate_file(tmp_path / "long.wav", folder, identity(), residual=residual)
    assert len(most) == 200
    assert max(most) < 20


def test_figure_is_drawn_on_request(identity, song, folder):
    separate_file(song, folder, identity(), plot=True)
    assert contents(folder) == ["minus.wav", "plain.wav", "waveforms.png"]
    assert (folder / "waveforms.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("existing", ["plain.wav", "minus.wav", "waveforms.png"])
def test_existing_output_is_kept(identity, song, folder, existing):
    folder.mkdir(parents=True)
    (folder / existing).write_text("precious")
    model = identity()
    with pytest.raises(FileExistsError, match=f"{existing}.*exists"):
        separate_file(song, folder, model, plot=True)
    assert contents(folder) == [existing]
    assert (folder / existing).read_text() == "precious"
    # The error is raised before the separation.
    assert not model.shapes


def test_existing_output_is_replaced_on_request(identity, song, folder):
    first = separate_file(song, folder, identity(), plot=True)
    before, _ = audio.read(first["plain"])
    first["plain"].write_text("old")
    (folder / "waveforms.png").write_text("old")
    second = separate_file(song, folder, identity(), plot=True, overwrite=True)
    np.testing.assert_array_equal(audio.read(second["plain"])[0], before)
    assert (folder / "waveforms.png").read_bytes() != b"old"
    assert contents(folder) == ["minus.wav", "plain.wav", "waveforms.png"]


class Breaking:
    """A model that fails at its third call."""

    def __init__(self, model, error):
        self.model, self.error, self.calls = model, error, 0

    def __getattr__(self, name):
        if name == "compiled_separate_window":
            raise AttributeError
        return getattr(self.model, name)

    def separate_window(self, window):
        self.calls += 1
        if self.calls == 3:
            raise self.error
        return self.model.separate_window(window)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_nothing_is_left_behind_after_a_failure(identity, song, folder, error):
    with pytest.raises(error):
        separate_file(song, folder, Breaking(identity(), error), residual="rest")
    # The new folders are removed too.
    assert not folder.parent.exists()
    assert song.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_existing_files_are_kept_after_a_failure(identity, song, folder, error):
    folder.mkdir(parents=True)
    (folder / "plain.wav").write_text("precious")
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(error):
        separate_file(song, folder, Breaking(identity(), error), overwrite=True)
    assert contents(folder) == ["notes.txt", "plain.wav"]
    assert (folder / "plain.wav").read_text() == "precious"


def test_existing_empty_folder_is_kept_after_a_failure(identity, song, folder):
    folder.mkdir(parents=True)
    with pytest.raises(RuntimeError):
        separate_file(song, folder, Breaking(identity(), RuntimeError))
    assert contents(folder) == []


def test_damage_in_the_middle_of_a_song_leaves_nothing_behind(identity, song, folder, monkeypatch):
    blocks = audio.blocks

    def damaged(path, block_size, tolerant):
        yield from list(blocks(path, 1000))[:2]
        raise audio.AudioError(f"{path}: is damaged")

    monkeypatch.setattr(audio, "blocks", damaged)
    with pytest.raises(audio.AudioError, match=r"song\.wav"):
        separate_file(song, folder, identity())
    assert not folder.parent.exists()


def test_nan_in_a_song_is_an_error_that_names_it(identity, tmp_path, folder):
    import soundfile

    samples = np.zeros(5000, np.float32)
    samples[4000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(audio.AudioError, match=r"nan\.wav: sample 4000 is NaN"):
        separate_file(tmp_path / "nan.wav", folder, identity())
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1}, "overlap=1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"residual": "minus"}, "'minus' already"),
        ({"suffix": ".xyz"}, r"\.xyz"),
        ({"subtype": "PCM_99"}, "PCM_99"),
    ],
)
def test_wrong_arguments_are_errors_and_leave_nothing_behind(identity, song, folder, options, message):
    with pytest.raises(ValueError, match=message):
        separate_file(song, folder, identity(), **options)
    assert not folder.parent.exists()


@pytest.mark.parametrize("content", [b"", b"no audio"])
def test_unreadable_song_is_an_error_that_names_it(identity, tmp_path, folder, content):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(audio.AudioError, match=r"bad\.wav"):
        separate_file(tmp_path / "bad.wav", folder, identity())
    with pytest.raises(FileNotFoundError, match=r"nothing\.wav"):
        separate_file(tmp_path / "nothing.wav", folder, identity())
    assert not folder.parent.exists()


def test_folder_that_cannot_be_made_is_an_error_that_names_it(identity, song, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "stems"):
        with pytest.raises(OSError, match="file"):
            separate_file(song, folder, identity())
    assert (tmp_path / "file").read_text() == ""


@pytest.fixture
def stem_song(tmp_path):
    """A function that writes a STEM file with noise of different levels."""

    def write(streams=5):
        path = tmp_path / "song.stem.mp4"
        generator = np.random.default_rng(0)
        options = {"rate": 44100, "options": {"aac_pns": "0"}, "layout": "stereo"}
        with av.open(str(path), "w", format="mp4") as container:
            tracks = [container.add_stream("aac", **options) for _ in range(streams)]
            for number, track in enumerate(tracks, start=1):
                samples = 0.1 * number * generator.uniform(-1, 1, (2, 1024))
                frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = 44100, 0
                container.mux(track.encode(frame))
                container.mux(track.encode(None))
        return path

    return write


def test_estimates_of_a_stem_file_are_drawn_beside_its_stems(identity, stem_song, folder, monkeypatch):
    drawn = []
    monkeypatch.setattr(song_files, "plot_spectrograms", lambda *arguments: drawn.append(arguments))
    model = identity(channels=2, sample_rate=44100)
    model.sources = ("drums", "accompaniment")
    model.separate_window = lambda window: {"drums": 0.5 * window, "accompaniment": 0.25 * window}
    song = stem_song()
    separate_file(song, folder, model, plot=True, residual="rest")
    [(estimates, rate, figure, references)] = drawn
    assert (rate, figure) == (44100, folder / "spectrograms.png")
    mixture, drums, bass, other, vocals = (audio.read(song, stream=stream)[0] for stream in range(5))
    np.testing.assert_allclose(estimates["drums"], 0.5 * mixture, atol=1e-6)
    np.testing.assert_allclose(references["drums"], drums, atol=1e-6)
    np.testing.assert_allclose(references["accompaniment"], bass + other + vocals, atol=1e-6)
    assert list(estimates) == list(references) == ["drums", "accompaniment"]
    (folder / "spectrograms.png").write_text("precious")
    (folder / "waveforms.png").unlink()
    for path in folder.glob("*.wav"):
        path.unlink()
    with pytest.raises(FileExistsError, match=r"spectrograms.png.*exists"):
        separate_file(song, folder, model, plot=True)


def test_other_files_are_drawn_as_waveforms_only(identity, stem_song, folder):
    separate_file(stem_song(streams=2), folder, identity(channels=2, sample_rate=44100), plot=True)
    assert contents(folder) == ["minus.wav", "plain.wav", "waveforms.png"]


@pytest.fixture
def loud(tmp_path, noise):
    """A song at full scale."""
    mixture = noise(5000)
    audio.write(tmp_path / "loud.wav", mixture / np.abs(mixture).max(), 16000)
    return tmp_path / "loud.wav"


def louder(identity):
    """Return a model whose stems are 1.5 and -0.5 times the song."""
    model = identity(sample_rate=16000)
    model.separate_window = lambda window: {"plain": 1.5 * window, "minus": -0.5 * window}
    return model


@pytest.mark.parametrize(("suffix", "subtype"), [(".wav", "PCM_16"), (".flac", None)])
def test_stems_beyond_full_scale_are_scaled_alike_and_still_add_up(identity, loud, folder, caplog, suffix, subtype):
    paths = separate_file(loud, folder, louder(identity), suffix=suffix, subtype=subtype)
    assert "loud.wav: all stems are scaled by 0.6667 (-3.52 dB): they reach 1.5000" in caplog.text
    stems = {name: audio.read(path)[0] for name, path in paths.items()}
    np.testing.assert_allclose(stems["plain"], audio.read(loud)[0], atol=2**-15)
    np.testing.assert_allclose(sum(stems.values()), audio.read(loud)[0] / 1.5, atol=2**-14)
    assert contents(folder) == sorted(path.name for path in paths.values())


def test_clip_can_be_chosen(identity, loud, folder, caplog):
    options = {"subtype": "PCM_16", "overwrite": True}
    paths = separate_file(loud, folder, louder(identity), clip="clamp", **options)
    mixture = audio.read(loud)[0]
    np.testing.assert_allclose(audio.read(paths["plain"])[0], np.clip(1.5 * mixture, -1, 1), atol=2**-14)
    with pytest.raises(ValueError, match=r"plain\.wav: audio reaches 1\..*--clip rescale"):
        separate_file(loud, folder, louder(identity), clip="error", **options)
    with pytest.raises(ValueError, match="clip must be one of"):
        separate_file(loud, folder, louder(identity), clip="none", **options)
    paths = separate_file(loud, folder, louder(identity), overwrite=True)
    np.testing.assert_allclose(audio.read(paths["plain"])[0], 1.5 * mixture, atol=1e-6)
    assert not caplog.records


@pytest.mark.parametrize("place", [".", "link"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_song_is_never_replaced_by_its_own_stem(identity, song, tmp_path, place, suffix):
    (tmp_path / "link").symlink_to(tmp_path)
    before = song.read_bytes()
    with pytest.raises(ValueError, match="the song itself"):
        separate_file(song, tmp_path / place, identity(), residual="song", suffix=suffix, overwrite=True)
    assert song.read_bytes() == before


def test_a_stem_that_is_separated_again_is_kept(identity, song, tmp_path):
    stem = separate_file(song, tmp_path, identity(), suffix=".flac")["minus"]
    separate_file(stem, tmp_path, identity(), stems=["plain"], overwrite=True)
    assert stem.is_file() and not stem.with_name("plain.flac").exists()


def test_overwriting_removes_the_stems_of_an_earlier_run_and_nothing_else(identity, song, folder, noise):
    first = identity()
    first.sources = ("bass", "plain")
    first.separate_window = lambda window: {"bass": window, "plain": window}
    separate_file(song, folder, first, suffix=".flac")
    audio.write(folder / "mine.wav", noise(100), 8000)
    shutil.copy(folder / "bass.flac", folder / "copy of bass.flac")
    separate_file(song, folder, identity(), overwrite=True)
    assert contents(folder) == ["copy of bass.flac", "mine.wav", "minus.wav", "plain.wav"]


def test_other_stems_of_the_song_are_kept_unless_they_are_overwritten(identity, song, folder):
    separate_file(song, folder, identity(), stems=["plain"])
    separate_file(song, folder, identity(), stems=["minus"])
    assert contents(folder) == ["minus.wav", "plain.wav"]
    separate_file(song, folder, identity(), stems=["plain"], overwrite=True)
    assert contents(folder) == ["plain.wav"]


def test_a_stem_file_replaces_that_of_the_other_suffix(identity, tmp_path, noise):
    audio.write(tmp_path / "song.wav", noise(44100, 2), 44100)
    separate_file(tmp_path / "song.wav", tmp_path / "out", identity(), suffix=".stem.m4a")
    with pytest.raises(FileExistsError, match="exists already"):
        separate_file(tmp_path / "song.wav", tmp_path / "out", identity(), suffix=".stem.mp4")
    separate_file(tmp_path / "song.wav", tmp_path / "out", identity(), suffix=".stem.mp4", overwrite=True)
    assert contents(tmp_path / "out") == ["song.stem.mp4"]


@pytest.mark.parametrize("name", ["song.wav", "song.stem.mp4", "song.stem.m4a", "song.STEM.MP4"])
def test_name_of_a_song(name):
    assert file_options.song_name(name) == "song"


def test_an_excerpt_is_not_read_beyond_its_end(identity, song, folder, monkeypatch):
    monkeypatch.setattr(song_files, "_BLOCK", 100)
    blocks, read = audio.blocks, []

    def counted(*arguments, **options):
        for block in blocks(*arguments, **options):
            read.append(len(block))
            yield block

    monkeypatch.setattr(audio, "blocks", counted)
    separate_file(song, folder, identity(), start=500 / 16000, duration=300 / 16000)
    assert sum(read) == 800


@pytest.mark.parametrize(("overwrite", "message"), [(False, "exists already"), (True, "not written by tfsep; remove")])
def test_a_stem_in_another_format_is_an_error(identity, song, folder, noise, overwrite, message):
    folder.mkdir(parents=True)
    audio.write(folder / "plain.flac", noise(100), 8000)
    model = identity()
    with pytest.raises(FileExistsError, match=rf"plain\.flac.*{message}"):
        separate_file(song, folder, model, overwrite=overwrite)
    assert contents(folder) == ["plain.flac"] and not model.shapes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1.0}, "overlap=1.0"),
        ({"overlap": "much"}, "overlap='much'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"clip": "x"}, "clip='x'"),
        ({"suffix": ".aac"}, "'.aac'"),
        ({"suffix": ".mp3"}, "mp3 does not support 2 channels at 96000 Hz"),
        ({"subtype": "PCM_8"}, "'PCM_8'"),
        ({"residual": "a/b"}, "'a/b'"),
        ({"residual": "drums"}, "'drums' already"),
        ({}, "drums.wav: exists already"),
        ({"plot": True, "overwrite": False}, "exists already"),
    ],
)
def test_errors_are_raised_before_the_model_is_loaded(
    small_preset, tmp_path, folder, noise, monkeypatch, options, message
):
    audio.write(tmp_path / "song.wav", noise(1000), 96000)
    folder.mkdir(parents=True)
    (folder / "drums.wav").write_text("precious")
    monkeypatch.setattr("tfsep.models.preset_files.load_preset", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises((ValueError, FileExistsError), match=message):
        separate_file(tmp_path / "song.wav", folder, small_preset, **options)
    assert contents(folder) == ["drums.wav"]


def test_files_of_more_than_32_channels_are_errors(identity, tmp_path, folder):
    import soundfile

    soundfile.write(tmp_path / "many.wav", np.zeros((100, 33)), 8000)
    with pytest.raises((ValueError, audio.AudioError), match=r"many\.wav.*33"):
        separate_file(tmp_path / "many.wav", folder, identity())
    soundfile.write(tmp_path / "many.wav", np.zeros((100, 32)), 8000)
    assert separate_file(tmp_path / "many.wav", folder, identity())


def test_tolerant_separates_what_is_left_of_a_damaged_song(identity, song, folder):
    song.write_bytes(song.read_bytes()[:-8000])
    with pytest.raises(audio.AudioError, match="--tolerant"):
        separate_file(song, folder, identity())
    with pytest.warns(UserWarning, match=r"song\.wav.*The decodable part is used"):
        paths = separate_file(song, folder, identity(), tolerant=True)
    with pytest.warns(UserWarning, match="The decodable part is used"):
        stems = separate(song, identity(), tolerant=True)
    assert len(stems["plain"]) == 4000
    np.testing.assert_allclose(audio.read(paths["plain"])[0], stems["plain"], atol=1e-6)
