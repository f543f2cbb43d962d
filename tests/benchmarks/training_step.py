"""A training step of the U-Net beside the matrix-multiply rate that numpy reaches in the same process.

    python tests/benchmarks/training_step.py [--steps 12] [--batch-size 16]

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
from tfsep.models import UNet

TARGET = 0.6
SIZE = 2048


def forward_multiply_accumulates(model: UNet) -> int:
    """Multiply-accumulates of the convolutions for one window."""
    layers = [layer for layer in model.network.layers if isinstance(layer, keras.layers.Conv1D)]
    outputs = keras.Model(model.network.inputs, [layer.output for layer in layers])
    shapes = outputs.compute_output_shape((1, model.segment, model.channels))
    return sum(shape[1] * int(np.prod(layer.kernel.shape)) for shape, layer in zip(shapes, layers, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    model = UNet()
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
        "share_of_matmul_rate": round(share, 3),
        "batch_size": arguments.batch_size,
        "step_gflop": work / 1e9,
    }
    print(json.dumps({"figures": figures, "targets": {"share_of_matmul_rate": TARGET}, "falls_short": short}))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
