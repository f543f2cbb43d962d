"""Spleeter 2.4.2's own separation, for parity. Runs where it is installed, not where tfsep is:

    pip install tensorflow==2.21.* norbert==0.2.1 && pip install --no-deps spleeter==2.4.2 tf_keras==2.21.*
    python spleeter_reference.py REQUEST.json

The request names files and what differs from the published configuration of two stems:

    {"configuration": {"T": 64}, "weights": null, "audio": "song.npy", "output": "found.npz"}

`weights` is an npz of tensors by their names in TensorFlow's checkpoint, or null for random ones, which are stored in
the output as `weights/NAME`. Estimates are stored as `estimates/STEM`.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
from spleeter.model import EstimatorSpecBuilder
from spleeter.utils.configuration import load_configuration


def separate(configuration: dict, weights: dict | None, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Weights and estimates of one song `[samples, 2]`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        waveform = tf.compat.v1.placeholder(tf.float32, [None, 2])
        features = {"waveform": waveform, "audio_id": tf.constant("song")}
        configuration = load_configuration("spleeter:2stems") | {"MWF": False} | configuration
        outputs = EstimatorSpecBuilder(features, configuration).outputs
        session.run(tf.compat.v1.global_variables_initializer())
        variables = {variable.op.name: variable for variable in tf.compat.v1.global_variables()}
        if weights is None:
            weights = random_weights({name: session.run(variable) for name, variable in variables.items()})
        for name, variable in variables.items():
            variable.load(weights[name].astype(np.float32), session)
        stems = {name: outputs[name] for name in configuration["instrument_list"]}
        estimates = session.run(stems, {waveform: audio})
    return {f"weights/{name}": value for name, value in weights.items()} | {
        f"estimates/{name}": value for name, value in estimates.items()
    }


def random_weights(initial: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels as they are, and all else away from its simple start; rounded to half precision, to be stored so."""
    generator = np.random.default_rng(0)
    centres = {"gamma": 1, "moving_variance": 1}
    values = {}
    for name, value in initial.items():
        kind = name.rpartition("/")[2]
        if kind != "kernel":
            value = centres.get(kind, 0) + generator.uniform(-0.2, 0.2, value.shape)
        values[name] = np.asarray(value, np.float16)
    return values


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        request = json.load(file)
    given = request["weights"] and dict(np.load(request["weights"]))
    np.savez_compressed(request["output"], **separate(request["configuration"], given, np.load(request["audio"])))
