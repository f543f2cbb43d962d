"""BSS Eval beside museval and mir_eval: speed, memory, agreement, and time over the length of a track.

    python tests/benchmarks/bss_eval.py [--data musdb18:PATH] [--clips mir1k:PATH] [--seconds 180] [--minutes 3 10 30]

Four stereo sources: the songs of `--data` one after the other; clips: those of `--clips`, whose sources are taken as
mono. The embedded song is used instead of either, repeated at changing levels. The estimates are the ideal ratio
mask's. Every measurement of version 4 has a process of its own; museval's lie between two of ours. Added memory is the
highest resident memory during the call above the one before it. Needs Linux, ffmpeg (for museval), 6 GB of memory for
30 minutes of arrays, and an idle machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from tfsep import audio, datasets
from tfsep.evaluation import MEASURES, bss_eval, bss_eval_sources, oracle

AT_LEAST = {"times_faster_v4": 15.0, "times_faster_v3": 5.0}
AT_MOST = {
    "share_of_added_memory": 0.2,
    "time_per_minute_longest_over_shortest": 1.15,
    "sdr_difference": 1e-3,
    "stable_difference": 1e-3,
    "v3_difference": 1e-6,
}
NOISE = 1e-6  # on the references: frames where it moves museval by 1e-3 dB are not compared, except for their SDR
CLIPS = 5


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="embedded", help="songs with four stereo stems, e.g. musdb18:PATH")
    parser.add_argument("--clips", default="embedded", help="clips with two sources, e.g. mir1k:PATH")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--minutes", type=float, nargs="+", default=[3, 10, 30])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sample_rate = save_track(datasets.from_spec(arguments.data), arguments.seconds, Path(folder))
        figures = version_4(folder, sample_rate, arguments.seconds)
        figures |= lengths(folder, sample_rate, arguments.minutes)
    figures |= version_3(datasets.from_spec(arguments.clips))
    short = [name for name, target in AT_LEAST.items() if not figures[name] >= target]
    short += [name for name, target in AT_MOST.items() if not figures[name] <= target]
    print(json.dumps({"figures": figures, "targets": AT_LEAST | AT_MOST, "falls_short": short}))
    return 1 if short else 0


def save_track(tracks, seconds: int, folder: Path) -> int:
    """Writes references.npy and estimates.npy, `[4, samples, 2]`; returns the sample rate."""
    generator = np.random.default_rng(0)
    sources, sample_rate = tracks[0].sources, tracks[0].sample_rate
    references, mixtures, samples = [], [], 0
    while samples < seconds * sample_rate:
        for track in tracks:
            if samples >= seconds * sample_rate:
                break
            gains = generator.uniform(0.5, 1, (4, 1, 1)).astype(np.float32) if samples and len(tracks) == 1 else 1
            stems = gains * np.stack([track.read(source) for source in sources])
            # The file's mixture, which is not the sum of the stems, where they keep their levels.
            mixtures.append(stems.sum(axis=0) if len(tracks) == 1 else track.read("mixture"))
            references.append(stems)
            samples += track.samples
    references = np.concatenate(references, axis=1)[:, : seconds * sample_rate]
    mixture = np.concatenate(mixtures)[: seconds * sample_rate]
    estimates = oracle("IRM1", mixture, dict(zip(sources, references, strict=True)))
    np.save(folder / "references.npy", references)
    np.save(folder / "estimates.npy", np.stack([estimates[source] for source in sources]))
    return sample_rate


def version_4(folder: str, sample_rate: int, seconds: int) -> dict:
    first = measured("tfsep", folder, sample_rate)
    museval = measured("museval", folder, sample_rate)
    second = measured("tfsep", folder, sample_rate)
    moved = measured("museval", folder, sample_rate, noise=NOISE)
    ours, theirs, shifted = (run.pop("scores") for run in (second, museval, moved))
    first.pop("scores")
    print(f"{'v4, ' + str(seconds) + ' s':28}{'seconds':>10}{'added MB':>10}")
    for name, run in (("tfsep", first), ("museval", museval), ("tfsep", second), ("museval", moved)):
        print(f"{name:28}{run['seconds']:10.2f}{run['megabytes']:10.0f}")
    print(f"{'':28}{'largest difference, dB':>24}{'where stable':>14}{'stable':>8}")
    stable = abs(theirs - shifted) < 1e-3
    differences = abs(ours - theirs)
    for measure, difference, where in zip(MEASURES, differences, stable, strict=True):
        print(
            f"{measure:28}{np.nanmax(difference):24.1e}{np.max(difference[where], initial=0):14.1e}{where.mean():8.0%}"
        )
    return {
        # The shorter of two: what else runs on the machine only ever adds.
        "times_faster_v4": round(
            min(museval["seconds"], moved["seconds"]) / min(first["seconds"], second["seconds"]), 1
        ),
        "share_of_added_memory": round(
            max(first["megabytes"], second["megabytes"]) / min(museval["megabytes"], moved["megabytes"]), 3
        ),
        "sdr_difference": float(np.nanmax(differences[0])),
        "stable_difference": float(np.max(differences[1:][stable[1:]])),
        "stable_share": {name: round(float(share.mean()), 3) for name, share in zip(MEASURES, stable, strict=True)},
        "nan_windows_agree": bool((np.isnan(ours) == np.isnan(theirs)).all()),
    }


def lengths(folder: str, sample_rate: int, minutes: list[float]) -> dict:
    print(f"{'tfsep, minutes':28}{'seconds':>10}{'processor':>10}{'a minute':>10}{'added MB':>10}")
    rates = []
    for length in minutes:
        run = measured("tfsep", folder, sample_rate, minutes=length)
        # The processor's time: it is not lengthened by what else runs on the machine.
        rates.append(run["processor_seconds"] / length)
        print(
            f"{length:<28}{run['seconds']:10.2f}{run['processor_seconds']:10.2f}{rates[-1]:10.3f}{run['megabytes']:10.0f}"
        )
    return {
        "processor_seconds_per_minute": dict(zip(map(str, minutes), np.round(rates, 3).tolist(), strict=True)),
        "time_per_minute_longest_over_shortest": round(rates[-1] / rates[0], 2),
    }


def version_3(tracks) -> dict:
    from mir_eval import separation

    ratios = {False: [], True: []}
    difference = 0.0
    for track in tracks[:: -(-len(tracks) // CLIPS)]:
        references, estimates = clip(track)
        for permutation, measured_ratios in ratios.items():
            times = []
            for _ in range(6):  # the shortest counts: what else runs on the machine only ever adds
                # Threads of the one's BLAS go on asking for work for a while; the other shall not pay for it.
                time.sleep(0.3)
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)
                    theirs = separation.bss_eval_sources(references, estimates, permutation)
                middle = time.perf_counter()
                time.sleep(0.3)
                begin = time.perf_counter()
                ours = bss_eval_sources(references, estimates, permutation=permutation)
                times.append((middle - start, time.perf_counter() - begin))
            slow, fast = (min(column) for column in zip(*times, strict=True))
            measured_ratios.append(slow / fast)
            compared = zip(ours.values(), theirs, strict=True) if permutation else zip(ours.values(), theirs)  # noqa: B905
            difference = max(difference, *(float(np.max(abs(one - other))) for one, other in compared))
    one, other = (round(statistics.median(ratios[permutation]), 1) for permutation in (False, True))
    print(f"v3, {len(ratios[True])} clips: {one} times as fast as mir_eval, with permutation {other} times")
    return {"times_faster_v3": one, "times_faster_v3_permutation": other, "v3_difference": difference}


def clip(track) -> tuple[np.ndarray, np.ndarray]:
    """Two mono sources at 16 kHz and their estimates, `[2, samples]`."""
    names = ("vocals", "accompaniment")
    stems = {
        name: audio.resample(stem.mean(axis=1, keepdims=True), track.sample_rate, 16000)
        for name, stem in track.read_sources(names).items()
    }
    estimates = oracle("IRM1", sum(stems.values()), stems)
    return tuple(np.stack([sources[name][:, 0] for name in names]).astype(np.float64) for sources in (stems, estimates))


def measured(engine: str, folder: str, sample_rate: int, minutes: float = 0, noise: float = 0) -> dict:
    """Seconds, processor seconds, added megabytes and scores of one call in a new process."""
    command = [sys.executable, __file__, "--child", engine, folder, str(sample_rate), str(minutes), str(noise)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {**json.loads(output.splitlines()[-1]), "scores": np.load(Path(folder, "scores.npy"))}


def child(engine: str, folder: str, sample_rate: str, minutes: str, noise: str) -> None:
    if engine == "museval":
        import museval
    rate, noise = int(sample_rate), float(noise)
    references, estimates = (np.load(Path(folder, f"{name}.npy")) for name in ("references", "estimates"))
    if float(minutes):
        samples = int(60 * float(minutes) * rate)
        references, estimates = (repeated(sources, samples) for sources in (references, estimates))
    if noise:
        references = references + noise * np.random.default_rng(0).standard_normal(references.shape)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    start, processor = time.perf_counter(), time.process_time()
    if engine == "museval":
        scores = museval.evaluate(references, estimates, win=rate, hop=rate)
    else:
        scores = list(bss_eval(references, estimates, rate).values())
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    added = memory("VmHWM") - before
    np.save(Path(folder, "scores.npy"), np.array(scores))
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "megabytes": added}))


def repeated(sources, samples):
    result = np.empty((len(sources), samples, sources.shape[2]), sources.dtype)
    for start in range(0, samples, sources.shape[1]):
        part = result[:, start : start + sources.shape[1]]
        part[:] = sources[:, : part.shape[1]]
    return result


def memory(field: str) -> float:
    """A size of this process in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
