"""A training step of a model beside the matrix-multiply rate that numpy reaches in the same process.

    python tests/benchmarks/training_step.py [--model unet] [--steps 12] [--batch-size 16]

The work of a step is 3 x 2 x the multiply-accumulates of a forward pass (forward, gradient of the weights, gradient
of the inputs). Steps and multiplications alternate. Target: a step runs at 60 % of numpy's rate or more.
"""

import argparse
import json
import statistics
import sys
import time

import keras
import numpy as np

from tfsep import datasets, pipeline
from tfsep.models import MODELS, Separator

TARGET = 0.6
SIZE = 2048


def forward_multiply_accumulates(model: Separator) -> int:
    """Multiply-accumulates of the kernels of the network for one window."""
    shapes = []
    network = model.network
    window = np.zeros((1, model.segment + 2 * model.context, model.channels), "float32")
    network_call = network.call

    def note(inputs, **arguments):
        shapes.append(inputs.shape)
        return network_call(inputs, **arguments)

    network.call = note
    model.estimate(window)
    network.call = network_call
    layers = [layer for layer in network.layers if layer.weights]
    outputs = keras.Model(network.inputs, [layer.output for layer in layers]).compute_output_shape(shapes[0])
    return sum(multiply_accumulates(layer, shape) for layer, shape in zip(layers, outputs, strict=True))


def multiply_accumulates(layer: keras.layers.Layer, output: tuple) -> int:
    """Each element of a kernel once for each place of the output."""
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    places = int(np.prod(output[:-1]))
    return sum(places * int(np.prod(kernel.shape)) for kernel in kernels)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="unet", choices=sorted(MODELS))
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    model = MODELS[arguments.model]()
    model.compile(optimizer="adam")
    data = pipeline.excerpts(datasets.embedded(), model, arguments.batch_size, steps_per_epoch=1)
    matrix = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    model.make_train_function()
    step = model.train_function
    batches = iter(data.take(1).cache().repeat())  # the same batch: reading is not what is timed
    for _ in range(2):
        step(batches)
    step_times, product_times = [], []
    for _ in range(arguments.steps):
        start = time.perf_counter()
        logs = step(batches)
        float(logs["loss"])
        step_times.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(8):
            matrix @ matrix
        product_times.append((time.perf_counter() - start) / 8)
    work = 3 * 2 * arguments.batch_size * forward_multiply_accumulates(model)
    step_rate = work / statistics.median(step_times) / 1e9
    product_rate = 2 * SIZE**3 / statistics.median(product_times) / 1e9
    share = step_rate / product_rate
    print(f"{'':28}{'seconds':>10}{'GFLOP/s':>10}")
    for name, times, rate in (("training step", step_times, step_rate), ("numpy product", product_times, product_rate)):
        print(f"{name:28}{statistics.median(times):10.3f}{rate:10.1f}")
    short = [] if share >= TARGET else ["share_of_matmul_rate"]
    figures = {
        "model": arguments.model,
        "share_of_matmul_rate": round(share, 3),
        "batch_size": arguments.batch_size,
        "step_gflop": work / 1e9,
    }
    print(json.dumps({"figures": figures, "targets": {"share_of_matmul_rate": TARGET}, "falls_short": short}))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
