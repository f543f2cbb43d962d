"""What an augmentation is worth for singers that training did not have, and its cost in excerpts a second.

    python tests/benchmarks/augmentation.py PATH --augment formants:order=20 [--singer amy] [--epochs 16]

Small networks are trained on one singer of MIR-1K's training clips, with and without the augmentation, on the same
excerpts for the same steps, and validated on every fourth clip of the other singer: the published division has the same
two singers in both. Printed is SI-SDR above the mixture, the mean over the last quarter of the epochs, whose weights
are averages. Each network takes a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import tfsep
from tfsep import datasets, losses, pipeline, training
from tfsep.datasets.mir1k import TRAINING_SINGERS
from tfsep.training.checkpoint import read_state

SPEEDS = [0.75, 0.84, 0.92, 1.09, 1.19, 1.33]
BATCH = 8


def augmentation(text: str) -> pipeline.augment.Augmentation:
    """Make `name` or `name:argument=number,argument=number`."""
    name, _, arguments = text.partition(":")
    pairs = (argument.split("=") for argument in arguments.split(",") if argument)
    return pipeline.AUGMENTATIONS[name](**{key: float(value) if "." in value else int(value) for key, value in pairs})


def gains(singer: str, clips: list, augment: list, epochs: int) -> dict[str, float]:
    """Train on a singer; return the mean SI-SDR above the mixture of each source of the other one."""
    train = [clip for clip in clips if clip.name.startswith(singer)]
    valid = [clip for clip in clips if not clip.name.startswith(singer)][::4]
    keras.utils.set_random_seed(1)
    model = tfsep.models.CRN(segment=32256, input_bins=512, filters=(12, 24, 40, 64), units=64, dropout=0.1)
    with tempfile.TemporaryDirectory() as folder:
        training.fit(
            model,
            train + datasets.change_speed(train, SPEEDS),
            valid,
            Path(folder) / "run",
            loss=losses.NegativeSDR(floor=0.01),
            augment=augment,
            epochs=epochs,
            steps_per_epoch=60,
            batch_size=BATCH,
            learning_rate=0.002,
            schedule="cosine",
            clipnorm=1.0,
            average=0.98,
            jit_compile=True,
            seed=1,
            verbose=0,
        )
        history = read_state(Path(folder) / "run")["history"]
    last = -(-epochs // 4)
    return {name: float(np.mean(history[f"val_{name}_si_sdr_improvement"][-last:])) for name in model.sources}


def excerpts_per_second(clips: list, augment: list, steps: int = 40) -> float:
    model = tfsep.models.CRN()
    batches = iter(pipeline.excerpts(clips[:20], model, BATCH, augment=augment, steps_per_epoch=steps + 1))
    next(batches)  # decodes and compiles
    start = time.process_time()
    for _ in range(steps):
        next(batches)
    return BATCH * steps / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mir1k", help="folder of MIR-1K")
    parser.add_argument("--augment", required=True, help="name, or name:argument=number,argument=number")
    parser.add_argument("--singer", choices=TRAINING_SINGERS, default="amy", help="the singer of the training clips")
    parser.add_argument("--epochs", type=int, default=16)
    options = parser.parse_args()
    clips = [clip for split in ("train", "valid") for clip in datasets.MIR1K(options.mir1k, split)]
    usual = [pipeline.Remix(0.6), pipeline.Gain(0.7, 1.4), pipeline.Shift(), pipeline.Equalize(8.0)]
    for title, augment in (("without", usual), ("with", [*usual, augmentation(options.augment)])):
        speed = excerpts_per_second(clips, augment)
        row = gains(options.singer, clips, augment, options.epochs)
        text = ", ".join(f"{name} {value:.2f} dB" for name, value in row.items())
        print(f"{title:8} {text}; {speed:.0f} excerpts a second of processor time", flush=True)


if __name__ == "__main__":
    main()
