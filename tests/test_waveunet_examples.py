"""The examples of the Wave-U-Net run unchanged on the embedded song."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

SHORT = ["--segment", "12633", "--batch-size", "2"]


def test_script(example, tmp_path):
    output = example("waveunet.py", *SHORT, "--output", tmp_path, "--epochs", 1, "--steps-per-epoch", 2)
    assert "IRM1" in output
    assert (tmp_path / "exported" / "saved_model.pb").exists()
    assert {path.stem for path in (tmp_path / "stems").glob("*.wav")} == {"vocals", "drums", "bass", "other"}
    assert (tmp_path / "scores" / "summary.json").exists()


def test_comparison_of_bottlenecks_can_be_repeated(example, tmp_path):
    words = [*SHORT, "--output", tmp_path, "--steps", 2, "--epochs", 1, "--bottlenecks", "conv"]
    first = example("waveunet_bottlenecks.py", *words).splitlines()[-4:]
    assert [line.split()[0] for line in first] == ["bottleneck", "conv", "mixture", "IRM1"]
    assert example("waveunet_bottlenecks.py", *words).splitlines()[-4:] == first
