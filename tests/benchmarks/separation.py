"""`tfsep separate` on a three-minute stereo song at 44.1 kHz: speed against real time, start-up included, and memory.

    python tests/benchmarks/separation.py [--model crn-4stems] [--seconds 180]

The song is the embedded one, repeated. Targets: 15 times real time or better; peak memory below 1.5 GB. Then the same
file once more by a model that is loaded and has run: how fast a program that goes on is, such as one that separates
many songs. There the recurrent networks should reach 30 times real time. Run it on an idle machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import tfsep
from tfsep import audio, datasets
from tfsep.presets import DEFAULT as DEFAULT_MODEL

TARGETS = {"times_real_time": 15.0, "peak_gigabytes": 1.5}
LOADED_TARGETS = {"drnn-mir1k": 30.0, "drnn-mir1k-plus": 30.0}


def loaded_seconds(song: Path, folder: Path, name: str) -> float:
    """Seconds from file to files by a model that has run before."""
    model = tfsep.load_model(name)
    for run in ("first", "second"):
        start = time.perf_counter()
        tfsep.separate_file(song, folder / run, model)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--seconds", type=int, default=180)
    arguments = parser.parse_args()
    track = datasets.embedded()[0]
    mixture = track.read("mixture")
    length = arguments.seconds * track.sample_rate
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder, "song.wav")
        audio.write(song, np.resize(mixture, (length, track.channels)), track.sample_rate)
        command = ["tfsep", "separate", str(song), "-o", str(Path(folder, "stems")), "-m", arguments.model]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
        # The largest of the children, in KiB on Linux.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        loaded = loaded_seconds(song, Path(folder), arguments.model)
    figures = {
        "times_real_time": round(arguments.seconds / seconds, 1),
        "times_real_time_loaded": round(arguments.seconds / loaded, 1),
        "peak_gigabytes": round(peak, 2),
    }
    targets = dict(TARGETS)
    if arguments.model in LOADED_TARGETS:
        targets["times_real_time_loaded"] = LOADED_TARGETS[arguments.model]
    short = [
        name
        for name, target in targets.items()
        if (figures[name] > target if name == "peak_gigabytes" else figures[name] < target)
    ]
    print(f"{arguments.seconds} s of stereo at {track.sample_rate} Hz in {seconds:.1f} s, {peak:.2f} GB at most")
    print(f"once more, by the loaded model: {loaded:.1f} s")
    print(json.dumps({"figures": figures, "targets": targets, "falls_short": short}))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
