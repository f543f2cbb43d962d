"""Compares tfsep with the networks that `write_networks.py` wrote: from the project's own file to the waveform.

    python tests/peers/compare.py FOLDER

Prints for each network the greatest and the root mean square deviation, each relative to that of the estimates, of one
segment and of a whole song; exits 1 where a deviation exceeds 1e-4 of the peak.
"""

import sys
from pathlib import Path

import numpy as np

LIMIT = 1e-4


def deviations(folder: Path) -> dict[str, tuple[float, float]]:
    """Deviations of a network's estimates from the original's: (greatest, root mean square) by "segment" and "song"."""
    from tfsep.checkpoints import htdemucs_weights, read, roformer_weights
    from tfsep.checkpoints.configuration import read_configuration
    from tfsep.separation import separate

    config = folder / "network.yaml"
    checkpoints = [read(path) for path in folder.glob("network.*") if path != config]
    if roformer_weights.matches(checkpoints):
        model = roformer_weights.build(checkpoints, **read_configuration(config))
    else:
        model = htdemucs_weights.build(checkpoints)
    mixture, expected = np.load(folder / "mixture.npy"), np.load(folder / "estimates.npz")
    assert list(model.sources)[: len(expected["sources"])] == list(expected["sources"])
    estimates = {
        "segment": model(mixture[np.newaxis, : expected["segment"].shape[1]]),
        "song": separate(mixture, model, model.sample_rate),
    }
    found = {}
    for key, estimate in estimates.items():
        wanted = expected[key]
        error = np.stack([np.reshape(estimate[str(name)], wanted.shape[1:]) for name in expected["sources"]]) - wanted
        greatest = np.abs(error).max() / np.abs(wanted).max()
        found[key] = float(greatest), float(np.sqrt(np.mean(error**2) / np.mean(wanted**2)))
    return found


if __name__ == "__main__":
    worst = 0.0
    print(f"{'network':20} {'':8} {'max':>8} {'rms':>8}")
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        for key, (greatest, rms) in deviations(folder).items():
            print(f"{folder.name:20} {key:8} {greatest:8.1e} {rms:8.1e}", flush=True)
            worst = max(worst, greatest)
    sys.exit(worst > LIMIT)
