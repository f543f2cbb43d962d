"""In a process of its own: a training step under a mirrored strategy of two CPUs. See separator_case.py."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfsep.models  # noqa: F401  registers the classes

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def run(folder: Path) -> None:
    """Fits `model.keras` to `batch.npz`; with `options.json` it is compiled anew with those options first."""
    batch = dict(np.load(folder / "batch.npz"))
    mixture = batch.pop("")
    with strategy.scope():
        model = keras.saving.load_model(folder / "model.keras")
        if (folder / "options.json").exists():
            model.compile("adam", **json.loads((folder / "options.json").read_text()))
    found = {"replicas": strategy.num_replicas_in_sync}
    try:
        found |= model.fit(mixture, batch, batch_size=len(mixture), epochs=10, shuffle=False, verbose=0).history
    except ValueError as error:
        found["error"] = str(error)
    np.savez(folder / "weights.npz", *[weight.numpy() for weight in model.weights])
    (folder / "found.json").write_text(json.dumps(found))


for line in sys.stdin:
    run(Path(line.rstrip("\n")))
    print("done", flush=True)
