"""Decoded tracks and shards of a store do not each keep a file descriptor."""

import subprocess
import sys

import pytest

LIMIT, TRACKS = 128, 300

SCRIPT = """
import resource
import sys
from types import SimpleNamespace

import numpy as np

from tfsep.datasets import ArrayStem, Store, Track
from tfsep.pipeline import excerpts, prepare, windows

format, folder, limit, tracks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
model = SimpleNamespace(sources=("vocals",), sample_rate=8000, channels=1, segment=64, context=0)
songs = [
    Track(f"song{n}", {"vocals": ArrayStem(np.full((64, 1), (n + 1) / 512, np.float32), 8000)}) for n in range(tracks)
]
if format:
    prepare({"train": songs}, folder, format=format, shards=tracks)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
songs = Store(folder) if format else songs
for make in (windows, excerpts):
    mixtures = np.concatenate([mixture for mixture, _ in make(songs, model, 10, cache=folder)])
    print(len(np.unique(mixtures[:, 0] if make is windows else abs(mixtures[:, 0]) > 0)), mixtures.shape[0])
"""


@pytest.mark.parametrize("format", ["", "tfrecord", "lmdb"])
def test_many_tracks_are_read_under_a_low_limit_of_open_files(format, tmp_path):
    pytest.importorskip("resource", reason="limits of open files are those of Unix")
    if format == "lmdb":
        pytest.importorskip("lmdb", reason="stores of format lmdb need the lmdb package")
    command = [sys.executable, "-c", SCRIPT, format, str(tmp_path / "data"), str(LIMIT), str(TRACKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(TRACKS), str(TRACKS), "1", str(TRACKS)]
