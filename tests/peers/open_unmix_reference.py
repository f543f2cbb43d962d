"""Open-Unmix 1.3.0's own separation, for parity. Runs where it is installed, not where tfsep is:

    pip install torch tqdm && pip install --no-deps openunmix==1.3.0
    python open_unmix_reference.py REQUEST.json

The request says the networks' sizes and names files:

    {"network": {"nb_bins": 2049, "hidden_size": 512, "max_bin": 1487}, "separator": {"n_fft": 4096, "n_hop": 1024},
     "sources": ["vocals", "drums"], "legacy": false, "audio": "song.npy", "output": "folder"}

Random weights are written to the output as `SOURCE.pth`, in torch's zip or legacy format, and estimates as
`estimates-NITER.npz` for 0, 1 and 2 iterations of the Wiener filter.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

# Its resampling alone needs it.
sys.modules["torchaudio"] = types.ModuleType("torchaudio")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from openunmix.model import OpenUnmix, Separator  # noqa: E402


def main(request: dict) -> None:
    torch.manual_seed(0)
    folder = Path(request["output"])
    folder.mkdir(parents=True, exist_ok=True)
    networks = {source: random_network(request["network"]) for source in request["sources"]}
    for source, network in networks.items():
        # As published files do, with what is no weight.
        state = network.state_dict() | {"sample_rate": torch.tensor(44100), "stft.window": torch.hann_window(8)}
        torch.save(state, folder / f"{source}.pth", _use_new_zipfile_serialization=not request["legacy"])
    audio = torch.from_numpy(np.load(request["audio"]).T[None])
    for iterations in (0, 1, 2):
        separator = Separator(networks, niter=iterations, **request["separator"]).eval()
        with torch.no_grad():
            estimates = separator(audio)[0].numpy()
        stems = {source: estimate.T for source, estimate in zip(networks, estimates, strict=True)}
        np.savez_compressed(folder / f"estimates-{iterations}.npz", **stems)


def random_network(options: dict) -> OpenUnmix:
    """A network whose norms and scalings are away from their simple start; rounded to half precision."""
    network = OpenUnmix(**options)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if (name.startswith("bn") and value.ndim) or name.startswith(("input", "output")):
                value.add_(0.4 * torch.rand(value.shape) - 0.2)
            if value.is_floating_point():
                value.copy_(value.half())
    return network.eval()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
