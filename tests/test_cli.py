"""The command line: what it writes, and one clear line and the right exit code for everything that goes wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tfsep
from tfsep import audio, cli, console

RATE = 22050


@pytest.fixture(autouse=True)
def heeded_signals():
    """Signals act as in a terminal, also where the tests run under nohup or in the background of a script."""
    plain = {signal.SIGINT: signal.default_int_handler}
    if os.name == "posix":
        plain[signal.SIGHUP] = signal.SIG_DFL
    ignored = [number for number in plain if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, plain[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs the command line in this process; returns exit code, standard output and standard error."""

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tfsep", *map(str, arguments)])
        monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # another one stays after a signal
        with pytest.raises(SystemExit) as stop:
            cli.main()
        output = capfd.readouterr()
        return stop.value.code or 0, output.out, output.err

    return run


@pytest.fixture
def small_unet(tmp_path):
    """Arguments of `tfsep train` for a small U-Net and two steps an epoch: tracing a network takes most of a test."""
    (tmp_path / "small.yaml").write_text("options: {filters: 2, depth: 1}\n")
    sizes = ("--sample-rate", 8000, "--segment", 512, "--batch-size", 2, "--steps-per-epoch", 2)
    return ["unet", "--config", tmp_path / "small.yaml", *sizes]


@pytest.fixture
def song(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, (RATE, 2)).astype(np.float32)
    path = tmp_path / "song.wav"
    audio.write(path, noise, RATE)
    return path


def cut(stem: Path) -> None:
    """Leave half a second of a stem."""
    sound, rate = audio.read(stem)
    audio.write(stem, sound[: rate // 2], rate, tags=audio.read_tags(stem), overwrite=True)


def message(err: str) -> str:
    """The one line of the error; progress bars end in a carriage return."""
    lines = [line.rsplit("\r", 1)[-1] for line in err.splitlines()]
    lines = [line for line in lines if line.startswith("tfsep: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


@pytest.mark.parametrize("option", ["--json", "--clip=rescale"])
def test_songs_are_separated_although_nobody_reads_the_lines(run, song, tmp_path, monkeypatch, option):
    shutil.copy(song, tmp_path / "second.wav")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        code, _, err = run("separate", song, tmp_path / "second.wav", "-m", "hpss", "-o", tmp_path / "stems", option)
    assert code == 0
    assert message(err) == "tfsep: Standard output is closed. Songs are still separated."
    assert len(list((tmp_path / "stems").glob("*/*.wav"))) == 4


@pytest.mark.usefixtures("eagerly")
class TestOwnModels:
    def test_trains_and_separates_a_class_by_name(self, run, song, songs, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "own_model.py").write_text(
            "from tfsep.models import Separator\n"
            "class TinyWave(Separator):\n"
            "    def __init__(self, sources=('vocals', 'drums'), sample_rate=8000, channels=1, segment=512, **other):\n"
            "        super().__init__(sources, sample_rate, channels, segment, **other)\n"
            "        self.gain = self.add_weight(shape=(1,), initializer='ones', name='gain')\n"
            "        self.built = True\n"
            "    def estimate(self, window, training=False):\n"
            "        return {name: self.gain * window for name in self.sources}\n"
        )
        data = f"stems:{songs}"
        few = ("--epochs", 1, "--steps-per-epoch", 1, "--batch-size", 1)
        assert run("train", "own_model:TinyWave", "--data", data, "-o", "run", *few)[0] == 0
        assert "model: own_model:TinyWave" in (tmp_path / "run" / "config.yaml").read_text()

        del sys.modules["own_model"]
        code, _, err = run("separate", song, "-o", "out", "-m", "run/best")
        assert code == 2
        assert "Import the module that defines TinyWave first; on the command line with --import own_model" in message(
            err
        )
        assert "own_model" not in sys.modules
        assert run("separate", song, "-o", "out", "-m", "run/best", "--import", "own_model")[0] == 0
        assert (tmp_path / "out" / "song" / "drums.wav").is_file()

        for name, words in (
            ("nothing", "No module 'nothing'"),
            ("broken", "'broken' cannot be imported: ZeroDivision"),
        ):
            (tmp_path / "broken.py").write_text("1 / 0")
            code, _, err = run("separate", song, "-o", "out", "-m", "run/best", "--import", name)
            assert code == 2
            assert words in message(err)

    @pytest.mark.parametrize("verb", ["separate", "train", "evaluate", "export", "inspect", "demo"])
    def test_every_verb_that_loads_a_model_imports_and_trusts_where_it_takes_a_saved_model(self, run, verb):
        text = run(verb, "--help")[1]
        assert "--import" in text
        assert ("--trust" in text) == (verb in ("separate", "evaluate", "demo"))

    @pytest.mark.parametrize(
        ("name", "words"),
        [("json:TinyWave", "has no class 'TinyWave'"), ("json:JSONDecoder", "no subclass of tfsep.models.Separator")],
    )
    def test_what_is_no_model(self, run, songs, tmp_path, name, words):
        code, _, err = run("train", name, "--data", f"stems:{songs}", "-o", tmp_path / "run")
        assert code == 2
        assert words in message(err)


@pytest.mark.usefixtures("eagerly")
class TestSeparate:
    @pytest.mark.parametrize(
        ("arguments", "before"),
        [([""], "separate"), (["song.wav", "-o", ""], "-o"), (["song.wav", "--list="], "--list=")],
    )
    def test_an_empty_argument_is_not_the_current_folder(self, run, song, arguments, before, monkeypatch):
        monkeypatch.chdir(song.parent)
        code, _, err = run("separate", *arguments)
        assert code == 2
        assert f"nothing after {before}. " in message(err)
        assert list(song.parent.iterdir()) == [song]

    def test_writes_stems_of_the_same_rate_and_length(self, run, song, tmp_path, small_preset):
        code, out, _ = run("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--residual", "rest", "--plot")
        assert code == 0
        stems = {name: audio.read(tmp_path / "out" / "song" / f"{name}.wav") for name in ("vocals", "drums", "rest")}
        assert all(rate == RATE and stem.shape == (RATE, 2) for stem, rate in stems.values())
        np.testing.assert_allclose(sum(stem for stem, _ in stems.values()), audio.read(song)[0], atol=1e-6)
        assert (tmp_path / "out" / "song" / "waveforms.png").stat().st_size > 1000
        assert "times real time" in out

    def test_folders_lists_and_the_folder_of_the_song(self, run, song, tmp_path, small_preset):
        (tmp_path / "album" / "cd1").mkdir(parents=True)
        (tmp_path / "album" / ".hidden").mkdir()
        for place in ("a.wav", "cd1/b.wav", ".hidden/c.wav", "notes.txt"):
            shutil.copy(song, tmp_path / "album" / place)
        code, out, _ = run("separate", tmp_path / "album", "-o", tmp_path / "out", "-m", small_preset)
        assert code == 0
        assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("v*.wav")) == [
            "a/vocals.wav",
            "cd1/b/vocals.wav",
        ]
        assert "Songs: 2 separated." in out
        (tmp_path / "album" / "list.txt").write_text("# two songs\n\na.wav\ncd1/b.wav\ncd1/../a.wav\n")
        code, out, err = run("separate", "--list", tmp_path / "album" / "list.txt", "-m", small_preset, "--quiet")
        assert (code, out, err) == (0, "", "")
        assert (tmp_path / "album" / "cd1" / "b" / "drums.wav").is_file()  # beside the song
        code, _, err = run("separate", tmp_path / "out" / ".." / "album" / ".hidden", "-o", tmp_path / "x", "--json")
        assert "contains no audio files" not in err  # asked for by name

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["*.xyz"], "*.xyz: matches no file."),
            (["*.txt"], "contains no audio files"),
            (["-", "song.wav"], "Standard input, -, is separated alone"),
            (["song.wav", "--stems", "drums", "--two-stems", "vocals"], "both choose stems"),
            (["song.wav", "--two-stems", "vocals", "--group", "band=drums+bass"], "--two-stems makes two stems alone"),
            (["song.wav", "--two-stems", "vocals", "--residual", "band"], "--two-stems makes two stems alone"),
            (["song.wav", "--stdout", "vocals", "--json"], "--stdout writes one wav"),
            (["song.wav", "--stdout", "vocals", "-o", "out"], "--stdout writes one wav"),
            (["song.wav", "--stdout", "vocals", "--format", "mp3"], "--stdout writes one wav"),
            (["-"], "Standard input is in no folder"),
            ([], "No songs"),
            (["song.wav", "--stems", "piano"], "No stem 'piano'. Choose of vocals, drums"),
            (["song.wav", "--group", "drums"], "A group must be NAME=STEM+STEM"),
            (["song.wav", "--name", "../{stem}"], "name must be a pattern of paths"),
            (["song.wav", "--name", "{artist}/{stem}"], "name must be a pattern of paths"),
            (["song.wav", "song2.wav", "--name", "{stem}"], "would both write to"),
            (["song.wav", "--exist", "never"], "exist must be one of"),
            (["song.wav", "--exist", "skip", "--overwrite"], "--overwrite and --exist skip say"),
            (["song.wav", "song2.wav", "--stdout", "vocals"], "--stdout writes one song"),
            (["song.wav", "-m", "crn-4stem"], "Did you mean crn-4stems?"),
            (["song.wav", "--stdout", "piano"], "No stem 'piano'"),
            (["song.wav", "--report"], "--report needs --output"),
            (["song.wav", "--start", "5"], "start must be before its end"),
            (["song.wav", "--device", "tpu"], "device must be one of"),
            (["song.wav", "--list", "no.txt"], "no.txt"),
            (["song.wav", "--format", "wma"], "format must be one of 'wav', 'flac'"),
            (
                ["song.wav", "--format", "mp3", "--bitrate", "192000"],
                "kilobits per second, such as 192. Received: 192000",
            ),
            (["song.wav", "-m", "hpss", "--shifts", "2"], "separates a song as a whole, without overlap"),
            (["song.wav", "--segment", "0"], "segment must be a number above 0"),
        ],
    )
    def test_options_that_do_not_fit(self, run, song, tmp_path, monkeypatch, small_preset, options, words):
        monkeypatch.chdir(tmp_path)
        shutil.copy(song, "song2.wav")
        Path("notes.txt").touch()
        before = sorted(tmp_path.rglob("*"))
        model = () if "-m" in options else ("-m", small_preset)
        code, _, err = run("separate", *options, *model)
        assert code == 2
        assert words in message(err)
        assert sorted(tmp_path.rglob("*")) == before

    def test_names_groups_and_excerpts(self, run, song, tmp_path, small_preset):
        options = ("--group", "all=vocals+drums", "--start", 0.25, "--duration", 0.5, "--name", "x/{stem} of {track}")
        options += ("--format", ".FLAC", "--subtype", "pcm_16")
        code, _, _ = run("separate", song, "-o", tmp_path / "out", "-m", small_preset, *options, "--plot")
        assert code == 0
        names = ["all of song.flac", "waveforms of song.png"]
        assert sorted(path.name for path in (tmp_path / "out" / "x").iterdir()) == names
        assert audio.info(tmp_path / "out" / "x" / "all of song.flac").samples == RATE // 2

    def test_two_stems_add_up(self, run, song, tmp_path, small_preset):
        code, out, _ = run("separate", song, "-o", tmp_path, "-m", small_preset, "--two-stems", "drums", "--json")
        assert code == 0
        facts = json.loads(out)
        assert list(facts["stems"]) == ["drums", "accompaniment"]
        assert facts["seconds"] == 1
        assert facts["licences"] == {str(small_preset): None}
        stems = [audio.read(path)[0] for path in facts["stems"].values()]
        assert facts["peak"] == pytest.approx(np.abs(stems).max(), abs=1e-5)
        skip = (song, "missing.wav", "-o", tmp_path, "-m", small_preset, "--two-stems", "drums")
        code, out, _ = run("separate", *skip, "--json", "--exist", "skip")
        skipped, failed = map(json.loads, out.splitlines())
        assert (code, skipped) == (1, {"song": str(song), "skipped": True, "stems": facts["stems"]})
        assert "no such audio file" in failed["error"]
        np.testing.assert_allclose(sum(stems), audio.read(song)[0], atol=1e-6)

    def test_existing_stems_are_skipped_or_replaced(self, run, song, tmp_path, small_preset):
        batch = ("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert run(*batch)[0] == 0
        code, _, err = run(*batch)
        assert code == 2
        assert "exists already" in message(err)
        vocals = tmp_path / "out" / "song" / "vocals.wav"
        before = vocals.stat().st_mtime_ns
        code, out, _ = run(*batch, "--exist", "skip")
        assert code == 0
        assert "Songs: 1 skipped." in out
        assert vocals.stat().st_mtime_ns == before
        vocals.unlink()  # as after a kill: the song is not done
        assert run(*batch, "--exist", "skip")[0] == 0
        assert vocals.is_file()
        assert run(*batch, "--exist", "overwrite")[0] == 0

    def test_skipping_makes_what_is_missing_and_removes_nothing(self, run, song, tmp_path, small_preset):
        batch = ("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--exist", "skip")
        folder = tmp_path / "out" / "song"
        assert run(*batch, "--stems", "drums")[0] == 0
        assert run(*batch, "--stems", "vocals", "--stems", "drums,")[0] == 0
        assert {path.name for path in folder.iterdir()} == {"drums.wav", "vocals.wav"}
        code, _, err = run(*batch, "--format", "flac")
        assert code == 2
        assert "exists already" in message(err)
        assert {path.name for path in folder.iterdir()} == {"drums.wav", "vocals.wav"}
        assert run(*batch, "--two-stems", "drums")[0] == 0
        assert {path.stem for path in folder.iterdir()} == {"accompaniment", "drums", "vocals"}

    def test_stems_of_another_model_are_not_taken_for_done(self, run, song, tmp_path, small_preset):
        other = tmp_path / "other"
        shutil.copytree(small_preset, other)
        batch = ("separate", song, "-o", tmp_path / "out", "-m")
        assert run(*batch, other)[0] == 0
        (tmp_path / "out" / "song" / "drums.wav").unlink()
        code, _, err = run(*batch, small_preset, "--exist", "skip")
        assert code == 2
        assert "vocals.wav: was made by other, not by small; --overwrite replaces it." in message(err)
        assert run(*batch, small_preset, "--exist", "overwrite", "--stems", "drums")[0] == 0
        assert [path.name for path in (tmp_path / "out" / "song").iterdir()] == ["drums.wav"]

    @pytest.mark.parametrize(
        ("options", "maker"),
        [
            (["--duration", 0.5], "duration=0.5"),
            (["--subtype", "pcm_16"], "PCM_16"),
            (["--start", 0.25], "start=0.25"),
            (["--shifts", 2], "shifts=2"),
            (["--tta", "--overlap", 0.5], "overlap=0.5, tta=1"),
            (["--stems", "vocals", "--group", "vocals2=vocals+drums"], None),
            (["--batch-size", 1], None),
        ],
    )
    def test_only_stems_of_the_same_options_are_taken_for_done(self, run, song, tmp_path, small_preset, options, maker):
        batch = ("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--exist", "skip")
        assert run(*batch)[0] == 0
        vocals = tmp_path / "out" / "song" / "vocals.wav"
        before = vocals.read_bytes()
        code, out, err = run(*batch, *options)
        assert vocals.read_bytes() == before
        if maker is None:
            assert (code, "1 skipped" in out) == (0, True)
            return
        assert code == 2
        assert f"was made by small, not by small ({maker}); --overwrite replaces it." in message(err)
        assert run(*batch[:-2], *options, "--overwrite")[0] == 0
        assert "1 skipped" in run(*batch, *options)[1]

    @pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3", "m4a", "stem.m4a"])
    def test_empty_stems_are_made_again(self, run, song, tmp_path, small_preset, format):
        batch = ("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--format", format, "--exist", "skip")
        assert run(*batch)[0] == 0
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        files[-1].write_bytes(b"")
        code, out, err = run(*batch)
        assert (code, "skipped" in out) == (0, False), err
        assert audio.info(files[-1]).samples == pytest.approx(RATE, abs=10)
        assert "1 skipped" in run(*batch)[1]

    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            (lambda stem: stem.write_bytes(b"a voice that nobody can read" * 100), "is damaged, or was not written"),
            (lambda stem: audio.write(stem, np.zeros(RATE), RATE, overwrite=True), "is damaged, or was not written"),
            (lambda stem: stem.with_name("drums.flac").rename(stem), "is damaged, or was not written"),
            (lambda stem: shutil.copy(stem.parents[1] / "other" / "vocals.flac", stem), "is of another song of"),
            (cut, "has 0.50 s, not 1.00 s"),
        ],
        ids=["garbled", "one's own", "another stem", "another song", "cut"],
    )
    def test_skipping_replaces_nothing_else(self, run, song, tmp_path, small_preset, damage, words):
        audio.write(tmp_path / "other.wav", np.random.default_rng(0).normal(0, 0.1, (RATE, 2)), RATE)
        batch = ("-o", tmp_path / "out", "-m", small_preset, "--format", "flac")
        assert run("separate", song, tmp_path / "other.wav", *batch)[0] == 0
        stem = tmp_path / "out" / "song" / "vocals.flac"
        damage(stem)
        before = stem.read_bytes()
        for missing in ("drums.flac", "nothing"):
            code, _, err = run("separate", song, *batch, "--exist", "skip")
            assert (code, words in message(err)) == (2, True), err
            assert "; --overwrite replaces it." in message(err)
            assert stem.read_bytes() == before
            stem.with_name(missing).unlink(missing_ok=True)
        assert run("separate", song, *batch, "--overwrite")[0] == 0

    @pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a", ".opus"])
    def test_songs_are_known_by_their_sound_not_their_tags(self, run, tmp_path, small_preset, suffix):
        song = tmp_path / f"song{suffix}"
        takes = np.random.default_rng(0).normal(0, 0.1, (2, 48000, 2)).astype(np.float32)
        batch = ("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--exist", "skip")
        audio.write(song, takes[0], 48000)
        assert run(*batch)[0] == 0
        audio.write(song, takes[0], 48000, tags=audio.Tags(title="Song" * 100), overwrite=True)
        assert "1 skipped" in run(*batch)[1]
        audio.write(song, takes[1], 48000, overwrite=True)
        code, _, err = run(*batch)
        assert (code, "is of another song of this name, or of this one before it changed" in err) == (2, True), err

    def test_stems_of_earlier_versions_tell_no_song_and_are_skipped(self, run, song, tmp_path, small_preset):
        batch = ("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--exist", "skip")
        assert run(*batch)[0] == 0
        for stem in (tmp_path / "out" / "song").iterdir():
            tags = audio.read_tags(stem)
            comment = re.sub(" from song [0-9a-f]{8}", "", tags.comment)
            assert comment != tags.comment
            audio.write(stem, *audio.read(stem), tags=dataclasses.replace(tags, comment=comment), overwrite=True)
        assert "1 skipped" in run(*batch)[1]

    def test_surround_sound_and_other_segments(self, run, tmp_path, small_preset):
        sound = np.random.default_rng(0).normal(0, 0.1, (RATE, 6)).astype(np.float32)
        audio.write(tmp_path / "film.flac", sound, RATE)
        options = (
            "-o",
            tmp_path / "out",
            "-m",
            small_preset,
            "--downmix",
            "--extend-band",
            "--segment",
            0.2,
            "--residual",
            "rest",
        )
        assert run("separate", tmp_path / "film.flac", *options)[0] == 0
        stems = [audio.read(path)[0] for path in (tmp_path / "out" / "film").iterdir()]
        left = sound[:, 0] + 0.5**0.5 * (sound[:, 2] + sound[:, 4])
        np.testing.assert_allclose(sum(stems)[:, 0], left, atol=1e-5)

    def test_a_page_of_stems_that_exist(self, run, song, tmp_path, small_preset):
        shutil.copy(song, tmp_path / "second.wav")
        options = ("-o", tmp_path / "out", "-m", small_preset, "--report")
        assert run("separate", song, *options, "--start", 0.5)[0] == 0
        assert run("separate", song, *options, "--exist", "overwrite")[0] == 0
        assert run("separate", song, tmp_path / "second.wav", *options, "--exist", "skip")[0] == 0
        page = (tmp_path / "out" / "index.html").read_text()
        assert "Stems of 2 songs" in page

    @pytest.mark.parametrize("format", ["wav", "mp3", "stem.mp4"])
    def test_stems_beside_their_songs_are_not_separated_again(self, run, song, tmp_path, small_preset, format):
        (tmp_path / "album").mkdir()
        shutil.move(song, tmp_path / "album" / "song.wav")
        batch = ("separate", tmp_path / "album", "-m", small_preset, "--format", format, "--stems", "vocals, drums")
        assert run(*batch)[0] == 0
        code, out, _ = run(*batch, "--exist", "skip")
        assert (code, "Songs: 1 skipped." in out) == (0, True)

    def test_one_stem_file_of_a_song(self, run, song, tmp_path, small_preset):
        code, _, _ = run("separate", song, "-o", tmp_path, "-m", small_preset, "--format", "stem.mp4", "--bitrate", 128)
        assert code == 0
        assert audio.info(tmp_path / "song.stem.mp4").streams == 5

    def test_several_models_are_averaged(self, run, song, tmp_path, small_preset):
        models = ("-m", small_preset, "-m", small_preset)
        assert run("separate", song, "-o", tmp_path / "two", *models)[0] == 0
        assert run("separate", song, "-o", tmp_path / "one", *models[:2])[0] == 0
        stems = [audio.read(tmp_path / count / "song" / "vocals.wav")[0] for count in ("one", "two")]
        np.testing.assert_allclose(*stems, atol=1e-6)

    @pytest.mark.parametrize(("stdin", "word"), [("", "empty"), (None, "closed")])
    def test_no_standard_input(self, run, tmp_path, small_preset, monkeypatch, stdin, word):
        monkeypatch.setattr(sys, "stdin", stdin if stdin is None else io.TextIOWrapper(io.BytesIO()))
        code, _, err = run("separate", "-", "-o", tmp_path / "out", "-m", small_preset)
        assert (code, message(err)) == (2, f"tfsep: Standard input is {word}.")

    def test_standard_input_to_standard_output(self, song, tmp_path, small_preset):
        command = [sys.executable, "-m", "tfsep", "separate", "-", "-m", small_preset, "--stdout", "vocals"]
        result = subprocess.run(command, input=song.read_bytes(), capture_output=True)
        assert result.returncode == 0, result.stderr
        (tmp_path / "vocals.wav").write_bytes(result.stdout)
        expected = tfsep.separate(song, small_preset)["vocals"]
        np.testing.assert_allclose(audio.read(tmp_path / "vocals.wav")[0], expected, atol=1e-6)

    def test_errors_of_standard_input_name_it(self, run, tmp_path, small_preset, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no audio" * 100)))
        code, out, err = run("separate", "-", "-o", tmp_path / "out", "-m", small_preset, "--json")
        assert (code, json.loads(out)["song"]) == (1, "standard input")
        assert message(err).startswith("tfsep: standard input: cannot be read as audio")

    @pytest.mark.skipif(os.name != "posix", reason="pipes of posix")
    def test_standard_output_that_is_closed_early(self, tmp_path):
        song = tmp_path / "song.wav"
        audio.write(song, np.random.default_rng(0).normal(0, 0.1, (20 * RATE, 1)).astype(np.float32), RATE)
        command = [sys.executable, "-m", "tfsep", "separate", str(song), "-m", "hpss", "--stdout", "drums"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.close()
        err = process.stderr.read()
        assert (process.wait(), err) == (1, "tfsep: Standard output was closed before the end of the stem.\n")

    def test_one_bad_file_among_many(self, run, song, tmp_path, small_preset):
        bad = tmp_path / "bad.wav"
        bad.write_bytes(b"this is no audio at all" * 100)
        code, _, err = run("separate", bad, song, "-o", tmp_path / "out", "-m", small_preset)
        assert code == 1
        assert "bad.wav" in message(err)
        assert sorted(path.name for path in (tmp_path / "out").rglob("*.wav")) == ["drums.wav", "vocals.wav"]
        assert not (tmp_path / "out" / "bad").exists()

    @pytest.mark.parametrize(
        ("content", "code", "word"),
        [
            (None, 2, "missing.wav"),
            (b"", 1, "empty"),
            (b"noise " * 1000, 1, "missing.wav"),
        ],
        ids=["missing", "empty", "no audio"],
    )
    def test_unreadable(self, run, tmp_path, small_preset, content, code, word):
        path = tmp_path / "missing.wav"
        if content is not None:
            path.write_bytes(content)
        found, _, err = run("separate", path, "-o", tmp_path / "out", "-m", small_preset)
        assert found == code
        assert word in message(err)
        assert not list(tmp_path.glob("out/*"))

    def test_truncated(self, run, song, tmp_path, small_preset):
        song.write_bytes(song.read_bytes()[:5000])
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert code == 1
        assert "song.wav" in message(err)

    def test_what_is_left_of_a_truncated_song(self, run, song, tmp_path, small_preset):
        song.write_bytes(song.read_bytes()[:-80000])
        arguments = ("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--report")
        code, _, err = run(*arguments)
        assert (code, "--tolerant" in message(err)) == (1, True)
        code, out, err = run(*arguments, "--tolerant")
        assert code == 0, err
        assert err.count("The decodable part is used") == 1
        assert "page: " in out
        assert len(audio.read(tmp_path / "out" / "song" / "vocals.wav")[0]) == RATE - 10000

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, run, tmp_path, small_preset, value):
        import soundfile

        samples = np.zeros((5000, 1), np.float32)
        samples[1234] = value
        soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
        code, _, err = run("separate", tmp_path / "nan.wav", "-o", tmp_path / "out", "-m", small_preset)
        assert code == 1
        assert "nan.wav" in message(err)
        assert not list(tmp_path.glob("out/*"))

    def test_one_sample(self, run, tmp_path, small_preset):
        audio.write(tmp_path / "one.wav", np.full((1, 1), 0.5, np.float32), RATE)
        code, _, _ = run("separate", tmp_path / "one.wav", "-o", tmp_path / "out", "-m", small_preset)
        assert code == 0
        assert audio.read(tmp_path / "out" / "one" / "vocals.wav")[0].shape == (1, 1)

    def test_existing_output(self, run, song, tmp_path, small_preset):
        arguments = ("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert run(*arguments)[0] == 0
        before = (tmp_path / "out" / "song" / "drums.wav").read_bytes()
        code, _, err = run(*arguments)
        assert code == 2
        assert "vocals.wav" in message(err)
        assert (tmp_path / "out" / "song" / "drums.wav").read_bytes() == before
        assert run(*arguments, "--overwrite")[0] == 0

    def test_unwritable_folder(self, run, song, tmp_path, small_preset):
        (tmp_path / "file").write_text("in the way")
        code, _, err = run("separate", song, "-o", tmp_path / "file" / "out", "-m", small_preset)
        assert code in (1, 2)
        assert "file" in message(err)

    def test_full_disk(self, run, song, tmp_path, small_preset, monkeypatch):
        def full(self, block):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(audio.Writer, "write", full)
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert code == 1
        assert "No space left" in message(err)
        assert not list(tmp_path.glob("out/*"))

    def test_advice_is_given_once(self):
        plain = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/vocals.wav")
        assert console.one_line(plain) == "out/vocals.wav: No space left on device. Free some, or choose another place."
        worded = OSError(errno.ENOSPC, "decoded audio could not be written; free space", "cache/a.npy")
        assert console.one_line(worded) == "cache/a.npy: decoded audio could not be written; free space."

    def test_interrupt_leaves_nothing(self, run, song, tmp_path, small_preset, monkeypatch):
        def interrupted(self, block):
            raise KeyboardInterrupt

        monkeypatch.setattr(audio.Writer, "write", interrupted)
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert code == 1
        assert "Interrupted" in message(err)
        assert not list(tmp_path.glob("out/*"))

    def test_unknown_model_lists_presets(self, run, song, tmp_path):
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", "nonsense")
        assert code == 2
        assert "'nonsense'" in message(err)

    def test_two_songs_of_one_name(self, run, song, tmp_path, small_preset):
        code, _, err = run("separate", song, song.with_suffix(".flac"), "-o", tmp_path / "out", "-m", small_preset)
        assert code == 2
        assert str(song) in message(err)
        assert "song.flac would both write to" in message(err)
        assert 'tell them apart by --name "{track} {suffix}/{stem}{ext}"' in message(err)
        other = song.parent / "other" / song.name
        other.parent.mkdir()
        shutil.copy(song, other)
        code, _, err = run("separate", song, other, "-o", tmp_path / "out", "-m", small_preset)
        assert (code, "or the folder that contains both" in message(err)) == (2, True)
        assert run("separate", song.parent, "-o", tmp_path / "out", "-m", small_preset)[0] == 0
        shutil.rmtree(tmp_path / "out")
        distinct = ("--name", "{track} {suffix}/{stem}{ext}")
        both = (song, song.with_suffix(".flac"))
        shutil.copy(*both)
        assert run("separate", *both, "-o", tmp_path / "out", "-m", small_preset, *distinct)[0] == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["song flac", "song wav"]

    @pytest.mark.parametrize("residual", ["../evil", "a/b", ".."])
    def test_residual_that_is_no_file_name_writes_nothing(self, run, song, tmp_path, small_preset, residual):
        out = tmp_path / "out"
        code, _, err = run("separate", song, "-o", out, "-m", small_preset, "--residual", residual)
        assert code == 2
        assert "needs a name that a file can have" in message(err)
        assert list(tmp_path.iterdir()) == [song]

    @pytest.mark.parametrize(("options", "word"), [(["--format", "aac"], "'aac'"), (["--subtype", "FOO"], "'FOO'")])
    def test_unknown_format_is_said_once_before_anything(self, run, song, tmp_path, options, word):
        # The model does not exist either, which nobody finds out.
        code, out, err = run("separate", song, tmp_path / "other.wav", "-o", tmp_path / "out", "-m", "none", *options)
        assert (code, out) == (2, "")
        assert word in message(err)

    def test_nothing_done_prints_no_speed(self, run, tmp_path, small_preset):
        _, out, _ = run("separate", tmp_path / "none.wav", "-o", tmp_path / "out", "-m", small_preset)
        assert out == ""

    def test_an_error_that_names_no_file_gets_its_name(self, run, song, tmp_path, small_preset, monkeypatch):
        def refuse(*_, **__):
            raise ValueError("Mix it down to mono.")

        monkeypatch.setattr("tfsep.Separation.file", refuse)
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert code == 2
        assert f"{song}: Mix it down to mono." in message(err)

    @pytest.mark.parametrize("terminal", [True, pytest.param(False, marks=pytest.mark.slow)])
    def test_a_better_model_is_named_once_where_a_terminal_watches(self, run, song, tmp_path, monkeypatch, terminal):
        monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
        monkeypatch.setenv("TFSEP_CACHE", str(tmp_path / "cache"))
        for arguments in ([], ["--quiet"], ["--model", "unet-vocals-drums"]):
            code, out, _ = run("separate", song, "-o", tmp_path / "out", *arguments, "--overwrite")
            named = "Better stems: --model htdemucs_ft, downloaded once (337 MB; its weights: research only)."
            assert (code, out.count(named)) == (0, int(terminal and not arguments))
        (tmp_path / "cache" / "models" / "htdemucs_ft").mkdir(parents=True)
        (tmp_path / "cache" / "models" / "htdemucs_ft" / "bag.yaml").touch()
        assert "Better stems" not in run("separate", song, "-o", tmp_path / "out", "--overwrite")[1]

    def test_residual_with_the_name_of_a_source(self, run, song, tmp_path, small_preset):
        code, _, err = run("separate", song, "-o", tmp_path, "-m", small_preset, "--residual", "drums")
        assert code == 2
        assert "'drums'" in message(err)

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            (["--report"], "index.html exists"),
            (["--overlap", "1.5"], "overlap=1.5"),
            (["--batch-size", "0"], "batch_size=0"),
            (["--clip", "limit"], "clip='limit'"),
            (["--format", "flac"], "drums.wav: exists already, in another format; choose another folder"),
            (["--format", "mp3"], "drums.wav: exists already"),
            (["--model", "none"], "No model 'none'"),
        ],
    )
    def test_what_is_known_beforehand_is_said_before_the_model_is_loaded(
        self, run, song, tmp_path, small_preset, monkeypatch, options, word
    ):
        (tmp_path / "out" / "song").mkdir(parents=True)
        (tmp_path / "out" / "index.html").write_text("precious")
        (tmp_path / "out" / "song" / "drums.wav").write_text("precious")
        monkeypatch.setattr("tfsep.models.preset_files.load_preset", lambda *_: pytest.fail("the model was loaded"))
        code, out, err = run("separate", song, "-o", tmp_path / "out", "-m", small_preset, *options)
        assert (code, out) == (2, "")
        assert word in message(err)

    def test_a_song_that_would_be_where_the_page_goes(self, run, tmp_path, small_preset):
        for name in ("index.html.wav", "Index.HTML.flac"):
            code, _, err = run("separate", tmp_path / name, "-o", tmp_path / "out", "-m", small_preset, "--report")
            assert (code, "where the page goes. Rename it." in message(err)) == (2, True)

    def test_overwriting_with_another_model_leaves_its_stems_alone(self, run, song, tmp_path, small_preset):
        arguments = ("separate", song, "-o", tmp_path / "out", "--report")
        assert run(*arguments, "-m", small_preset)[0] == 0
        audio.write(tmp_path / "out" / "song" / "mine.wav", np.zeros(100, np.float32), 8000)
        (tmp_path / "out" / "other").mkdir()
        (tmp_path / "out" / "other" / "damaged.wav").write_text("no audio")
        code, _, err = run(*arguments, "-m", "hpss", "--overwrite", "--format", "flac")
        assert code == 0, err
        assert {path.name for path in (tmp_path / "out" / "song").iterdir()} == {
            *("drums.flac", "accompaniment.flac", "mine.wav")
        }
        page = (tmp_path / "out" / "index.html").read_text()
        assert "accompaniment" in page and "vocals" not in page.rpartition("song-data")[2]

    def test_stems_beyond_full_scale_in_16_bits(self, run, song, tmp_path, small_preset):
        loud = audio.read(song)[0]
        audio.write(tmp_path / "loud.wav", 40 * loud / np.abs(loud).max(), RATE)
        arguments = ("separate", tmp_path / "loud.wav", "-o", tmp_path / "out", "-m", "hpss", "--subtype", "PCM_16")
        code, _, err = run(*arguments)
        assert code == 0
        assert "all stems are scaled by" in err
        assert run(*arguments, "--overwrite", "--clip", "clamp")[0] == 0
        code, _, err = run(*arguments, "--overwrite", "--clip", "error")
        assert code == 2
        assert "PCM_16 would clip it" in message(err)

    @pytest.mark.parametrize("name", ["...wav", ". .wav", "..stem.mp4", "con.wav", "a?b.wav", "caf\udce9.wav"])
    def test_no_song_s_name_leads_out_of_the_folder(self, run, song, tmp_path, small_preset, name):
        (tmp_path / "in").mkdir()
        shutil.copy(song, tmp_path / "in" / name)
        code, out, err = run("separate", tmp_path / "in" / name, "-o", tmp_path / "out", "-m", small_preset, "--report")
        assert code == 0, err
        [folder] = {path for path in (tmp_path / "out").iterdir() if path.is_dir()} - {tmp_path / "out" / "index-sound"}
        assert {path.name for path in folder.iterdir()} == {"vocals.wav", "drums.wav"}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "song.wav"]
        assert str(folder) in out

    @pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
    def test_an_encoding_without_the_characters_of_a_name_ends_no_batch(
        self, run, song, tmp_path, small_preset, monkeypatch, encoding
    ):
        names = [tmp_path / "früh 日本.wav", tmp_path / os.fsdecode(b"caf\xe9.wav"), song]
        for name in names[:2]:
            shutil.copy(song, name)
        printed = io.BytesIO()
        for stream, file in (("stdout", printed), ("stderr", io.BytesIO())):
            monkeypatch.setattr(sys, stream, io.TextIOWrapper(file, encoding, write_through=True))
        assert run("separate", *names, "-o", tmp_path / "out", "-m", small_preset, "--report")[0] == 0
        assert len(list((tmp_path / "out").rglob("vocals.wav"))) == 3
        assert len(printed.getvalue().decode(encoding).splitlines()) == 6

    @pytest.mark.skipif(os.name != "posix", reason="signals of posix")
    @pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL])
    def test_termination_leaves_nothing_and_a_kill_only_until_the_next_run(self, run, tmp_path, small_preset, number):
        noise = np.random.default_rng(1).normal(0, 0.1, (300 * RATE, 2)).astype(np.float32)
        audio.write(tmp_path / "long.wav", noise, RATE)
        out = tmp_path / "out"
        # With much overlap it takes long, so that the signal comes before the end on a busy machine as well.
        command = ["separate", "long.wav", "-o", str(out), "-m", str(small_preset), "--overlap", "0.95"]
        script = "from tfsep.cli import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", script, *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        while not [path for path in out.rglob("vocals.wav") if path.stat().st_size] and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=200)
        if number == signal.SIGKILL:
            assert len(list(out.rglob("vocals.wav"))) == 1
            audio.write(tmp_path / "long.wav", noise[:RATE], RATE, overwrite=True)
            assert run("separate", tmp_path / "long.wav", *command[2:])[0] == 0
            assert sorted(path.name for path in (out / "long").iterdir()) == ["drums.wav", "vocals.wav"]
            return
        assert process.returncode == 128 + number, err
        assert message(err) == f"tfsep: Ended by {number.name}. Nothing half-written was left behind."
        assert not out.exists()

    @pytest.mark.parametrize(
        "error", [TypeError("'list' object has no attribute '_type_spec'"), RuntimeError("traced")]
    )
    def test_an_interrupt_that_tensorflow_turned_into_another_error(
        self, run, song, tmp_path, small_preset, monkeypatch, error
    ):
        def interrupted(*_):
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            raise error

        monkeypatch.setattr(audio.Writer, "write", interrupted)
        code, _, err = run("separate", song, song.with_name("other.wav"), "-o", tmp_path / "out", "-m", small_preset)
        assert code == 1
        assert "tfsep: Interrupted. Nothing half-written was left behind." in err
        assert not (tmp_path / "out").exists()

    @pytest.mark.skipif(os.name != "posix", reason="signals of posix")
    def test_a_terminal_that_closes_leaves_nothing(self, run, song, tmp_path, small_preset, monkeypatch):
        monkeypatch.setattr(audio.Writer, "write", lambda *_: signal.raise_signal(signal.SIGHUP))
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", small_preset)
        assert code == 128 + signal.SIGHUP
        assert message(err) == "tfsep: Ended by SIGHUP. Nothing half-written was left behind."
        assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("eagerly")
class TestTrain:
    @pytest.fixture
    def settings(self, songs, small_unet, tmp_path) -> list:
        return ["train", *small_unet, "--data", f"stems:{songs}", "--output", tmp_path / "run"]

    def test_trains_and_refuses_to_overwrite(self, run, settings, tmp_path):
        arguments = settings
        code, out, err = run(*arguments, "--epochs", 1)
        assert code == 0, err
        assert "best" in out
        assert {"best", "config.yaml", "versions.yaml", "state.json", "loss.png", "logs"} <= {
            path.name for path in (tmp_path / "run").iterdir()
        }
        code, _, err = run(*arguments, "--epochs", 1)
        assert code == 2
        assert "--resume" in message(err)
        assert run(*arguments, "--epochs", 2, "--resume")[0] == 0
        assert json.loads((tmp_path / "run" / "state.json").read_text())["epoch"] == 2

    def test_spaces_around_the_names_of_sources_are_ignored(self, monkeypatch, run, settings):
        configs = []
        monkeypatch.setattr("tfsep.training.train", lambda config, **_: configs.append(config))
        code, _, err = run(*settings, "--sources", "vocals, drums", "--augment", "remix, gain")
        assert code == 0, err
        assert configs[0].options["sources"] == ["vocals", "drums"]
        assert list(configs[0].augment) == ["remix", "gain"]

    def test_yaml(self, run, songs, tmp_path):
        config = tmp_path / "run.yaml"
        config.write_text(
            f"data: ['stems:{songs}']\noptions: {{sample_rate: 8000, segment: 512, filters: 2, depth: 2}}\n"
            "batch_size: 2\nsteps_per_epoch: 1\nepochs: 1\n"
        )
        code, _, err = run("train", "--config", config, "--output", tmp_path / "run")
        assert code == 0, err
        config.write_text("epochz: 1\n")
        code, _, err = run("train", "--config", config, "--output", tmp_path / "other")
        assert code == 2
        assert "epochz" in message(err)

    @pytest.mark.parametrize(
        ("extra", "word"),
        [
            (["--batch-size", 1000, "--steps-per-epoch", None], "batch"),
            (["--sources", "vocals,kazoo"], "kazoo"),
            (["--augment", "reverb"], "reverb"),
            (["--data", "stems:/nowhere/at/all"], "/nowhere/at/all"),
            (["--data", "zip:file"], "zip"),
            (["--from", "nonsense"], "nonsense"),
            (["--schedule", "zigzag"], "zigzag"),
        ],
        ids=["batch", "source", "augmentation", "no data", "kind of data", "start", "schedule"],
    )
    def test_wrong_use(self, run, settings, extra, word):
        arguments = settings
        for option, value in zip(extra[::2], extra[1::2], strict=True):
            if option in arguments:
                del arguments[arguments.index(option) : arguments.index(option) + 2]
            if value is not None:
                arguments += [option, value]
        code, _, err = run(*arguments, "--epochs", 1)
        assert code == 2, err
        assert word in message(err)

    def test_data_without_tracks(self, run, tmp_path):
        (tmp_path / "empty").mkdir()
        code, _, err = run("train", "--data", f"musdb18:{tmp_path / 'empty'}", "--output", tmp_path / "run")
        assert code == 2
        assert "No MUSDB18 track" in message(err)

    def test_interrupt_keeps_a_run_that_resumes(self, run, settings, tmp_path):
        command = [sys.executable, "-c", "from tfsep.cli import main; main()", *map(str, settings)]
        process = subprocess.Popen(
            [*command, "--epochs", "5000"], stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
        )
        state = tmp_path / "run" / "state.json"
        while not state.exists() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 1, err
        assert "--resume" in message(err)
        epoch = json.loads(state.read_text())["epoch"]
        code, _, err = run(*settings, "--epochs", epoch + 1, "--resume")
        assert code == 0, err
        assert json.loads(state.read_text())["epoch"] == epoch + 1

    def test_nothing_to_resume(self, run, tmp_path):
        code, _, err = run("train", "--output", tmp_path / "run", "--resume")
        assert (code, message(err)) == (2, f"tfsep: {tmp_path / 'run'} contains no run to resume.")

    def test_the_run_s_own_configuration_resumes_it(self, run, settings, tmp_path):
        assert run(*settings, "--epochs", 1)[0] == 0
        code, _, err = run("train", "--output", tmp_path / "run", "--epochs", 2, "--resume")
        assert code == 0, err
        assert json.loads((tmp_path / "run" / "state.json").read_text())["epoch"] == 2
        code, _, err = run("train", "--output", tmp_path / "run", "--batch-size", 7, "--resume")
        assert code == 2
        assert "other settings: batch_size=2. Resume it with those" in message(err)


class TestEvaluate:
    def estimates(self, songs, folder) -> tuple:
        """Estimates of the vocals of all songs, and the arguments that score them."""
        for song in songs.iterdir():
            stem, rate = audio.read(song / "vocals.wav")
            (folder / song.name).mkdir(parents=True)
            audio.write(folder / song.name / "vocals.wav", 0.9 * stem, rate)
        return ("evaluate", "--estimates", folder, "--data", f"stems:{songs}", "--split", "all")

    def test_estimates_beside_chosen_oracles_in_processes(self, run, songs, tmp_path):
        command = self.estimates(songs, tmp_path / "theirs")
        code, out, err = run(*command, "--oracle", "IBM1", "--oracle", "MWF", "--jobs", 2, "--protocol", "si_sdr")
        assert code == 0, err
        lines = out.splitlines()
        assert [line.split()[0] for line in lines[:5]] == ["SI-SDR", "theirs", "mixture", "IBM1", "MWF"]
        assert "si_sdr: whole tracks; median over tracks (here 4)" in out
        code, out, _ = run(*command, "--oracle", "none", "--model", "u-net", "--sdr-only")
        assert (code, [line.split()[0] for line in out.splitlines()[:3]]) == (0, ["vocals", "u-net", "mixture"])

    def test_mono_by_bsseval_v3(self, run, songs, tmp_path):
        command = self.estimates(songs, tmp_path / "theirs")
        code, out, err = run(*command, "--protocol", "bsseval_v3")
        assert code == 0, err
        assert all(measure in out for measure in ("GNSDR", "GSIR", "GSAR", "IRM1"))

    def test_tables_of_folders_refuse_to_mix_protocols(self, run, songs, tmp_path):
        command = self.estimates(songs, tmp_path / "theirs")
        for name, options in (("a", ["--sdr-only"]), ("b", ["--sdr-only"]), ("c", ["--protocol", "si_sdr"])):
            assert run(*command, *options, "-o", tmp_path / name)[0] == 0
        code, out, _ = run("table", tmp_path / "a", tmp_path / "b", "--markdown")
        assert code == 0
        assert [line.split("|")[1].strip() for line in out.splitlines()[2:4]] == ["theirs (a)", "theirs (b)"]
        code, _, err = run("table", tmp_path / "a", tmp_path / "c")
        assert code == 2
        assert "cannot mix protocols. Received: bsseval_v4 (1-s windows, hop 1 s), si_sdr (whole tracks)" in message(
            err
        )
        code, _, err = run("table", tmp_path)
        assert code == 2
        assert "summary.json is missing" in message(err)

    def test_files_of_a_separator_against_a_folder_of_references(self, run, songs, tmp_path):
        for song in songs.iterdir():
            stem, rate = audio.read(song / "vocals.wav")
            (tmp_path / "theirs").mkdir(exist_ok=True)
            audio.write(tmp_path / "theirs" / f"{song.name}_(Voice)_model.flac", 0.9 * stem, rate)
        command = ("evaluate", "--estimates", tmp_path / "theirs", "--data", songs, "--protocol", "mdx")
        code, out, err = run(*command, "--map", "vocals=Voice")
        assert code == 0, err
        assert "theirs " in out and "(here 4)" in out
        code, _, err = run(*command)
        assert code == 2
        assert "no estimate of a source of the data. Received: " in message(err)
        code, _, err = run(*command, "--map", "Voice")
        assert code == 2
        assert "--map takes SOURCE=NAME" in message(err)

    def test_a_pair_of_files(self, run, songs, tmp_path):
        stem, rate = audio.read(next(songs.iterdir()) / "vocals.wav")
        for name, gain in (("one", 1.0), ("other", 0.9)):
            audio.write(tmp_path / f"{name}.wav", gain * stem, rate)
        code, out, err = run("score", tmp_path / "one.wav", tmp_path / "other.wav")
        assert code == 0, err
        found = {tuple(line.split()[:2]): line.split()[2] for line in out.splitlines()}
        assert found["bsseval_v4", "SDR"] == "20.000"
        assert found["si_sdr", "SDR"] == "20.000"
        code, out, _ = run("score", tmp_path / "one.wav", tmp_path / "other.wav", "--json")
        assert json.loads(out)["mdx"]["uSDR"] == pytest.approx(20, abs=0.01)
        code, out, err = run("score", tmp_path / "one.wav", tmp_path / "one.wav")
        assert (code, "No SDR, SI-SDR: " in err and "one.wav is perfect." in err) == (0, True)
        (tmp_path / "cut.wav").write_bytes((tmp_path / "one.wav").read_bytes()[:-9])
        code, _, err = run("score", tmp_path / "one.wav", tmp_path / "cut.wav")
        assert (code, "cut.wav: is truncated" in message(err)) == (1, True)
        assert "with tfsep separate --tolerant." in message(err)  # an option of that command alone

    def test_several_protocols_as_tables_differences_csv_and_json(self, run, songs, tmp_path):
        command = self.estimates(songs, tmp_path / "theirs")
        for name in "ab":
            code, out, err = run(
                *command, "--protocol", "mdx,si_sdr", "--oracle", "none", "-o", tmp_path / name, "--json"
            )
            assert code == 0, err
            assert [result["protocol"] for result in json.loads(out)] == ["mdx", "si_sdr"]
        assert {path.name for path in (tmp_path / "a").iterdir()} == {"mdx", "si_sdr"}
        code, out, _ = run("table", tmp_path / "a", tmp_path / "b")
        assert code == 0
        assert "theirs (a)" in out and "theirs (b)" in out
        assert out.index("uSDR in dB, mdx") > out.index("SDR in dB, si_sdr")
        code, out, _ = run("table", tmp_path / "a", tmp_path / "b", "--compare")
        assert code == 0
        assert "theirs (b) - theirs (a)" in out and "signed-rank test" in out
        code, _, err = run("table", tmp_path / "a", tmp_path / "b", "--compare", "--csv")
        assert (code, "Leave out --csv and --json" in message(err)) == (2, True)
        code, out, _ = run("table", tmp_path / "a" / "mdx", "--csv")
        lines = out.splitlines()
        assert (code, lines[0]) == (0, "model,protocol,row,track,target,measure,time,score")
        assert len(lines) == 1 + 2 * 4  # model and mixture on four songs
        code, _, err = run("table", tmp_path / "a", tmp_path / "b" / "mdx")
        assert code == 2
        assert "has other protocols" in message(err)
        code, _, err = run("report", tmp_path / "a", "-o", tmp_path / "page")
        assert code == 2
        assert "contains results of several protocols. Name one of:" in message(err)

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            (["--protocol", "v5"], "Unknown protocol 'v5'"),
            (["--oracle", "IRM"], "Unknown oracle 'IRM'"),
            (["--jobs", "0"], "jobs must be an integer of at least 1"),
            (["--overlap", "0.5"], "overlap=0.5 is for separation"),
            (["--resume"], "needs the output folder"),
            (["--estimates", "nowhere"], "nowhere"),
        ],
    )
    def test_wrong_options_are_one_line(self, run, songs, tmp_path, options, word):
        code, _, err = run(*self.estimates(songs, tmp_path / "theirs"), *options)
        assert code == 2
        assert word in message(err)

    @pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
    def test_interrupt_keeps_what_is_done_and_resumes(self, run, tmp_path, jobs):
        noise = np.random.default_rng(0).normal(0, 0.1, (2 * RATE, 2)).astype(np.float32)
        for song in range(8):
            for source in ("vocals", "drums"):
                path = tmp_path / "songs" / f"song{song:02}" / f"{source}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                audio.write(path, np.roll(noise, song + len(source)), RATE)
        output = tmp_path / "scores"
        arguments = [*self.estimates(tmp_path / "songs", tmp_path / "theirs"), "-o", output, "--jobs", jobs]
        command = [sys.executable, "-c", "from tfsep.cli import main; main()", *map(str, arguments)]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
        )
        while not list(output.glob("*.json")) and process.poll() is None:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes of the command
        _, err = process.communicate(timeout=200)
        assert process.returncode == 1, err
        assert f"The tracks that are done are in {output}: the same command with --resume goes on." in message(err)
        done = {path: path.stat().st_mtime_ns for path in output.iterdir()}
        assert 0 < len(done) < 8
        assert "summary.json" not in [path.name for path in done]
        code, out, err = run(*arguments, "--resume")
        assert code == 0, err
        assert "(here 8)" in out
        assert done == {path: path.stat().st_mtime_ns for path in done}


@pytest.mark.usefixtures("eagerly")
class TestPrepare:
    def test_a_store_trains_like_the_songs_themselves(self, run, songs, small_unet, tmp_path):
        store = tmp_path / "store"
        code, out, _ = run("prepare", f"stems:{songs}", "-o", store, "--sample-rate", 8000, "--shards", 2)
        assert code == 0
        assert "train  3 tracks" in out and "valid  1 tracks" in out
        assert f"{store}: vocals, drums, bass, other at 8000 Hz, 2 shards" in out
        losses = []
        for data in (f"stems:{songs}", f"store:{store}"):
            folder = tmp_path / data.split(":")[0]
            assert run("train", *small_unet, "--data", data, "--epochs", 1, "-o", folder)[0] == 0
            losses.append(json.loads((folder / "state.json").read_text())["history"])
        assert losses[0]["loss"] == pytest.approx(losses[1]["loss"])
        assert losses[0]["val_loss"] == pytest.approx(losses[1]["val_loss"])

    def test_the_same_again_is_done_and_other_settings_are_refused(self, run, songs, tmp_path):
        command = ("prepare", f"stems:{songs}", "-o", tmp_path / "store", "--format", "lmdb")
        assert run(*command)[0] == 0
        assert run(*command)[0] == 0
        code, _, err = run(*command, "--sample-rate", 4000)
        assert code == 2
        assert "sample_rate is 8000, not 4000" in message(err)

    def test_a_damaged_shard_is_refused_by_name(self, run, songs, small_unet, tmp_path):
        assert run("prepare", f"stems:{songs}", "-o", tmp_path / "store")[0] == 0
        (shard,) = (tmp_path / "store").glob("*.tfrecord")
        shard.write_bytes(shard.read_bytes()[:-1] + b"!")
        data = ("--data", f"store:{tmp_path / 'store'}", "--epochs", 1)
        code, _, err = run("train", *small_unet, *data, "-o", tmp_path / "run")
        assert code == 1
        assert shard.name in message(err) and "is damaged" in message(err)


@pytest.mark.usefixtures("eagerly")
class TestReport:
    def test_scores_as_a_page(self, run, tmp_path, small_preset):
        assert run("evaluate", "-m", small_preset, "--sdr-only", "-o", tmp_path / "scores")[0] == 0
        code, out, _ = run("report", tmp_path / "scores", "-o", tmp_path / "page", "--data", "embedded")
        assert code == 0
        assert "Falcon 69" in (tmp_path / "page" / "index.html").read_text()
        assert str(tmp_path / "page" / "index.html") in out
        code, _, err = run("report", tmp_path / "scores", "-o", tmp_path / "other", "--estimates", "nonsense")
        assert code == 2
        assert "NAME=FOLDER" in message(err)

    def test_separated_stems_as_a_page(self, run, song, tmp_path, small_preset):
        code, out, _ = run("separate", song, "-o", tmp_path / "out", "-m", small_preset, "--embed")
        assert code == 0
        assert "page: " in out
        assert not (tmp_path / "out" / "index-sound").exists()
        assert "vocals" in (tmp_path / "out" / "index.html").read_text()

    def test_stems_of_any_program_as_a_page(self, run, songs, tmp_path):
        code, out, _ = run("report", songs, "-o", tmp_path / "page")
        assert (code, out.strip()) == (0, f"page: {tmp_path / 'page' / 'index.html'}")
        page = (tmp_path / "page" / "index.html").read_text()
        assert "Stems of 4 songs" in page
        assert "song3" in page
        assert run("report", songs / "song0")[0] == 0
        code, _, err = run("report", songs / "song0")
        assert (code, "exists" in message(err)) == (2, True)
        assert run("report", songs / "song0", "--overwrite", "--seconds", 0.2)[0] == 0
        assert "Stems of song0" in (songs / "song0" / "index.html").read_text()
        assert run("report", songs / "song0", "-o", tmp_path / "one", "--embed")[0] == 0
        assert [path.name for path in (tmp_path / "one").iterdir()] == ["index.html"]
        (songs / "song0.info.json").write_text("{}")  # of a program that downloads
        code, _, err = run("report", songs, "--data", "embedded")
        assert (code, "do not apply to stems" in message(err)) == (2, True)
        code, _, err = run("report", tmp_path / "nowhere")
        assert (code, "nowhere is not a folder" in message(err)) == (2, True)
        (tmp_path / "empty").mkdir()
        code, _, err = run("report", tmp_path / "empty")
        assert (code, "contains no stems" in message(err)) == (2, True)


class TestOtherVerbs:
    def test_evaluate_embedded(self, run, tmp_path, small_preset):
        code, out, err = run("evaluate", "-m", small_preset, "--sdr-only", "-o", tmp_path / "scores")
        assert code == 0, err
        assert all(row in out for row in ("small", "mixture", "IRM1"))
        assert {path.name for path in (tmp_path / "scores").iterdir()} == {
            "summary.json",
            "The Easton Ellises - Falcon 69.json",
        }

    def test_export_separates_like_the_model(self, run, song, tmp_path, small_preset):
        assert run("export", small_preset, tmp_path / "saved")[0] == 0
        run("separate", song, "-o", tmp_path / "a", "-m", small_preset)
        run("separate", song, "-o", tmp_path / "b", "-m", tmp_path / "saved")
        theirs, ours = (audio.read(tmp_path / name / "song" / "vocals.wav")[0] for name in "ab")
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
        code, _, err = run("export", small_preset, tmp_path / "saved")
        assert code == 2
        assert "exists" in message(err)

    def test_export_as_another_format(self, run, song, tmp_path, small_preset):
        pytest.importorskip("ai_edge_litert")
        path = tmp_path / "small.tflite"
        code, out, err = run("export", small_preset, path, "--weights", "float16")
        assert (code, err) == (0, "")
        assert out == f"{path}: litert, [1, 4096, 1] at 8000 Hz -> vocals, drums\n"
        assert run("separate", song, "-o", tmp_path / "a", "-m", small_preset)[0] == 0
        code, _, err = run("separate", song, "-o", tmp_path / "b", "-m", path)
        assert (code, err) == (0, "")
        theirs, ours = (audio.read(tmp_path / name / "song" / "vocals.wav")[0] for name in "ab")
        np.testing.assert_allclose(theirs, ours, atol=1e-2)
        code, _, err = run("export", path, tmp_path / "again")
        assert (code, "has no layers to print or export" in message(err)) == (2, True)
        code, _, err = run("export", small_preset, tmp_path / "x.onnx", "--format", "litert")
        assert (code, "must end in .tflite" in message(err)) == (2, True)
        code, _, err = run("export", small_preset, tmp_path / "small.onx")
        assert (code, "ends neither in .onnx nor in .tflite" in message(err)) == (2, True)

    def test_models_without_layers_and_taken_folders_are_refused_before_a_model_is_loaded(
        self, run, tmp_path, small_preset, monkeypatch
    ):
        monkeypatch.setattr("tfsep.models.ExportedSeparator", lambda *_: pytest.fail("the model was loaded"))
        (tmp_path / "saved" / "assets.extra").mkdir(parents=True)
        (tmp_path / "saved" / "assets.extra" / "tfsep.json").write_text("{}")
        for model in (tmp_path / "saved", "hpss"):
            for command in (("export", model, tmp_path / "new"), ("inspect", "--model", model)):
                code, _, err = run(*command)
                assert (code, "has no layers to print or export" in message(err)) == (2, True)
        code, _, err = run("export", small_preset, tmp_path)
        assert (code, "exists. Remove it" in message(err)) == (2, True)

    @pytest.mark.parametrize("trust", [False, True])
    def test_evaluate_trusts_a_saved_model_on_demand(self, run, tmp_path, monkeypatch, trust):
        seen = []
        monkeypatch.setattr("tfsep.models.ExportedSeparator", lambda model, trust: seen.append(trust) or 1 / 0)
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / "assets.extra" / "tfsep.json").write_text("{}")
        assert run("evaluate", "-m", tmp_path, *["--trust"] * trust)[0] == 1
        assert seen == [trust]

    def test_presets(self, run):
        code, out, _ = run("presets")
        assert code == 0
        assert max(map(len, out.splitlines())) <= 120
        rows, notes = out.split("\n\n")
        lines = {line.split()[0]: line for line in rows.splitlines()}
        assert lines["unet-vocals-drums"].endswith("vocals 4.11, drums 4.26                           1")
        assert "  2  6  " in lines["unet-vocals-drums"]  # MB, and the band in kHz
        assert "CC BY-NC-SA 4.0" in lines["umxl"] and "not allowed" in lines["umxl"]
        assert notes.startswith("1: bsseval_v4 SDR, the 14 validation tracks")
        assert "default is crn-4stems" in notes and "hpss, repet-sim" in notes
        code, out, _ = run("presets", "--json")
        assert {row["name"] for row in json.loads(out)} == lines.keys() - {"NAME"}

    def test_convert(self, run, tmp_path):
        networks = Path(__file__).parent / "checkpoints" / "networks"
        files = [networks / f"{source}.pth" for source in ("vocals", "drums")]
        (tmp_path / "options.yaml").write_text("hop: 32\nsample_rate: 8000\n")
        code, out, _ = run("convert", *files, "-o", tmp_path / "umx", "--config", tmp_path / "options.yaml")
        assert (code, "OpenUnmix at 8000 Hz -> vocals, drums" in out) == (0, True)
        code, _, err = run("convert", *files, "-o", tmp_path / "other")
        assert (code, "Give sample_rate and hop" in message(err)) == (1, True)
        assert run("fetch", "nothing")[0] == 2

    def test_inspect(self, run, song, songs, tmp_path, small_preset):
        code, out, _ = run("inspect", song, "-o", tmp_path / "file.png")
        assert (code, f"{RATE} samples (1.00 s) at {RATE} Hz, 2 channels" in out) == (0, True)
        code, out, _ = run("inspect", f"stems:{songs}", "-o", tmp_path / "data.png")
        assert (code, "3 tracks" in out) == (0, True)
        assert all((tmp_path / name).stat().st_size > 1000 for name in ("file.png", "data.png"))
        code, out, _ = run("inspect", "--model", small_preset)
        assert (code, "head_vocals" in out) == (0, True)
        assert run("inspect")[0] == 2
        assert run("inspect", tmp_path / "nothing")[0] == 2

    def test_doctor(self, run):
        code, out, _ = run("doctor")
        assert code == 0
        assert all(word in out for word in ("tensorflow", "libsndfile", "ffprobe", "GFLOP/s"))

    def test_demo(self, run, tmp_path, small_preset):
        code, out, err = run("demo", "-m", small_preset, "-o", tmp_path / "demo")
        assert code == 0, err
        assert {path.name for path in (tmp_path / "demo").iterdir()} == {
            *("vocals.wav", "drums.wav", "waveforms.png", "spectrograms.png")
        }
        assert "IRM1" in out

    def test_version_and_bare_call(self, run):
        assert run("--version") == (0, f"{tfsep.__version__}\n", "")
        code, out, err = run()
        assert (code, err) == (0, "")
        assert "separate" in out

    def test_evaluate_all_of_a_folder_of_stems(self, run, songs, small_preset):
        code, out, _ = run("evaluate", "-m", small_preset, "--data", f"stems:{songs}", "--split", "all", "--sdr-only")
        assert code == 0
        assert "(here 4)" in out
        code, _, err = run("evaluate", "-m", small_preset, "--data", f"musdb18:{songs}", "--split", "all")
        assert code == 2
        assert "divided by its authors" in message(err)

    def test_damaged_models_are_failures(self, run, song, tmp_path, small_preset):
        copy = tmp_path / "copy"
        shutil.copytree(small_preset, copy)
        (copy / "model.weights.h5").write_bytes((copy / "model.weights.h5").read_bytes()[:5000])
        code, _, err = run("separate", song, "-o", tmp_path / "out", "-m", copy)
        assert code == 1
        assert "is damaged" in message(err)

    def test_notes_of_libraries_in_c_are_not_shown(self, tmp_path):
        (tmp_path / "song.mp3").write_bytes(b"no audio at all, " * 9000)
        command = [sys.executable, "-c", "from tfsep.cli import main; main()", "separate", "song.mp3", "-o", "out"]
        run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode == 1
        assert run.stderr.startswith("tfsep: song.mp3")
        assert len(run.stderr.splitlines()) == 1

    def test_usage_error(self, run):
        assert run("frobnicate")[0] == 2
        assert run("separate")[0] == 2


def test_names_cannot_break_lines_or_control_the_terminal():
    assert console.printable("a\n\x1b[31mb\udcff é 😀") == "a??[31mb? é 😀"
    assert console.one_line(OSError(errno.ENOENT, "missing", "a\nb")) == "a?b: missing."


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["tfsep", "--debug", "inspect", str(tmp_path / "nothing")])
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_an_interrupt_in_a_finaliser_is_not_lost():
    script = """
import signal, time
from tfsep import cli
class Finalised:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
def work(**options):
    Finalised()
    for _ in range(200):
        time.sleep(0.1)
    print("went on")
cli.app = work
cli.main()
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "tfsep: Interrupted. Nothing half-written was left behind.\n"


@pytest.mark.parametrize("code", ["import tfsep", "import tfsep.cli, tfsep.datasets, tfsep.audio, tfsep.plotting"])
def test_import_loads_no_tensorflow(code):
    check = f"import sys; {code}; assert not {{'tensorflow', 'keras', 'musdb', 'museval'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_help_is_quick_and_loads_no_tensorflow():
    command = [sys.executable, "-X", "importtime", "-c", "from tfsep.cli import main; main()", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "separate" in result.stdout
    assert "tensorflow" not in result.stderr
    assert "keras" not in result.stderr


def test_help_names_every_kind_of_data_and_every_augmentation(run):
    texts = {name: " ".join(run(name, "--help")[1].split()) for name in ("train", "prepare", "evaluate", "report")}
    assert all(tfsep.datasets.NOTATION in text for text in texts.values())
    assert f"Of {', '.join(tfsep.pipeline.AUGMENTATIONS)}, with commas" in texts["train"]
