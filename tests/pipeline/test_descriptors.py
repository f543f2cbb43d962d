"""Decoded tracks and shards of a store do not each keep a file descriptor."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

LIMIT, TRACKS = 128, 300

SCRIPT = """
import resource
import sys
from types import SimpleNamespace

import numpy as np

from tfsep.datasets import ArrayStem, Store, Track
from tfsep.pipeline import excerpts, prepare, windows

folder, limit, tracks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = SimpleNamespace(sources=("vocals",), sample_rate=8000, channels=1, segment=64, context=0)
songs = [
    Track(f"song{n}", {"vocals": ArrayStem(np.full((64, 1), (n + 1) / 512, np.float32), 8000)}) for n in range(tracks)
]
formats = sys.argv[4:]
stores = [prepare({"train": songs}, f"{folder}/{format}", format=format, shards=tracks) for format in formats]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
for corpus in (songs, *map(Store, stores)):
    for make in (windows, excerpts):
        mixtures = np.concatenate([mixture for mixture, _ in make(corpus, model, 10, cache=folder)])
        print(len(np.unique(mixtures[:, 0] if make is windows else abs(mixtures[:, 0]) > 0)), mixtures.shape[0])
"""


def test_many_tracks_are_read_under_a_low_limit_of_open_files(tmp_path):
    pytest.importorskip("resource", reason="limits of open files are those of Unix")
    formats = ["tfrecord", "lmdb"] if find_spec("lmdb") else ["tfrecord"]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(LIMIT), str(TRACKS), *formats]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(TRACKS), str(TRACKS), "1", str(TRACKS)] * (1 + len(formats))
