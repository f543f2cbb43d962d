"""`tfsep separate --runner`: the songs of a catalogue by Apache Beam, with the results of one process."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from tfsep import audio, cli
from tfsep.song_batch import SongBatch

THREADS = (
    "--runner",
    "DirectRunner",
    "--runner-options",
    "--direct_num_workers=2 --direct_running_mode=multi_threading",
)
PROCESSES = (*THREADS[:3], THREADS[3].replace("threading", "processing"))


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs `tfsep separate`; returns exit code, standard output and the program's own lines of standard error."""

    def run(*arguments) -> tuple[int, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["tfsep", "separate", *map(str, arguments)])
        monkeypatch.setattr("tfsep.user_modules.imported", [])  # of other tests, which workers would import too
        with pytest.raises(SystemExit) as stop:
            cli.main()
        output = capfd.readouterr()
        return stop.value.code or 0, output.out, [line for line in output.err.splitlines() if line[:6] == "tfsep:"]

    return run


@pytest.fixture
def catalogue(tmp_path, noise):
    """Path of a list of five songs, the second of which is broken and the fourth is missing."""
    (tmp_path / "songs").mkdir()
    for number in (0, 2, 4):
        audio.write(tmp_path / "songs" / f"song{number}.wav", noise(8000, 1, number), 8000)
    (tmp_path / "songs" / "song1.wav").write_bytes(b"no audio" * 100)
    path = tmp_path / "catalogue.txt"
    path.write_text("# five songs\n" + "".join(f"songs/song{number}.wav\n" for number in range(5)))
    return path


@pytest.fixture
def _beam():
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'tfsep[beam]'")


@pytest.mark.usefixtures("_beam")
def test_processes_write_what_one_writes_and_the_next_run_continues(run, catalogue, tmp_path):
    batch = ("--list", catalogue, "-m", "hpss", "-o")
    code, out, errors = run(*batch, tmp_path / "plain")
    assert (code, len(errors)) == (1, 2)
    found = run(*batch, tmp_path / "beam", *PROCESSES)
    assert (found[0], sorted(found[2])) == (code, sorted(errors))
    assert found[1].splitlines()[-1] == out.splitlines()[-1] == "Songs: 3 separated, 2 failed."
    files = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert len(files) == 6
    assert sorted(path.relative_to(tmp_path / "beam") for path in (tmp_path / "beam").rglob("*.*")) == sorted(files)
    for path in files:
        np.testing.assert_array_equal(*(audio.read(tmp_path / place / path)[0] for place in ("beam", "plain")))

    stem = tmp_path / "beam" / "song2" / "drums.wav"
    stem.unlink()  # as after a kill
    kept = (tmp_path / "beam" / "song0" / "drums.wav").stat().st_mtime_ns
    code, out, _ = run(*batch, tmp_path / "beam", *THREADS, "--json")
    facts = {line["song"][-9:]: line for line in map(json.loads, out.splitlines())}
    assert (code, len(facts), facts["song2.wav"]["seconds"]) == (1, 5, 1)
    assert facts["song0.wav"]["skipped"] and facts["song4.wav"]["skipped"]
    assert {facts["song1.wav"]["code"], facts["song3.wav"]["code"]} == {1, 2}
    assert stem.is_file()
    assert (tmp_path / "beam" / "song0" / "drums.wav").stat().st_mtime_ns == kept


@pytest.mark.usefixtures("_beam")
def test_a_process_loads_the_model_once_for_all_songs_and_threads(run, catalogue, tmp_path, monkeypatch):
    loads = []
    load = SongBatch.load
    monkeypatch.setattr(SongBatch, "load", lambda batch: (loads.append(batch), load(batch)))
    code, out, _ = run(tmp_path / "songs", "-o", tmp_path / "out", "-m", "hpss", *THREADS)
    # Once before, as a check.
    assert (code, out.splitlines()[-1], len(loads)) == (1, "Songs: 3 separated, 1 failed.", 2)


@pytest.mark.usefixtures("_beam")
def test_a_damaged_model_is_one_error(run, catalogue, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"damaged")
    code, out, errors = run("--list", catalogue, "-o", tmp_path / "out", "-m", tmp_path / "model.onnx", *THREADS)
    assert (code, out, len(errors)) == (2, "", 1)
    assert "model.onnx" in errors[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["song.wav"], "needs an --output"),
        (["song.wav", "-o", "out", "--exist", "error"], "needs --exist skip or overwrite"),
        (["-", "-o", "out"], "separates files to files"),
        (["song.wav", "--stdout", "drums"], "separates files to files"),
    ],
)
def test_options_that_do_not_fit(run, options, words):
    code, _, errors = run(*options, "-m", "hpss", "--runner", "DirectRunner")
    assert (code, words in errors[0]) == (2, True)


def test_options_without_a_runner(run):
    code, _, errors = run("song.wav", "-m", "hpss", "--runner-options", "--direct_num_workers=2")
    assert (code, "Give --runner as well" in errors[0]) == (2, True)


@pytest.mark.usefixtures("_beam")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--direct_num_workers=abc", "argument --direct_num_workers"),
        ("--direct_num_workers='2", "No closing quotation"),
    ],
)
def test_wrong_options_of_beam_are_one_line(run, catalogue, tmp_path, options, words):
    arguments = ("--runner", "DirectRunner", "--runner-options", options)
    code, _, errors = run("--list", catalogue, "-o", tmp_path / "out", "-m", "hpss", *arguments)
    assert (code, len(errors)) == (2, 1)
    assert words in errors[0]


def test_without_beam_the_error_says_how_to_install_it(run, catalogue, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    code, _, errors = run("--list", catalogue, "-o", tmp_path / "out", "-m", "hpss", *THREADS)
    assert code == 1
    assert "pip install 'tfsep[beam]'" in errors[0]
    assert not (tmp_path / "out").exists()
