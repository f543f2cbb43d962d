import sys

import pytest

from tfsep.doctor import report


def test_healthy_installation():
    findings = dict(report())
    assert {"python", "tfsep", "tensorflow", "FFmpeg libraries", "TensorFlow build", "ffmpeg"} <= findings.keys()
    assert findings["training"].endswith(", under TensorFlow")
    assert not [finding for finding in findings.values() if "cannot be used" in finding]


@pytest.mark.parametrize(
    ("module", "subject"), [("tensorflow", "TensorFlow"), ("soundfile", "libsndfile"), ("av", "FFmpeg libraries")]
)
@pytest.mark.parametrize(
    "error", [ImportError("No module named x\nmore"), OSError("libx.so.1: cannot open"), TypeError()]
)
def test_the_report_continues_after_a_broken_package(monkeypatch, tmp_path, module, subject, error):
    (tmp_path / f"{module}.py").write_text(f"raise {error!r}\n")
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    findings = dict(report())
    assert findings[subject] == f"cannot be used: {(str(error) or 'TypeError').splitlines()[0]}"
    assert {"python", "numpy", "ffmpeg", "ffprobe"} <= findings.keys()
    assert ("TensorFlow build" in findings) == (module != "tensorflow")
