"""The CycleGAN on raw waveforms from data to files: train, separate, evaluate, export.

    python examples/cyclegan.py --data musdb18:/data/musdb18 --epochs 100 --output runs/cyclegan
    python examples/cyclegan.py --data mixing:drums,others --sources drums,accompaniment --active drums --augment ratio
    python examples/cyclegan.py --data embedded --filters 4 --epochs 2 --output runs/try   # the installation's song

Published recipe: mono at 16 kHz, windows of 16,384 samples, 64 filters, batch 10, Adam 2e-4 (0.5, 0.9) for generator
and discriminator, relativistic average least squares. The full width needs a GPU; 16 filters train on two cores. The
best model of the run, by the error of its separation, is scored with the mixture and the ideal ratio mask beside it.
"""

import argparse
from pathlib import Path

import tfsep
from tfsep.pipeline import AUGMENTATIONS


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH, mixing:..., store:PATH, embedded")
    parser.add_argument("--output", type=Path, default=Path("runs/cyclegan"))
    parser.add_argument("--sources", default="vocals,accompaniment", help="the target, and the name of the residual")
    parser.add_argument("--segment", type=int, default=16384, help="16384, 32768 or 65536 samples")
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--mode", default="paired", help="paired or cycle")
    parser.add_argument("--adversarial", default="ralsgan", help="ralsgan, lsgan or wgan-gp")
    parser.add_argument("--augment", default="remix,gain", help=f"names, of {', '.join(AUGMENTATIONS)}")
    parser.add_argument("--active", help="a source that windows should contain; default: any window will do")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--steps-per-epoch", type=int, help="default: as many batches as the audio has windows for")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    train = tfsep.datasets.from_spec(arguments.data, "train")
    valid = tfsep.datasets.from_spec(arguments.data, "valid")
    print(f"{len(train)} songs to train on, {len(valid)} to choose by")

    model = tfsep.models.CycleGAN(
        sources=arguments.sources.split(","),
        segment=arguments.segment,
        filters=arguments.filters,
        mode=arguments.mode,
        adversarial=arguments.adversarial,
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
        augment=[AUGMENTATIONS[name]() for name in arguments.augment.split(",") if name],
        active=arguments.active,
    )

    best = tfsep.load_model(arguments.output / "best")
    song = arguments.output / "mixture.wav"
    tfsep.audio.write(song, valid[0].read("mixture"), valid[0].sample_rate)
    stems = tfsep.separate_file(song, arguments.output / "stems", best, plot=True)
    print("stems:", ", ".join(str(path) for path in stems.values()))
    print(tfsep.evaluate(best, valid, output=arguments.output / "scores", sdr_only=True))
    best.export(arguments.output / "exported")


if __name__ == "__main__":
    main()
