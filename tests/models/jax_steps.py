"""In a process of its own: two training steps under JAX. See test_wave_unet.py."""

import sys
from pathlib import Path

import keras
import numpy as np

import tfsep.models  # noqa: F401  registers the classes

if keras.backend.backend() != "jax":
    raise SystemExit("The backend is not JAX.")
folder = Path(sys.argv[1])
batch = dict(np.load(folder / "batch.npz"))
mixture = batch.pop("")
model = keras.saving.load_model(folder / "model.keras", compile=False)
model.compile(keras.optimizers.SGD(0.1))
np.savetxt(folder / "losses.txt", [model.train_on_batch(mixture, batch) for _ in range(2)])
if "tensorflow" in sys.modules:
    raise SystemExit("TensorFlow was imported.")
