"""The two-head U-Net from data to files: train, separate, evaluate, export.

    python examples/unet.py --data musdb18:/data/musdb18 --epochs 50 --output runs/unet
    python examples/unet.py --data embedded --epochs 2 --output runs/try     # the song of the installation

Published recipe: mono at 11,025 Hz, windows of 75,008 samples, batch 16, Adam 1e-3, mean |e| + mean e^2 for each head.
The original evaluates nothing; here the best model of the run is scored by museval's protocol, with the mixture and the
ideal ratio mask beside it.
"""

import argparse
from pathlib import Path

import tfsep


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH or embedded")
    parser.add_argument("--output", type=Path, default=Path("runs/unet"))
    parser.add_argument("--sources", default="vocals,drums")
    parser.add_argument("--sample-rate", type=int, default=11025)
    parser.add_argument("--segment", type=int, default=75008)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps-per-epoch", type=int, help="default: as many batches as the audio has windows for")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--song", type=Path, help="a file to separate; default: a song of the validation split")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    train = tfsep.datasets.from_spec(arguments.data, "train")
    valid = tfsep.datasets.from_spec(arguments.data, "valid")
    print(f"{len(train)} songs to train on, {len(valid)} to choose by")

    model = tfsep.models.UNet(
        sources=arguments.sources.split(","), sample_rate=arguments.sample_rate, segment=arguments.segment
    )
    tfsep.training.fit(
        model,
        train,
        valid,
        arguments.output,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        steps_per_epoch=arguments.steps_per_epoch,
        learning_rate=arguments.learning_rate,
    )

    best = tfsep.load_model(arguments.output / "best")
    song = arguments.song
    if song is None:
        song = arguments.output / "mixture.wav"
        tfsep.audio.write(song, valid[0].read("mixture"), valid[0].sample_rate)
    stems = tfsep.separate_file(song, arguments.output / "stems", best, residual="rest", plot=True)
    print("stems:", ", ".join(str(path) for path in stems.values()))
    print(tfsep.evaluate(best, valid, output=arguments.output / "scores", sdr_only=True))
    best.export(arguments.output / "exported")


if __name__ == "__main__":
    main()
