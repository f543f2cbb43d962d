"""In a process of its own: validation and two steps under JAX, without TensorFlow. See test_jax.py."""

import json
import sys
from pathlib import Path

sys.modules["tensorflow"] = None  # an import of it fails

import keras  # noqa: E402
import numpy as np  # noqa: E402

import tfsep.models  # noqa: E402, F401  registers the classes

if keras.backend.backend() != "jax":
    raise SystemExit("The backend is not JAX.")


def run(folder: Path) -> None:
    batch = dict(np.load(folder / "batch.npz"))
    mixture = batch.pop("")
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    model.compile(keras.optimizers.SGD(0.01))
    model.trainable_weights[0].regularizer = keras.regularizers.L2(0.1)
    found = {"evaluate": model.evaluate(mixture, batch, batch_size=2, verbose=0, return_dict=True)}
    try:
        data = {"batch_size": 3, "epochs": 2, "validation_data": (mixture, batch)}
        found["fit"] = model.fit(mixture, batch, **data, verbose=0).history
    except NotImplementedError as error:
        found["error"] = str(error)
    model.save(folder / "saved.keras")
    expected, estimates = model(mixture), keras.saving.load_model(folder / "saved.keras", compile=False)(mixture)
    for name in model.sources:
        np.testing.assert_allclose(estimates[name], expected[name], atol=1e-6)
    (folder / "found.json").write_text(json.dumps(found))


for line in sys.stdin:
    run(Path(line.rstrip("\n")))
    print("done", flush=True)
