"""The recipe by which the published CycleGAN was scored, beside what it gives for doing nothing.

    python examples/cyclegan_recipe.py --model cyclegan-vocals --data musdb18:/data/musdb18 --split test

Mono at 16 kHz; BSS Eval 3.0 (`bss_eval_sources_framewise` at its default windows, which at this rate last 82.7 s) of
the target and of what is left of the mixture; a song's score is the mean over both and over windows, that of all songs
the median. Published for MUSDB18's test songs: SDR 6.51, SIR 11.67, SAR 11.67. The mean over both sources hides how
the target fares, and the filters forgive much: read it beside the row `mixture`, and beside `tfsep evaluate`. The
mixture has no artefacts: its SAR is as large as rounding lets it be.
"""

import argparse

import numpy as np

import tfsep
from tfsep.evaluation import bss_eval_sources_framewise

RATE = 16000
MEASURES = ("SDR", "SIR", "SAR")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a preset, a run's best folder or a .keras file")
    parser.add_argument("--data", default="embedded", help="musdb18:PATH, stems:PATH or embedded")
    parser.add_argument("--split", default="valid")
    return parser.parse_args()


def read_mono(track: tfsep.datasets.Track, target: str) -> list[np.ndarray]:
    """The target and all else, `[samples, 1]` at 16 kHz."""
    stems = track.read_sources((target, "accompaniment")).values()
    return [tfsep.audio.resample(stem.mean(axis=1, keepdims=True), track.sample_rate, RATE) for stem in stems]


def score(mixture: np.ndarray, target: np.ndarray, estimate: np.ndarray) -> list[float]:
    """Each measure's mean over the target, the residual of the mixture, and windows."""
    values = bss_eval_sources_framewise(np.stack([target, mixture - target]), np.stack([estimate, mixture - estimate]))
    return [np.nanmean(values[measure]) for measure in MEASURES]


def main() -> None:
    arguments = parse_arguments()
    model = tfsep.load_model(arguments.model)
    target = model.sources[0]
    rows = {arguments.model: [], "mixture": []}
    for track in tfsep.datasets.from_spec(arguments.data, arguments.split):
        reference, residual = read_mono(track, target)
        mixture = reference + residual
        if not reference.any():
            print(f"{track.name} is left out: no {target}")
            continue
        rows[arguments.model].append(score(mixture, reference, tfsep.separate(mixture, model, RATE)[target]))
        # Half of the mixture for each: levels count for nothing here, and silence has no score.
        rows["mixture"].append(score(mixture, reference, mixture / 2))
    print(f"{'':24}" + "".join(f"{measure:>8}" for measure in MEASURES))
    for name, scores in rows.items():
        print(f"{name:24}" + "".join(f"{value:8.2f}" for value in np.median(scores, axis=0)))


if __name__ == "__main__":
    main()
