"""Memory of `tfsep.Separation`: what long songs and many songs add to that of the first half minute.

    python tests/benchmarks/memory.py [--model crn-4stems] [--hours 1 3] [--songs 50]

The song is the embedded one, repeated, from wav to flac. Long songs should add less than 600 MB, and many songs of
other lengths, rates and channels less than 50 MB and no further trace of the model.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import psutil

import tfsep
from tfsep import audio, datasets
from tfsep.presets import DEFAULT as DEFAULT_MODEL


def write_song(path: Path, seconds: float, rate: int = 44100, channels: int = 2) -> Path:
    track = datasets.embedded()[0].read("mixture")[:, :channels]
    with audio.Writer(path, rate, channels, subtype="PCM_16") as writer:
        left = round(seconds * rate)
        while left > 0:
            writer.write(track[:left])
            left -= len(track)
    return path


def peak_megabytes() -> float:
    """The most memory that this process has had (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--hours", type=float, nargs="*", default=[1, 3])
    parser.add_argument("--songs", type=int, default=50)
    arguments = parser.parse_args()
    separation = tfsep.Separation(arguments.model)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        separation.file(write_song(folder / "short.wav", 30), folder / "short", suffix=".flac")
        traces = separation.model.compiled_separate_window.experimental_get_tracing_count
        before, process = traces(), psutil.Process()
        resident = process.memory_info().rss
        for song in range(arguments.songs):
            sizes = {"seconds": 5 + song % 7, "rate": (44100, 48000, 22050)[song % 3], "channels": 1 + song % 2}
            separation.file(write_song(folder / f"{song}.wav", **sizes), folder / f"{song}", suffix=".flac")
        figures["megabytes_of_songs"] = round((process.memory_info().rss - resident) / 1e6)
        figures["traces_of_songs"] = traces() - before
        start = peak_megabytes()
        for hours in sorted(arguments.hours):
            separation.file(write_song(folder / "long.wav", 3600 * hours), folder / f"{hours} h", suffix=".flac")
            figures[f"megabytes_of_{hours:g}_hours"] = round(peak_megabytes() - start)
            (folder / "long.wav").unlink()
    print(json.dumps({"model": arguments.model, **figures}))
    largest = max((figures[name] for name in figures if name.endswith("hours")), default=0)
    return int(largest > 600 or figures["megabytes_of_songs"] > 50 or figures["traces_of_songs"] > 0)


if __name__ == "__main__":
    sys.exit(main())
