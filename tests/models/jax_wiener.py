"""In a process of its own: a song that the Wiener filter refines under JAX. See test_jax.py."""

import sys
from pathlib import Path

import numpy as np

import tfsep


def run(folder: Path) -> None:
    model = tfsep.load_model(folder / "model.keras")
    song = np.load(folder / "song.npy")
    np.save(folder / "vocals.npy", tfsep.separate(song, model, model.sample_rate)["vocals"])


for line in sys.stdin:
    run(Path(line.rstrip("\n")))
    print("done", flush=True)
