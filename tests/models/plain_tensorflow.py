"""In a process of its own: runs a SavedModel with TensorFlow alone. See separator_case.py."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

folder = Path(sys.argv[1])
model = tf.saved_model.load(folder / "exported")
serve = model.signatures["serving_default"]
estimates = {}
for index, mixture in enumerate(np.load(folder / "mixtures.npz").values()):
    for name, estimate in model.separate(mixture).items():
        estimates[f"{index} {name}"] = estimate
        np.testing.assert_array_equal(serve(mixture=tf.constant(mixture))[name], estimate)
if "tfsep" in sys.modules:
    raise SystemExit("tfsep was imported")
np.savez(folder / "estimates.npz", **estimates)
