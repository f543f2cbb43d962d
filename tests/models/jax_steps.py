"""In a process of its own: two training steps under JAX, as without TensorFlow. See test_wave_unet.py."""

import sys
from pathlib import Path

sys.modules["tensorflow"] = None  # an import of it fails

import keras  # noqa: E402
import numpy as np  # noqa: E402

import tfsep.models  # noqa: E402, F401  registers the classes

if keras.backend.backend() != "jax":
    raise SystemExit("The backend is not JAX.")
folder = Path(sys.argv[1])
batch = dict(np.load(folder / "batch.npz"))
mixture = batch.pop("")
model = keras.saving.load_model(folder / "model.keras", compile=False)
model.compile(keras.optimizers.SGD(0.003))
losses = [model.train_on_batch(mixture, batch, return_dict=True)["loss"] for _ in range(2)]
np.savetxt(folder / "losses.txt", losses)
