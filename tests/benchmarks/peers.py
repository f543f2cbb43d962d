"""Networks of other projects: tfsep beside the original, by processor time, alternating in one run.

    python tests/benchmarks/peers.py htdemucs PYTHON --networks NETWORKS
    python tests/benchmarks/peers.py spleeter PYTHON_WITH_SPLEETER
    python tests/benchmarks/peers.py open-unmix PYTHON_WITH_OPENUNMIX
    python tests/benchmarks/peers.py wiener PYTHON_WITH_OPENUNMIX
    python tests/benchmarks/peers.py unet PYTHON_WITH_SPLEETER

PYTHON is the interpreter of an environment with the original; `tests/peers` says how to make one; NETWORKS are
those that `tests/peers/write_networks.py --full` writes. Separates noise with random weights of the published size:
10 s by HTDemucs, 60 s by the others, Open-Unmix with one iteration of its Wiener filter. `wiener` is one iteration of
that filter alone, on 30 s of four sources; `unet` is `unet-vocals-drums` from samples to samples beside Spleeter's
networks and their STFT, without masks and inverse STFT. Both programs stay loaded and take turns; the first round, with
tracing, is shown and not counted. Target: tfsep takes no more processor seconds than the original. Run it on an idle
machine.
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

PEERS = Path(__file__).parents[1] / "peers"
RATE = 44100
UMX = {"nb_bins": 2049, "hidden_size": 512, "max_bin": 1487}
UMX_SOURCES = ("vocals", "drums", "bass", "other")


def noise(seconds: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (seconds * RATE, 2)).astype("float32")


def our_htdemucs(networks: Path):
    from tfsep import separate
    from tfsep.checkpoints import build_model

    model = build_model([networks / "htdemucs" / "network.th"])
    return np.load(networks / "htdemucs" / "mixture.npy"), lambda mixture: separate(mixture, model, RATE)


def their_htdemucs(networks: Path):
    import torch
    from demucs.apply import apply_model
    from demucs.states import load_model

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    network = load_model(torch.load(networks / "htdemucs" / "network.th", weights_only=False)).eval()

    def separate(mixture):
        with torch.no_grad():
            return apply_model(network, torch.from_numpy(mixture.T.copy())[None], shifts=0)

    return np.load(networks / "htdemucs" / "mixture.npy"), separate


def our_spleeter(_):
    from tfsep import models, separate

    model = models.Spleeter(extension="zeros")
    return noise(60), lambda mixture: separate(mixture, model, RATE)


def their_spleeter(_, networks_only: bool = False):
    sys.path.insert(0, str(PEERS))
    import tensorflow as tf
    from spleeter.model import EstimatorSpecBuilder
    from spleeter.utils.configuration import load_configuration
    from spleeter_reference import tf as _  # noqa: F401  sets what Spleeter needs

    threads = int(os.environ["OMP_NUM_THREADS"])
    settings = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    tf.compat.v1.disable_eager_execution()
    session = tf.compat.v1.Session(config=settings)
    waveform = tf.compat.v1.placeholder(tf.float32, [None, 2])
    features = {"waveform": waveform, "audio_id": tf.constant("song")}
    configuration = load_configuration("spleeter:2stems") | {"MWF": False}
    builder = EstimatorSpecBuilder(features, configuration)
    outputs = builder.model_outputs if networks_only else builder.outputs
    session.run(tf.compat.v1.global_variables_initializer())
    if not networks_only:  # Spleeter's outputs have the name of the song as well
        outputs = {name: outputs[name] for name in configuration["instrument_list"]}
    return noise(60), lambda mixture: session.run(outputs, {waveform: mixture})


def our_unet(_):
    from tfsep import load_model, separate

    model = load_model("unet-vocals-drums")
    return noise(60), lambda mixture: separate(mixture, model, RATE)


def our_umx(_):
    from tfsep import models, separate

    model = models.OpenUnmix(UMX_SOURCES, wiener=1)
    return noise(60), lambda mixture: separate(mixture, model, RATE)


def their_umx(_):
    sys.path.insert(0, str(PEERS))
    import torch
    from open_unmix_reference import OpenUnmix, Separator

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    networks = {source: OpenUnmix(**UMX).eval() for source in UMX_SOURCES}
    separator = Separator(networks, niter=1, n_fft=4096, n_hop=1024).eval()

    def separate(mixture):
        with torch.no_grad():
            return separator(torch.from_numpy(mixture.T.copy())[None])

    return noise(60), separate


def spectrograms() -> tuple[np.ndarray, list[np.ndarray]]:
    """Magnitudes of four sources and complex mixture, `[frames, bins, 2]`, 30 s in blocks of 10 s."""
    generator = np.random.default_rng(0)
    shape = (3, 431, 2049, 2)
    mixture = (generator.normal(size=shape) + 1j * generator.normal(size=shape)).astype("complex64")
    return np.abs(generator.normal(size=(3, 4, *shape[1:]))).astype("float32"), mixture


def our_wiener(_):
    import tensorflow as tf

    from tfsep.layers import wiener_filter

    blocks, mixtures = spectrograms()

    @tf.function(jit_compile=True)  # as `tfsep.separation.refining` does
    def compiled(magnitudes, block):
        return wiener_filter(magnitudes, block, softmask=True)

    def separate(mixture):
        for magnitudes, block in zip(blocks[:, None], mixture[:, None], strict=True):
            compiled(magnitudes, (block.real, block.imag))

    return mixtures, separate


def their_wiener(_):
    import torch
    from openunmix.filtering import wiener

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    blocks, mixtures = spectrograms()

    def separate(mixture):
        with torch.no_grad():
            for magnitudes, block in zip(blocks, mixture, strict=True):
                targets = torch.from_numpy(np.moveaxis(magnitudes, 0, -1).copy())
                wiener(targets, torch.view_as_real(torch.from_numpy(block)), iterations=1, softmask=True)

    return mixtures, separate


PAIRS = {
    "htdemucs": (our_htdemucs, their_htdemucs),
    "spleeter": (our_spleeter, their_spleeter),
    "open-unmix": (our_umx, their_umx),
    "wiener": (our_wiener, their_wiener),
    "unet": (our_unet, lambda _: their_spleeter(_, networks_only=True)),
}


def work(make, networks: Path | None) -> None:
    """Separate once for each line read; print processor and wall seconds, and the peak of memory so far."""
    mixture, separate = make(networks)
    print(json.dumps({"processor": time.process_time()}), flush=True)
    for _ in sys.stdin:
        processor, wall = time.process_time(), time.perf_counter()
        separate(mixture)
        seconds = {"processor": time.process_time() - processor, "wall": time.perf_counter() - wall}
        print(json.dumps({**seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=PAIRS)
    parser.add_argument("python", help="interpreter of the original's environment")
    parser.add_argument("--networks", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", choices=("tfsep", "original"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(PAIRS[arguments.model][arguments.work == "original"], arguments.networks)
        return 0
    threads = str(arguments.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads}
    words = [__file__, arguments.model, arguments.python, "--networks", str(arguments.networks), "--work"]
    workers = {
        kind: subprocess.Popen(
            [python, *words, kind],
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
    print(json.dumps({arguments.model: figures, "target": "tfsep <= original", "short": short}))
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
