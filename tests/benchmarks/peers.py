"""Networks of other projects: tfsep beside the original, by processor time, alternating in one run.

    python tests/peers/write_networks.py NETWORKS --full      # in the environment of the originals, see there
    python tests/benchmarks/peers.py NETWORKS PYTHON_OF_THE_ORIGINALS [--rounds 3] [--threads 2]

Separates the mixture of HTDemucs (10 s, two segments) with random weights of the published size. Both programs stay
loaded and take turns; the first round, with tracing, is shown and not counted. Target: tfsep takes no more processor
seconds than the original. Run it on an idle machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def ours(folder: Path):
    from tfsep.checkpoints import htdemucs_weights, read
    from tfsep.separation import separate

    model = htdemucs_weights.build([read(folder / "network.th")])
    return lambda mixture: separate(mixture, model, 44100)


def original(folder: Path):
    import torch
    from demucs.apply import apply_model
    from demucs.states import load_model

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    network = load_model(torch.load(folder / "network.th", weights_only=False)).eval()

    def separate(mixture):
        with torch.no_grad():
            return apply_model(network, torch.from_numpy(mixture.T.copy())[None], shifts=0)

    return separate


def work(kind: str, folder: Path) -> None:
    """Separates once for each line read; prints processor and wall seconds, and the peak of memory so far."""
    separate = {"tfsep": ours, "original": original}[kind](folder)
    mixture = np.load(folder / "mixture.npy")
    print(json.dumps({"processor": time.process_time()}), flush=True)
    for _ in sys.stdin:
        processor, wall = time.process_time(), time.perf_counter()
        separate(mixture)
        seconds = {"processor": time.process_time() - processor, "wall": time.perf_counter() - wall}
        print(json.dumps({**seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", type=Path)
    parser.add_argument("python", help="the originals' interpreter")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", choices=("tfsep", "original"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.networks / "htdemucs"
    if arguments.work:
        work(arguments.work, folder)
        return 0
    threads = str(arguments.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads}
    workers = {
        kind: subprocess.Popen(
            [python, __file__, str(arguments.networks), arguments.python, "--work", kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )
        for kind, python in (("tfsep", sys.executable), ("original", arguments.python))
    }  # fmt: skip
    start_up = {kind: json.loads(worker.stdout.readline())["processor"] for kind, worker in workers.items()}
    found = {kind: [] for kind in workers}
    for number in range(arguments.rounds + 1):
        for kind, worker in workers.items():
            worker.stdin.write("\n")
            worker.stdin.flush()
            found[kind].append(json.loads(worker.stdout.readline()))
            print(number, kind, {key: round(value, 2) for key, value in found[kind][-1].items()}, flush=True)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    figures = {
        kind: {
            "processor_seconds": round(float(np.median([run["processor"] for run in runs[1:]])), 2),
            "wall_seconds": round(float(np.median([run["wall"] for run in runs[1:]])), 2),
            "first_processor_seconds": round(runs[0]["processor"], 2),
            "start_up_processor_seconds": round(start_up[kind], 2),
            "peak_gigabytes": round(runs[-1]["peak"], 2),
        }
        for kind, runs in found.items()
    }
    short = figures["tfsep"]["processor_seconds"] > figures["original"]["processor_seconds"]
    print(json.dumps({"htdemucs": figures, "target": "tfsep <= original", "short": short}))
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
