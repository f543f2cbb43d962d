"""A training step of the CycleGAN beside the matrix-multiply rate that numpy reaches in the same process.

    python tests/benchmarks/cyclegan_step.py [--mode paired] [--filters 16] [--batch-size 4] [--steps 12] [--jit]

The work of a step is 2 x the multiply-accumulates of every pass that one discriminator update and one generator update
need with `ralsgan`: a network that is trained counts three passes (forward, gradient of the weights, gradient of the
inputs), one that only hands the gradient on counts two, and fakes for a discriminator one. Steps and multiplications
alternate. Target: a step runs at 60 % of numpy's rate or more.
"""

import argparse
import json
import statistics
import sys
import time

import keras
import numpy as np
from training_step import SIZE, TARGET, multiply_accumulates

from tfsep.models import CycleGAN

# Passes of generators and of discriminators on one batch. paired: the discriminator is trained on the target and two
# fakes; the generator on mixture and target. cycle: two of all, and each generator on an original, a fake and a target.
PASSES = {"paired": (1 + 2 * 3, 3 * 3 + 1 + 2), "cycle": (2 + 6 * 3, 4 * 3 + 2 * (1 + 2))}


def forward_multiply_accumulates(network: keras.Model, model: CycleGAN) -> int:
    layers = [layer for layer in network.layers if layer.weights]
    outputs = keras.Model(network.input, [layer.output for layer in layers])
    shapes = outputs.compute_output_shape((1, model.segment, model.channels))
    return sum(multiply_accumulates(layer, shape) for layer, shape in zip(layers, shapes, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="paired", choices=sorted(PASSES))
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--jit", action="store_true", help="compile with XLA")
    arguments = parser.parse_args()
    model = CycleGAN(mode=arguments.mode, filters=arguments.filters)
    model.compile(jit_compile=arguments.jit)
    random = np.random.default_rng(0)
    shape = (arguments.batch_size, model.segment, model.channels)
    sources = {name: random.normal(0, 0.1, shape).astype(np.float32) for name in model.sources}
    matrix = random.normal(size=(SIZE, SIZE)).astype(np.float32)
    for _ in range(2):
        model.train_on_batch(sum(sources.values()), sources)
    step_times, product_times = [], []
    for _ in range(arguments.steps):
        start = time.perf_counter()
        model.train_on_batch(sum(sources.values()), sources)
        step_times.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(8):
            matrix @ matrix
        product_times.append((time.perf_counter() - start) / 8)
    networks = (model.generator, model.discriminators[0])
    passes = zip(PASSES[arguments.mode], networks, strict=True)
    work = 2 * arguments.batch_size * sum(count * forward_multiply_accumulates(net, model) for count, net in passes)
    step_rate = work / statistics.median(step_times) / 1e9
    product_rate = 2 * SIZE**3 / statistics.median(product_times) / 1e9
    print(f"{'':28}{'seconds':>10}{'GFLOP/s':>10}")
    for name, times, rate in (("training step", step_times, step_rate), ("numpy product", product_times, product_rate)):
        print(f"{name:28}{statistics.median(times):10.3f}{rate:10.1f}")
    share = step_rate / product_rate
    short = [] if share >= TARGET else ["share_of_matmul_rate"]
    figures = {"share_of_matmul_rate": round(share, 3), "step_gflop": work / 1e9, **vars(arguments)}
    print(json.dumps({"figures": figures, "targets": {"share_of_matmul_rate": TARGET}, "falls_short": short}))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
