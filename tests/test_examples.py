"""The examples run as they stand, on the embedded song."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


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


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_notebook(path):
    """Runs without an error, and was committed with the outputs of a run."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
