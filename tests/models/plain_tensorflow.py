"""In a process of its own: runs SavedModels with TensorFlow alone. See separator_case.py."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.modules |= dict.fromkeys(("tfsep", "keras"))  # as where they are not installed
import tensorflow as tf  # noqa: E402


def run(folder: Path) -> None:
    model = tf.saved_model.load(folder / "exported")
    serve = model.signatures["serving_default"]
    estimates = {}
    for index, mixture in enumerate(np.load(folder / "mixtures.npz").values()):
        for name, estimate in model.separate(mixture).items():
            estimates[f"{index} {name}"] = estimate
            np.testing.assert_array_equal(serve(mixture=tf.constant(mixture))[name], estimate)
    with ThreadPoolExecutor(8) as pool:  # as a server runs it
        for served in pool.map(lambda _: serve(mixture=tf.constant(mixture)), range(8)):
            for name, estimate in served.items():
                np.testing.assert_allclose(estimate, estimates[f"{index} {name}"], atol=1e-6)
    np.savez(folder / "estimates.npz", **estimates)


for line in sys.stdin:
    run(Path(line.rstrip("\n")))
    print("done", flush=True)
