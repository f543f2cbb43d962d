"""The examples run unchanged on small data."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from tfsep import Separation, audio, datasets, models

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_unet_script(tmp_path):
    command = [sys.executable, EXAMPLES / "unet.py", "--output", tmp_path / "run", "--segment", "4096"]
    command += ["--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "2"]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    assert "IRM1" in result.stdout
    run = tmp_path / "run"
    assert (run / "exported" / "saved_model.pb").exists()
    assert {path.stem for path in (run / "stems").glob("*.wav")} == {"vocals", "drums", "rest"}
    assert (run / "scores" / "summary.json").exists()


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("lbfgs", marks=pytest.mark.slow)])
def test_drnn_script(example, tmp_path, songs, optimizer):
    command = ["drnn.py", "--data", f"stems:{songs}", "--output", tmp_path / "run"]
    command += ["--optimizer", optimizer, "--epochs", "1", "--batch-size", "2"]
    printed = example(*command)
    assert all(word in printed for word in ("GNSDR", "GSIR", "GSAR", "IRM1"))
    stems = {path.stem: audio.read(path)[0] for path in (tmp_path / "run" / "stems").glob("*.wav")}
    assert set(stems) == {"vocals", "accompaniment"}
    # The input was a song, not one of its sources.
    mixture = audio.read(tmp_path / "run" / "mixture.wav")[0]
    sums = [sum(audio.read(stem)[0] for stem in song.iterdir()) for song in songs.iterdir()]
    assert any(np.allclose(mixture, song, atol=1e-6) for song in sums)
    # Resampling removes a part of white noise.
    assert np.std(stems["vocals"] + stems["accompaniment"] - mixture) < 0.3 * np.std(mixture)
    assert (tmp_path / "run" / "exported" / "saved_model.pb").exists()
    with pytest.raises(SystemExit, match="contains a run"):
        example(*command)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["test", "folds"])
def test_drnn_table_script(example, tmp_path, split):
    (tmp_path / "mir1k").mkdir()
    generator = np.random.default_rng(0)
    for name in ("abjones_1_01", "abjones_5_08", "amy_1_01", "amy_1_02", "amy_9_08", "Ani_1_01"):
        audio.write(tmp_path / "mir1k" / f"{name}.wav", generator.normal(0, 0.1, (16000, 2)).astype("float32"), 16000)
    command = ["drnn_table.py", "--data", f"mir1k:{tmp_path / 'mir1k'}", "--split", split]
    command += ["--forms", "DNN", "--epochs", "1", "--batch-size", "1", "--output", tmp_path / "runs"]
    first, again = (example(*command) for _ in range(2))
    table = first.splitlines()[-3:]
    assert table == again.splitlines()[-3:]  # and nothing is trained twice
    assert "/step" in first and "/step" not in again
    columns = {"test": ["test, 1 clips"], "folds": ["without abjones, 1 clips", "without amy, 2 clips"]}[split]
    assert [column for column in columns if column in table[0]] == columns
    assert [line[:26].strip() for line in table[1:]] == ["DNN", "DNN + discrimination"]


def test_quality_options_script():
    script = runpy.run_path(str(EXAMPLES / "quality_options.py"))
    model = models.UNet(("vocals", "other"), sample_rate=8000, segment=4096, filters=2, depth=2)
    separations = [Separation(model, **options) for options in script["OPTIONS"].values()]
    scores, seconds = script["score"](separations[0], datasets.embedded())
    assert scores.targets == ("vocals", "other")
    assert seconds > 0


def test_free_material_script(tmp_path):
    script = runpy.run_path(str(EXAMPLES / "free_material.py"))
    song = script["compose"](np.random.default_rng(0), 30)
    assert song.keys() == {"drums", "bass", "other"}
    for events in song.values():
        assert all(30 <= at < 60 for at, _ in events)
        notes = [message for _, message in events if message[0] & 0xF0 in (0x80, 0x90)]
        assert len(notes) > 10 and sorted(n[0] >> 4 for n in notes) == sorted([8, 9] * (len(notes) // 2))
    script["write_midi"](tmp_path / "a.mid", [(1.0, b"\x90\x24\x40"), (0.5, b"\xc0\x21")])
    track = b"\x83\x60\xc0\x21" + b"\x83\x60\x90\x24\x40" + b"\0\xff\x2f\0"
    assert (tmp_path / "a.mid").read_bytes().endswith(b"MTrk\0\0\0" + bytes([len(track)]) + track)
    noise = np.random.default_rng(1).normal(0, 0.01, (90000, 2)).astype("float32")
    excerpt = script["excerpt"](noise, np.random.default_rng(2), seconds=3)
    coloured = script["coloured"](excerpt, "vocals", np.random.default_rng(3))
    assert excerpt.shape == coloured.shape == (3 * 44100, 2)
    assert 0.06 < script["level"](coloured) < 0.16


@pytest.mark.slow
def test_cyclegan_script(example, tmp_path):
    command = ["cyclegan.py", "--output", tmp_path / "run", "--segment", "1024"]
    command += ["--filters", "2", "--epochs", "1", "--steps-per-epoch", "1", "--batch-size", "2"]
    assert "mixture" in example(*command)
    assert {path.stem for path in (tmp_path / "run" / "stems").glob("*.wav")} == {"vocals", "accompaniment"}
    assert (tmp_path / "run" / "exported" / "saved_model.pb").exists()
    printed = example("cyclegan_recipe.py", "--model", tmp_path / "run" / "best")
    # The scores of the mixture, as mir_eval computes them.
    assert printed.splitlines()[-1].split()[:3] == ["mixture", "0.37", "0.37"]


@pytest.mark.slow
def test_cyclegan_ablation_script(tmp_path):
    # In processes of its own: it has one for each run.
    command = [sys.executable, EXAMPLES / "cyclegan_ablation.py", "--data", "embedded", "--output", tmp_path / "runs"]
    command += ["--segment", "1024", "--filters", "2", "--steps", "2", "--points", "2", "--batch-size", "2"]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr
    rows = ["mixture", "l1", "paired-ralsgan", "cycle-ralsgan"]
    table = result.stdout[result.stdout.index("median SDR in dB") :].splitlines()
    assert [line[:26].strip() for line in table[1:]] == [
        "mixture",
        *(name for row in rows[1:] for name in (row, f"best of {row}")),
    ]
    results = json.loads((tmp_path / "runs" / "results.json").read_text())
    assert list(results) == rows[1:]
    assert {len(result["history"]["val_loss"]) for result in results.values()} == {2}
    assert (tmp_path / "runs" / "curves.png").stat().st_size > 5000


@pytest.mark.slow
def test_convsep_script(example, tmp_path):
    command = ["convsep.py", "--output", tmp_path / "run", "--optimizer", "adadelta"]
    command += ["--learning-rate", "1", "--epochs", "1", "--steps-per-epoch", "1", "--batch-size", "1"]
    assert "IRM1" in example(*command)
    stems = {path.name for path in (tmp_path / "run" / "stems").iterdir()}
    assert {"vocals.wav", "drums.wav", "bass.wav", "other.wav", "waveforms.png", "spectrograms.png"} == stems
    assert (tmp_path / "run" / "exported" / "saved_model.pb").exists()


@pytest.mark.slow
def test_convsep_ablation_script(tmp_path):
    command = [sys.executable, EXAMPLES / "convsep_ablation.py", "--output", tmp_path / "runs", "--steps", "1"]
    command += ["--validations", "1", "--batch-size", "1"]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr
    rows = ["none", "remix", "muting", "both"]
    table = result.stdout[result.stdout.rindex("vocals  ") :].splitlines()
    assert [line.split()[0] for line in table[1:7]] == [*rows, "mixture", "IRM1"]
    assert all((tmp_path / "runs" / row / "scores" / "summary.json").exists() for row in rows)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.name, marks=() if path.name == "drnn.ipynb" else pytest.mark.slow)
        for path in sorted(EXAMPLES.glob("*.ipynb"))
    ],
)
def test_notebook(path):
    """It runs without an error for a step of training, and was committed with the small outputs of a whole run."""
    assert path.stat().st_size < 300_000
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    for cell in code:
        cell.source = re.sub(r"\b(epochs|steps_per_epoch)=\d+", r"\1=1", cell.source)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
