"""In a process of its own: one training step under a mirrored strategy of two CPUs. See separator_case.py."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfsep.models  # noqa: F401  registers the classes

folder = Path(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
batch = dict(np.load(folder / "batch.npz"))
mixture = batch.pop("")
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
found = {"replicas": strategy.num_replicas_in_sync}

with strategy.scope():
    model = keras.saving.load_model(folder / "model.keras")
found |= model.fit(mixture, batch, batch_size=len(mixture), shuffle=False, verbose=0).history
np.savez(folder / "weights.npz", *[weight.numpy() for weight in model.weights])

for option in ({"jit_compile": True}, {"steps_per_execution": 2}):
    with strategy.scope():
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        model.compile("adam", **option)
    try:
        model.fit(mixture, batch, verbose=0)
    except Exception as error:
        found |= {name: f"{type(error).__name__}: {error}" for name in option}

(folder / "found.json").write_text(json.dumps(found))
