"""The paper's table of deep recurrent networks on MIR-1K beside one of our own: ten networks, trained alike.

    python examples/drnn_table.py --data mir1k:/data/mir1k --split test --output runs/table

A finished network is not trained again. Figures are GNSDR / GSIR / GSAR of the voice by BSS Eval 3.0; the paper's are
those of Huang et al., ISMIR 2014, on all 825 test clips.
"""

import argparse
from pathlib import Path

import keras

import tfsep
from tfsep.pipeline import Gain, Remix, Shift

# Name, recurrent layers, and the paper's figures without and with discrimination.
FORMS = (
    ("DNN", (), (6.93, 10.99, 10.15), (7.09, 12.11, 9.67)),
    ("DRNN-1", (1,), (7.11, 11.74, 9.93), (7.21, 12.76, 9.56)),
    ("DRNN-2", (2,), (7.27, 11.98, 9.99), (7.45, 13.08, 9.68)),
    ("DRNN-3", (3,), (7.14, 11.48, 10.15), (7.09, 11.69, 10.00)),
    ("sRNN", (1, 2, 3), (7.09, 11.72, 9.88), (7.15, 12.79, 9.39)),
)


def train(form: str, layers: tuple[int, ...], gamma: float, arguments: argparse.Namespace) -> tfsep.models.Separator:
    folder = arguments.output / f"{form} {gamma:g}"
    if not (folder / "best").exists():
        keras.utils.set_random_seed(0)
        tracks, valid = (tfsep.datasets.from_spec(arguments.data, split) for split in ("train", "valid"))
        tfsep.training.fit(
            tfsep.models.DRNN(recurrent_layers=layers),
            tracks,
            valid,
            folder,
            epochs=arguments.epochs,
            batch_size=64,
            steps_per_epoch=20,
            schedule="cosine",
            clipnorm=1.0,
            average=0.98,
            loss=tfsep.losses.DiscriminativeMeanSquaredError(gamma),
            augment=(Remix(0.8), Shift(), Gain(0.7, 1.4)),
            verbose=2,
        )
    return tfsep.load_model(folder / "best")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mir1k:PATH")
    parser.add_argument("--split", default="valid", choices=("valid", "test"), help="what is scored")
    parser.add_argument("--output", type=Path, default=Path("runs/drnn-table"))
    parser.add_argument("--epochs", type=int, default=20, help="of 20 steps of 64 sequences")
    arguments = parser.parse_args()
    tracks = tfsep.datasets.from_spec(arguments.data, arguments.split)
    lines = []
    for gamma in (0.0, 0.05):
        for form, layers, *published in FORMS:
            model = train(form, layers, gamma, arguments)
            scores = tfsep.evaluate(model, tracks, protocol="bsseval_v3", oracles=())
            ours = [scores.score("vocals", measure) for measure in ("NSDR", "SIR", "SAR")]
            name = f"{form} + discrimination" if gamma else form
            rows = [" / ".join(f"{value:5.2f}" for value in row) for row in (published[gamma > 0], ours)]
            lines.append(f"{name:24}{rows[0]:24}{rows[1]}")
    print(f"{'':24}{'paper, 825 clips':24}here, {len(tracks)} clips ({arguments.split})", *lines, sep="\n")


if __name__ == "__main__":
    main()
