"""`tfsep separate --runner DirectRunner` on a catalogue: cost of a minute of music, workers, memory, formats.

    python tests/benchmarks/catalogue.py [--model crn-4stems] [--songs 8] [--seconds 60]

The songs are the embedded one, repeated. One worker and two separate them, each worker with one thread, and once more
with everything done already, which is what starting costs. Processor time hardly depends on what else the machine
does; the elapsed time needs an idle one.
"""

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from tfsep import audio, datasets
from tfsep.presets import DEFAULT as DEFAULT_MODEL
from tfsep.separation.songs import find_songs, output_folders

FORMATS = {
    "float wav": (".wav", "FLOAT", None),
    "16-bit wav": (".wav", "PCM_16", None),
    "flac": (".flac", "PCM_16", None),
    "mp3, 192 kb/s": (".mp3", None, 192000),
    "opus, 96 kb/s": (".opus", None, 96000),
}


def run(command: list[str]) -> tuple[float, float, float]:
    """Return seconds, processor seconds and the most bytes of one process of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            most = max(most, *(member.memory_info().rss for member in family))
        time.sleep(0.2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, processor, most


def listed_bytes(count: int) -> float:
    """Return the bytes that the process which starts the pipeline keeps for a song of a list."""
    before = psutil.Process().memory_info().rss
    songs = find_songs(
        f"/music/artist {number // 100}/album {number // 10}/song {number}.flac" for number in range(count)
    )
    folders = output_folders(songs, "/stems", ".flac", "{track}/{stem}{ext}")
    assert len(folders) == count
    return (psutil.Process().memory_info().rss - before) / count


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--songs", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    minutes = arguments.songs * arguments.seconds / 60
    print(f"the process that starts the pipeline: {listed_bytes(100_000):.0f} bytes a song")
    track = datasets.embedded()[0]
    with tempfile.TemporaryDirectory() as folder:
        songs = Path(folder, "songs")
        songs.mkdir()
        samples = np.resize(track.read("mixture"), (arguments.seconds * track.sample_rate, track.channels))
        for number in range(arguments.songs):
            audio.write(songs / f"{number}.wav", samples, track.sample_rate)
        for workers in (1, 2):
            stems = Path(folder, f"stems {workers}")
            beam = f"--direct_num_workers={workers} --direct_running_mode=multi_processing"
            command = [sys.executable, "-m", "tfsep", "separate", str(songs), "-o", str(stems), "-m", arguments.model]
            command += ["--threads", "1", "--runner", "DirectRunner", "--runner-options", beam]
            elapsed, processor, most = run(command)
            idle, starting, _ = run(command)
            assert len(list(stems.iterdir())) == arguments.songs
            print(
                f"{workers} worker(s): {elapsed - idle:.1f} s and {processor - starting:.1f} s of a core for "
                f"{minutes:.0f} minutes of music, {(processor - starting) / minutes:.2f} s a minute; starting "
                f"{idle:.1f} s and {starting:.1f} s of a core; {most / 1e9:.2f} GB a process"
            )
        paths = sorted(next(stems.iterdir()).iterdir())
        for name, (suffix, subtype, bitrate) in FORMATS.items():
            size = 0
            for path in paths:
                written = Path(folder, f"{path.stem}{suffix}")
                sound, rate = audio.read(path)
                audio.write(written, np.clip(sound, -1, 1), rate, subtype=subtype, bitrate=bitrate, overwrite=True)
                size += written.stat().st_size
            print(f"{name}: {size / arguments.seconds * 60 / 1e6:.1f} MB a minute, {len(paths)} stems")
    print(f"load of the machine: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
