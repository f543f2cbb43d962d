"""The Wave-U-Net from data to files: train, separate, evaluate, export.

    python examples/waveunet.py --data musdb18:/data/musdb18 --epochs 40 --output runs/waveunet
    python examples/waveunet.py --data embedded --epochs 2 --steps-per-epoch 5 --output runs/try   # the embedded song

Published recipe: 44.1 kHz stereo, batches of 8 windows of 3 s, squared error, Adam with two cosine cycles an epoch from
1e-3 to 5e-6, gains from 0.7 to 1.0 for each source. Here the sources also come from different songs, without which few
songs teach little, and the weights that are kept are moving averages. The published size (`--size seed`) needs a GPU.
"""

import argparse
from pathlib import Path

import tfsep


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH or embedded")
    parser.add_argument("--output", type=Path, default=Path("runs/waveunet"))
    parser.add_argument("--size", default="small", help="small, base or seed")
    parser.add_argument("--bottleneck", default="transformer", help="conv, transformer or dual_path")
    parser.add_argument("--segment", type=int, default=132441, help="samples at a time; the default is 3 s")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps-per-epoch", type=int, help="default: as many batches as the audio has windows for")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--song", type=Path, help="a file to separate; default: a song of the validation split")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    train = tfsep.datasets.from_spec(arguments.data, "train")
    valid = tfsep.datasets.from_spec(arguments.data, "valid")
    print(f"{len(train)} songs to train on, {len(valid)} to choose by")

    model = tfsep.models.WaveUNet(
        size=arguments.size, bottleneck=arguments.bottleneck, segment=arguments.segment, difference=True
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
        schedule="cycles",
        average=0.99,
        augment=(tfsep.pipeline.Remix(), tfsep.pipeline.Gain(0.7, 1.0)),
    )

    best = tfsep.load_model(arguments.output / "best")
    song = arguments.song
    if song is None:
        song = arguments.output / "mixture.wav"
        tfsep.audio.write(song, valid[0].read("mixture"), valid[0].sample_rate)
    stems = tfsep.separate_file(song, arguments.output / "stems", best, plot=True)
    print("stems:", ", ".join(str(path) for path in stems.values()))
    print(tfsep.evaluate(best, valid, output=arguments.output / "scores", sdr_only=True))
    best.export(arguments.output / "exported")


if __name__ == "__main__":
    main()
