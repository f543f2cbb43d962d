"""What augmentations are worth: ConvSep trained without, with remixed songs, with muted sources, and with both.

    python examples/convsep_ablation.py --data musdb18:/data/musdb18 --steps 2000 --output runs/augmentations

All rows start from the same weights and take as many steps on the same excerpts, at random gains. It prints the SDR of
each row's last model on the validation songs (museval's protocol) beside the mixture and the ideal ratio mask. OUTPUT
then contains, a row, a run of `tfsep.training.fit` and its scores. Stopped, it goes on with the same command.
"""

import argparse
from pathlib import Path

import keras

import tfsep
from tfsep.pipeline.augment import Gain, Mute, Remix

ROWS = {"none": (), "remix": (Remix(),), "muting": (Mute(0.25),), "both": (Remix(), Mute(0.25))}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH or embedded")
    parser.add_argument("--output", type=Path, default=Path("runs/augmentations"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--validations", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def train(row: str, tracks: list, valid: list, arguments: argparse.Namespace) -> tfsep.models.ConvSep:
    keras.utils.set_random_seed(arguments.seed)
    model = tfsep.models.ConvSep(name=row)
    return tfsep.training.fit(
        model,
        tracks,
        valid,
        arguments.output / row,
        epochs=arguments.validations,
        steps_per_epoch=max(1, arguments.steps // arguments.validations),
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        schedule="cosine",
        loss=tfsep.losses.ConvSepLoss(model.sources, other=1.0),
        augment=(*ROWS[row], Gain()),
        seed=arguments.seed,
        resume=True,
        verbose=2,
    )


def main() -> None:
    arguments = parse_arguments()
    tracks, valid = (list(tfsep.datasets.from_spec(arguments.data, split)) for split in ("train", "valid"))
    scores = []
    for row in ROWS:
        model, results = train(row, tracks, valid, arguments), arguments.output / row / "scores"
        scores += [tfsep.evaluate(model, valid, output=results, sdr_only=True, resume=results.exists())]
    print(tfsep.evaluation.table(scores))


if __name__ == "__main__":
    main()
