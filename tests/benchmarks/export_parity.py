"""Exported models against Keras on real audio: size, largest difference, SDR, and speed.

    python tests/benchmarks/export_parity.py [MODEL ...] [--data embedded] [--split test] [--formats onnx,litert]

For each model (by default every preset of the package) and each format: megabytes, the largest difference of a sample
of any stem, the difference of the mean uSDR in dB, and how many times faster than real time the loaded model separates
the song the second time. The song is the first of the data. Needs the extras onnx and litert, and an idle machine.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import tfsep
from tfsep import datasets, presets
from tfsep.portable.formats import FORMATS

# Name, format of `Separator.export`, weights.
EXPORTS = {
    "savedmodel": ("tf_saved_model", "float32"),
    "onnx": ("onnx", "float32"),
    "litert": ("litert", "float32"),
    "litert-float16": ("litert", "float16"),
    "litert-int8": ("litert", "int8"),
}
SUFFIXES = dict(FORMATS.values())


def separated(model, mixture: np.ndarray, sample_rate: int) -> tuple[dict, float]:
    """Return the stems, and how many times faster than real time the second run is."""
    tfsep.separate(mixture, model, sample_rate)
    start = time.perf_counter()
    stems = tfsep.separate(mixture, model, sample_rate)
    return stems, len(mixture) / sample_rate / (time.perf_counter() - start)


def mean_sdr(model, track) -> float:
    scores = tfsep.evaluate(model, [track], protocol="mdx", oracles=())
    return float(np.mean([scores.median(name) for name in model.sources]))


def megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def compare(name: str, track, formats: list[str], folder: Path) -> None:
    model = tfsep.load_model(name)
    mixture, rate = track.read("mixture"), track.sample_rate
    expected, speed = separated(model, mixture, rate)
    sdr = mean_sdr(model, track)
    parameters = 4 * model.count_params() / 1e6
    print(f"{name:22} {'keras':15} {parameters:7.1f} {'':10} {sdr:8.3f} dB {speed:6.1f}", flush=True)
    for export in formats:
        format, weights = EXPORTS[export]
        path = folder / f"{name}-{export}{SUFFIXES[format] or ''}"
        try:
            model.export(path, format, weights=weights)
        except RuntimeError as error:
            print(f"{name:22} {export:15} {error}", flush=True)
            continue
        exported = tfsep.load_model(path)
        stems, speed = separated(exported, mixture, rate)
        difference = max(np.abs(stems[source] - expected[source]).max() for source in model.sources)
        change = mean_sdr(exported, track) - sdr
        size = megabytes(path)
        print(f"{name:22} {export:15} {size:7.1f} {difference:10.1e} {change:+8.3f} dB {speed:6.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=presets.names())
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--split", default="test")
    parser.add_argument("--formats", default=",".join(EXPORTS))
    arguments = parser.parse_args()
    track = datasets.from_spec(arguments.data, arguments.split)[0]
    print(f"{track.name}, {len(track.read('mixture')) / track.sample_rate:.1f} s")
    print(f"{'model':22} {'format':15} {'MB':>7} {'difference':>10} {'SDR':>11} {'x real time':>11}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.models:
            compare(name, track, arguments.formats.split(","), Path(folder))


if __name__ == "__main__":
    main()
