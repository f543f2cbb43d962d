"""What the length of a segment changes in the estimates of a network whose normalisation or attention sees it whole.

    python tests/benchmarks/segment_length.py --model waveunet-4stems --data musdb18:/data/musdb18 [--split valid]

The same weights separate each track in segments of half, once and twice the model's own. Printed for each length: the
SDR by BSS Eval v4, medians over tracks as the field sums them up; the mean over tracks and sources of what each track
gains over the own length, with its standard error over tracks, which no jump from one median track to the next blurs;
and the energy of the difference from the estimates of the own length, relative to those. Target: by neither measure is
another length better by 0.05 dB or more.
"""

import argparse
import sys

import numpy as np

import tfsep

TARGET = 0.05


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="waveunet-4stems")
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--split", default="valid")
    arguments = parser.parse_args()
    own = tfsep.load_model(arguments.model)
    tracks = list(tfsep.datasets.from_spec(arguments.data, arguments.split))
    reference = separations(own, tracks)
    own_scores, cost = None, 0.0
    for share in (1.0, 0.5, 2.0):
        model = with_segment(own, round(share * own.segment))
        scores = tfsep.evaluate(model, tracks, oracles=(), sdr_only=True)
        own_scores = own_scores or scores
        gains = track_means(scores) - track_means(own_scores)
        median_gain = scores.score() - own_scores.score()
        cost = max(cost, median_gain, gains.mean())
        levels = [level_of_difference(reference[key], value) for key, value in separations(model, tracks).items()]
        print(
            f"{model.segment / model.sample_rate:5.2f} s  "
            + "".join(f"{source} {scores.score(source):.2f}  " for source in model.sources)
            + f"mean {scores.score():.3f} ({median_gain:+.3f})  "
            f"paired {gains.mean():+.3f} +- {gains.std(ddof=1) / len(gains) ** 0.5:.3f}  "
            f"difference {np.median(levels):.1f} dB (median), {max(levels):.1f} dB (largest)"
        )
    print(f"cost of the own length: {cost:.3f} dB, target below {TARGET}")
    return int(cost >= TARGET)


def track_means(scores) -> np.ndarray:
    """Mean over the sources of each track's median SDR."""
    return np.nanmean([scores.track_medians(source) for source in scores.targets], axis=0)


def with_segment(model, segment: int):
    other = type(model).from_config({**model.get_config(), "segment": segment})
    other.set_weights(model.get_weights())
    return other


def separations(model, tracks) -> dict:
    return {
        (track.name, source): estimate
        for track in tracks
        for source, estimate in tfsep.separate(track.read("mixture"), model, track.sample_rate).items()
    }


def level_of_difference(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Energy of the difference against that of the reference, in dB."""
    return float(10 * np.log10(np.sum((reference - estimate) ** 2) / np.sum(reference**2) + 1e-12))


if __name__ == "__main__":
    sys.exit(main())
