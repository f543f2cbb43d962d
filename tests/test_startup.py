"""TensorFlow's first import: no notes on standard error, and in a command no packages that none needs."""

import os
import subprocess
import sys

import pytest

FIT = """
import sys
import tfsep
assert not {"tensorflow", "keras"} & set(sys.modules)
import numpy as np
from tfsep.datasets import ArrayStem, Track

noise = np.random.default_rng(0).normal(0, 0.1, (2, 4000)).astype("float32")
songs = [Track("song", {"vocals": ArrayStem(noise[0], 8000), "drums": ArrayStem(noise[1], 8000)})] * 2
model = tfsep.models.UNet(sources=("vocals", "drums"), sample_rate=8000, segment=512, filters=2, depth=1)
model.compile("adam")
data = tfsep.pipeline.excerpts(songs, model, 2, steps_per_epoch=1)
for _ in range(2):
    model.fit(data, validation_data=tfsep.pipeline.windows(songs, model, 2), verbose=0)
"""


def run(script, tmp_path, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"TFSEP_CACHE": str(tmp_path), **variables}
    command = [sys.executable, "-W", "always::UserWarning", "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_fit_is_quiet(tmp_path):
    done = run(FIT, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("level", "seen"), [(None, False), ("0", True)])
def test_notes_are_dropped_at_the_first_import_unless_a_level_is_set(tmp_path, level, seen):
    # A package instead of TensorFlow writes the same notes and an error.
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(
        "import os\nos.write(2, b'WARNING: All log messages before absl::InitializeLog() is called\\n')\n"
        "os.write(2, b'I0000 00:00:1 port.cc] oneDNN\\nE0000 00:00:1 broken\\n')\nloaded = True\n"
    )
    variables = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    variables |= {} if level is None else {"TF_CPP_MIN_LOG_LEVEL": level}
    done = run("import tfsep, tensorflow, sys\nassert tensorflow.loaded and tensorflow.__spec__", tmp_path, **variables)
    assert done.returncode == 0
    assert ("oneDNN" in done.stderr, "broken" in done.stderr) == (seen, True)


def test_a_command_imports_tensorflow_without_what_it_does_not_need(tmp_path):
    # Packages instead of TensorFlow and of two that it would import, one of them in another thread too.
    for name in ("pandas", "sklearn"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(
        "import threading\nfound = []\n"
        "def find(name):\n    try:\n        __import__(name)\n        found.append(name)\n"
        "    except ImportError:\n        pass\n"
        "find('pandas'), find('sklearn')\n"
        "other = threading.Thread(target=find, args=['sklearn'])\nother.start(), other.join()\n"
    )
    variables = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    use = "import tensorflow, pandas; print(tensorflow.found)"
    assert run(f"import tfsep; {use}", tmp_path, **variables).stdout == "['pandas', 'sklearn', 'sklearn']\n"
    command = f"from tfsep import console; console.run(lambda **_: exec('{use}'))"
    assert run(command, tmp_path, **variables).stdout == "['sklearn']\n"
