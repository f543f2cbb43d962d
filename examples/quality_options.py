"""What options of separation gain, and what they cost: scores and processor time of one model with each of them.

    python examples/quality_options.py --data musdb18:PATH [--split valid] [--model crn-4stems]

Processor time is that of separating all tracks, relative to the model's defaults, after one track to warm up.
"""

from __future__ import annotations

import argparse
import time

from tfsep import Separation, datasets, evaluate, load_model
from tfsep.presets import DEFAULT as DEFAULT_MODEL

OPTIONS = {
    "defaults": {},
    "overlap 0.5": {"overlap": 0.5},
    "overlap 0.75": {"overlap": 0.75},
    "shifts 2": {"shifts": 2},
    "shifts 4": {"shifts": 4},
    "tta": {"tta": True},
    "wiener 0": {"wiener": 0},
    "wiener 1": {"wiener": 1},
    "wiener 2": {"wiener": 2},
    "consistent": {"consistent": True},
    "extend_band": {"extend_band": True},
    "shifts 2, tta, wiener 1": {"shifts": 2, "tta": True, "wiener": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    tracks = list(datasets.from_spec(arguments.data, arguments.split))
    model = load_model(arguments.model)
    print(f"| | {' | '.join(model.sources)} | mean | processor time |")
    print(f"| --- {'| ---: ' * (len(model.sources) + 2)}|")
    first = None
    for name, options in OPTIONS.items():
        if "extend_band" in options and model.sample_rate >= tracks[0].sample_rate:
            continue
        try:
            separation = Separation(model, **options)
        except ValueError:  # consistent, of a model whose sources are a part of the song
            continue
        scores, seconds = score(separation, tracks)
        first = first or seconds
        medians = [scores.median(source) for source in model.sources]
        cells = [f"{value:.2f}" for value in (*medians, sum(medians) / len(medians))]
        print(f"| {name} | {' | '.join(cells)} | {seconds / first:.2f} |", flush=True)


def score(separation: Separation, tracks: list):
    """Scores, and the processor seconds of separating all tracks."""
    separation.separate(tracks[0].read("mixture"), tracks[0].sample_rate)
    seconds = 0.0

    def separate(mixture, sample_rate):
        nonlocal seconds
        started = time.process_time()
        stems = separation.separate(mixture, sample_rate)
        seconds += time.process_time() - started
        return stems

    return evaluate(separate, tracks, oracles=(), sdr_only=True), seconds


if __name__ == "__main__":
    main()
