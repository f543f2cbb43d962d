"""What the adversarial loss and the cycle are worth: the same generator trained in several ways for equal steps.

    python examples/cyclegan_ablation.py --data musdb18:/data/musdb18 --filters 16 --steps 2000 --output runs/ablation
    python examples/cyclegan_ablation.py --data musdb18:/data/musdb18 --batch-size 4 --rows every --output runs/stable

Rows: `l1`, the mean absolute error alone, and `MODE-LOSS` for each mode and adversarial loss. It prints the median SDR
of each row's last and best model (by the error on these songs) on the validation songs (museval's protocol) beside the
mixture's, the time of a step with its share of validation, and the course of every loss. OUTPUT then contains
`curves.png`, `results.json` with all curves, and a run of `tfsep.training.fit` a row. Stopped, it goes on with the same
command. Exits 1 where a loss was not finite.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import keras
from matplotlib.figure import Figure

import tfsep
from tfsep.training.checkpoint import read_state

ROWS = "l1,paired-ralsgan,cycle-ralsgan"
EVERY = ["l1", *(f"{mode}-{loss}" for mode in ("paired", "cycle") for loss in ("ralsgan", "lsgan", "wgan-gp"))]
CURVES = ("val_loss", "generator_loss", "adversarial_loss", "discriminator_loss")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--rows", default=ROWS, help=f"names with commas, or every; default: {ROWS}")
    parser.add_argument("--sources", default="vocals,accompaniment")
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--segment", type=int, default=16384)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--points", type=int, default=20, help="points of the curves, validations")
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def make_model(row: str, arguments: argparse.Namespace) -> tfsep.models.CycleGAN:
    # The generators of all rows start from the same weights.
    keras.utils.set_random_seed(arguments.seed)
    options = {"adversarial_weight": 0.0, "identity_weight": 0.0}
    if row != "l1":
        mode, _, adversarial = row.partition("-")
        options = {"mode": mode, "adversarial": adversarial}
    sizes = {"segment": arguments.segment, "filters": arguments.filters}
    return tfsep.models.CycleGAN(sources=arguments.sources.split(","), **sizes, **options)


def train(row: str, tracks: list, valid: list, arguments: argparse.Namespace) -> dict:
    folder, epoch_steps = arguments.output / row, max(1, arguments.steps // arguments.points)
    done = (read_state(folder) or {"epoch": 0})["epoch"]
    start = time.perf_counter()
    model = tfsep.training.fit(
        make_model(row, arguments),
        tracks,
        valid,
        folder,
        epochs=arguments.points,
        steps_per_epoch=epoch_steps,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        resume=True,
        verbose=2,
    )
    # With the time of validation; None where this call trained nothing.
    trained = (arguments.points - done) * epoch_steps
    seconds = (time.perf_counter() - start) / trained if trained else None
    last = tfsep.evaluate(model, valid, oracles=(), sdr_only=True)
    best = tfsep.evaluate(folder / "best", valid, oracles=(), sdr_only=True)
    sdr = {"mixture": medians(last, "mixture"), "last": medians(last, "model"), "best": medians(best, "model")}
    return {"sdr": sdr, "seconds_per_step": seconds, "history": read_state(folder)["history"]}


def medians(scores, row: str) -> dict:
    return {source: scores.median(source, row=row) for source in scores.targets}


def draw(results: dict, path: Path) -> None:
    figure = Figure(figsize=(5.0 * len(CURVES), 4.0), layout="constrained")
    for place, curve in enumerate(CURVES, start=1):
        axes = figure.add_subplot(1, len(CURVES), place, title=curve, xlabel="point")
        for row, result in results.items():
            if curve in result["history"]:
                axes.plot(range(1, len(result["history"][curve]) + 1), result["history"][curve], label=row)
        if axes.lines:
            axes.legend()
    figure.savefig(path, dpi=100)


def main() -> int:
    arguments = parse_arguments()
    tracks, valid = (list(tfsep.datasets.from_spec(arguments.data, split)) for split in ("train", "valid"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = {}
    for row in EVERY if arguments.rows == "every" else arguments.rows.split(","):
        results[row] = train(row, tracks, valid, arguments)
        (arguments.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        draw(results, arguments.output / "curves.png")
    return 0 if show(results) else 1


def show(results: dict) -> bool:
    """Prints the tables; whether all values are finite."""
    finite = True
    for row, result in results.items():
        print(f"\n{row:34}{'first':>12}{'last':>12}{'largest':>12}")
        for name, values in result["history"].items():
            finite &= all(map(math.isfinite, values))
            if name.endswith(("loss", "norm")):
                print(f"  {name:32}{values[0]:12.4g}{values[-1]:12.4g}{max(values, key=abs):12.4g}")
    sdr = next(iter(results.values()))["sdr"]
    table = {"mixture": (sdr["mixture"], None)}
    for row, result in results.items():
        table[row] = (result["sdr"]["last"], result["seconds_per_step"])
        table[f"  best of {row}"] = (result["sdr"]["best"], None)
    print(f"\n{'median SDR in dB':26}" + "".join(f"{source:>15}" for source in sdr["mixture"]) + "   s a step")
    for row, (medians, seconds) in table.items():
        time_of_step = f"{seconds:11.3f}" if seconds else ""
        print(f"{row:26}" + "".join(f"{value:15.2f}" for value in medians.values()) + time_of_step)
    return finite


if __name__ == "__main__":
    sys.exit(main())
