"""The paper's table of deep recurrent networks on MIR-1K beside one of our own: ten networks, trained alike.

    python examples/drnn_table.py --data mir1k:/data/mir1k --split test --output runs/table
    python examples/drnn_table.py --data mir1k:/data/mir1k --split folds --forms DRNN-2

Of the folds each leaves out one of the two training singers, on whom the network is scored that the other has trained:
four clips for validation are few, and their singers are known. A finished network is not trained again, and one that
was interrupted goes on; other settings have folders of their own. Figures are GNSDR / GSIR / GSAR of the voice by BSS
Eval 3.0; the paper's are those of Huang et al., ISMIR 2014, on all 825 test clips.
"""

import argparse
from pathlib import Path

import keras

import tfsep
from tfsep.datasets.mir1k import TRAINING_SINGERS
from tfsep.pipeline import Equalize, Gain, Remix, Shift

# Of the preset `drnn-mir1k`.
SPEEDS = (0.75, 0.84, 0.92, 1.09, 1.19, 1.33)
# Recurrent layers, and the paper's figures without and with discrimination.
FORMS = {
    "DNN": ((), (6.93, 10.99, 10.15), (7.09, 12.11, 9.67)),
    "DRNN-1": ((1,), (7.11, 11.74, 9.93), (7.21, 12.76, 9.56)),
    "DRNN-2": ((2,), (7.27, 11.98, 9.99), (7.45, 13.08, 9.68)),
    "DRNN-3": ((3,), (7.14, 11.48, 10.15), (7.09, 11.69, 10.00)),
    "sRNN": ((1, 2, 3), (7.09, 11.72, 9.88), (7.15, 12.79, 9.39)),
}


def train(folder: Path, layers: tuple, gamma: float, tracks: list, valid: list, arguments: argparse.Namespace):
    """The best network of a run, the published recipe but for its optimiser."""
    keras.utils.set_random_seed(0)
    augment = (Remix(0.8), Shift(), Gain(0.7, 1.4))
    if arguments.varied:
        tracks = [*tracks, *tfsep.datasets.change_speed(tracks, SPEEDS)]
        augment += (Equalize(),)
    tfsep.training.fit(
        tfsep.models.DRNN(recurrent_layers=layers, dtype=arguments.mixed_precision),
        tracks,
        valid,
        folder,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        steps_per_epoch=20,
        schedule="cosine",
        clipnorm=1.0,
        average=0.98,
        loss=tfsep.losses.DiscriminativeMeanSquaredError(gamma),
        augment=augment,
        resume=True,
        verbose=2,
    )
    return tfsep.load_model(folder / "best")


def experiments(data: str, split: str) -> dict[str, tuple[list, list, list]]:
    """Column of the table -> tracks to train on, to choose the epoch by, and to score."""
    tracks, valid = (list(tfsep.datasets.from_spec(data, name)) for name in ("train", "valid"))
    if split != "folds":
        scored = tfsep.datasets.from_spec(data, split)
        return {f"{split}, {len(scored)} clips": (tracks, valid, scored)}
    folds = {}
    for singer in TRAINING_SINGERS:
        rest, rest_valid = ([track for track in part if not track.name.startswith(singer)] for part in (tracks, valid))
        left_out = [track for track in tracks if track.name.startswith(singer)]
        folds[f"without {singer}, {len(left_out)} clips"] = rest, rest_valid, left_out
    return folds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mir1k:PATH")
    parser.add_argument("--split", default="valid", choices=("valid", "test", "folds"), help="what is scored")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS), help="default: all")
    parser.add_argument("--output", type=Path, default=Path("runs/drnn-table"))
    parser.add_argument("--epochs", type=int, default=20, help="of 20 steps")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--varied", action="store_true", help="other speeds and tone colours too, as for the preset")
    parser.add_argument("--mixed-precision", default="float32", help="mixed_bfloat16 is faster on new CPUs")
    arguments = parser.parse_args()
    columns = experiments(arguments.data, arguments.split)
    lines = [["", "paper, 825 clips", *columns]]
    for gamma in (0.0, 0.05):
        for form in arguments.forms:
            layers, *published = FORMS[form]
            rows = [published[gamma > 0]]
            for column, (tracks, valid, scored) in columns.items():
                settings = f"{arguments.epochs}x{arguments.batch_size}-{arguments.mixed_precision}"
                settings += "-varied" * arguments.varied
                folder = arguments.output / settings / column.split(",")[0] / f"{form} {gamma:g}"
                try:
                    model = train(folder, layers, gamma, tracks, valid, arguments)
                except RuntimeError as error:  # one that diverges, say, costs the table no more than its row
                    print(f"{form}: {error}", flush=True)
                    rows.append(None)
                    continue
                scores = tfsep.evaluate(model, scored, folder / "scores", "bsseval_v3", oracles=(), resume=True)
                rows.append([scores.score("vocals", measure) for measure in ("NSDR", "SIR", "SAR")])
            name = f"{form} + discrimination" if gamma else form
            cells = (" / ".join(f"{value:5.2f}" for value in row) if row else "failed" for row in rows)
            lines.append([name, *cells])
            print(*lines[-1], sep="  ", flush=True)
    print(*("".join(f"{cell:26}" for cell in line).rstrip() for line in lines), sep="\n")


if __name__ == "__main__":
    main()
