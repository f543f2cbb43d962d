"""The bottlenecks of the Wave-U-Net at equal steps, in one table: does the transformer earn its place?

    python examples/waveunet_bottlenecks.py --data musdb18:/data/musdb18 --steps 1000 --output runs/bottlenecks

Each network is trained on the same batches in the same order, by the same schedule, and scored after its last step by
BSS Eval v4: median over windows and tracks in dB with a 95 % bootstrap interval over tracks. The run of each bottleneck
and its scores stay in the output folder; stopped, the same command goes on.
"""

import argparse
from pathlib import Path

import keras

import tfsep

ROW = "{:<12} {:>11}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH or embedded")
    parser.add_argument("--output", type=Path, default=Path("runs/bottlenecks"))
    parser.add_argument("--bottlenecks", default="conv,transformer,dual_path")
    parser.add_argument("--size", default="small", help="small, base or seed")
    parser.add_argument("--segment", type=int, default=132441, help="samples at a time; the default is 3 s")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10, help="parts of the run, with a validation after each")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    train = tfsep.datasets.from_spec(arguments.data, "train")
    valid = tfsep.datasets.from_spec(arguments.data, "valid")
    rows = []
    for bottleneck in arguments.bottlenecks.split(","):
        model = trained(bottleneck, train, valid, arguments)
        scores = tfsep.evaluate(model, valid, arguments.output / bottleneck / "scores", sdr_only=True, resume=True)
        rows.append((bottleneck, f"{model.count_params():,}", scores, "model"))
    rows += [(bound, "", scores, bound) for bound in ("mixture", "IRM1")]

    columns = [*scores.targets, None]
    print(f"\nSDR in dB after {arguments.steps} steps, size {arguments.size}, {len(valid)} tracks")
    print(ROW.format("bottleneck", "parameters") + "".join(f"{name or 'mean':>22}" for name in columns))
    for *names, scores, row in rows:
        print(ROW.format(*names) + "".join(f"{cell(scores, name, row):>22}" for name in columns))


def trained(bottleneck: str, train, valid, arguments: argparse.Namespace) -> tfsep.models.WaveUNet:
    """The network after its last step."""
    keras.utils.set_random_seed(arguments.seed)
    return tfsep.training.fit(
        tfsep.models.WaveUNet(size=arguments.size, bottleneck=bottleneck, segment=arguments.segment),
        train,
        valid,
        arguments.output / bottleneck,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        steps_per_epoch=arguments.steps // arguments.epochs,
        learning_rate=arguments.learning_rate,
        schedule="cosine",
        augment=(tfsep.pipeline.Remix(), tfsep.pipeline.Gain(0.7, 1.0)),
        seed=arguments.seed,
        resume=True,
    )


def cell(scores, name: str | None, row: str) -> str:
    low, high = scores.interval(name, row=row)
    return f"{scores.score(name, row=row):.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
