"""What the length of a segment changes in the estimates of a network whose normalisation or attention sees it whole.

    python tests/benchmarks/segment_length.py --model waveunet-4stems --data musdb18:/data/musdb18 [--split valid]

The same weights separate each track in segments of half, once and twice the model's own. Printed for each length: the
median SDR by BSS Eval v4, its cost against the model's own length, and how far the estimates are from those of the own
length, in dB below them. Target: neither length is better than the own by 0.05 dB or more.
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
    sdr = {}
    for share in (1.0, 0.5, 2.0):
        model = with_segment(own, round(share * own.segment))
        scores = tfsep.evaluate(model, tracks, oracles=(), sdr_only=True)
        sdr[share] = np.array([scores.score(source) for source in own.sources])
        others = separations(model, tracks)
        levels = [level_of_difference(reference[key], others[key]) for key in reference]
        figures = "  ".join(f"{source} {value:.2f}" for source, value in zip(own.sources, sdr[share], strict=True))
        print(
            f"{model.segment / model.sample_rate:5.2f} s  SDR {figures}  mean {sdr[share].mean():.3f}  "
            f"above the own length {sdr[share].mean() - sdr[1.0].mean():+.3f}  "
            f"difference {np.median(levels):.1f} dB (median), {max(levels):.1f} dB (largest)"
        )
    cost = max(values.mean() for values in sdr.values()) - sdr[1.0].mean()
    print(f"cost of the own length: {cost:.3f} dB, target below {TARGET}")
    return int(cost >= TARGET)


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
