"""The examples of the Wave-U-Net run unchanged on the embedded song."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORT = ["--segment", "12633", "--batch-size", "2"]


def run(script: str, *words) -> str:
    command = [sys.executable, EXAMPLES / script, *SHORT, *words]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_script(tmp_path):
    output = run("waveunet.py", "--output", tmp_path, "--epochs", 1, "--steps-per-epoch", 2)
    assert "IRM1" in output
    assert (tmp_path / "exported" / "saved_model.pb").exists()
    assert {path.stem for path in (tmp_path / "stems").glob("*.wav")} == {"vocals", "drums", "bass", "other"}
    assert (tmp_path / "scores" / "summary.json").exists()


@pytest.mark.slow
def test_comparison_of_bottlenecks_can_be_repeated(tmp_path):
    words = ["--output", tmp_path, "--steps", 2, "--epochs", 1, "--bottlenecks", "conv"]
    first = run("waveunet_bottlenecks.py", *words).splitlines()[-4:]
    assert [line.split()[0] for line in first] == ["bottleneck", "conv", "mixture", "IRM1"]
    assert run("waveunet_bottlenecks.py", *words).splitlines()[-4:] == first
