"""ConvSep from data to files: train, separate with figures beside the references, evaluate, export.

    python examples/convsep.py --data musdb18:/data/musdb18 --epochs 50 --output runs/convsep
    python examples/convsep.py --data embedded --epochs 2 --output runs/try     # the song of the installation
    python examples/convsep.py --data musdb18:/data/musdb18 --optimizer adadelta --learning-rate 1 --other 0

Published recipe: stereo at 44.1 kHz, patches of 30 frames, Adadelta at rate 1, no term for the source "other". Adam and
that term, the defaults here, learn faster. The best model of the run is scored by museval's protocol.
"""

import argparse
from pathlib import Path

import keras

import tfsep

OPTIMIZERS = {"adam": keras.optimizers.Adam, "adadelta": keras.optimizers.Adadelta}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH or embedded")
    parser.add_argument("--output", type=Path, default=Path("runs/convsep"))
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=16, help="windows of 8 patches")
    parser.add_argument("--steps-per-epoch", type=int, help="default: as many batches as the audio has windows for")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adam")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--other", type=float, default=1.0, help="weight of the error of the source other")
    parser.add_argument("--song", type=Path, help="a file to separate; default: a song of the validation split")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    train = tfsep.datasets.from_spec(arguments.data, "train")
    valid = tfsep.datasets.from_spec(arguments.data, "valid")
    print(f"{len(train)} songs to train on, {len(valid)} to choose by")

    model = tfsep.models.ConvSep()
    model.compile(
        OPTIMIZERS[arguments.optimizer](arguments.learning_rate),
        loss=tfsep.losses.ConvSepLoss(model.sources, other=arguments.other),
    )
    augment = (tfsep.pipeline.Remix(), tfsep.pipeline.Gain(), tfsep.pipeline.AUGMENTATIONS["mute"](0.1))
    tfsep.training.fit(
        model,
        train,
        valid,
        arguments.output,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        steps_per_epoch=arguments.steps_per_epoch,
        augment=augment,
    )

    best = tfsep.load_model(arguments.output / "best")
    # A STEM file, as MUSDB18 has, contains the references, which are drawn beside the estimates.
    song = arguments.song or (valid[0].mixture and valid[0].mixture.path)
    if song is None:
        song = arguments.output / "mixture.wav"
        tfsep.audio.write(song, valid[0].read("mixture"), valid[0].sample_rate)
    stems = tfsep.separate_file(song, arguments.output / "stems", best, plot=True)
    print("stems:", ", ".join(str(path) for path in stems.values()))
    print(tfsep.evaluate(best, valid, output=arguments.output / "scores", sdr_only=True))
    best.export(arguments.output / "exported")


if __name__ == "__main__":
    main()
