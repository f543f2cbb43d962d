"""Songs separated by the workers of an Apache Beam pipeline, on one machine or on many."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from tfsep import startup, user_modules
from tfsep.files import scratch
from tfsep.pipeline.beam import import_beam, new_pipeline
from tfsep.portable.separators import is_portable
from tfsep.song_batch import SongBatch


def run_on_workers(
    batch: SongBatch, folders: dict[Path, Path], output: Path, runner: str = "DirectRunner", options: str = ""
) -> None:
    """Separate songs as `SongBatch.run` does, by an Apache Beam pipeline whose workers load the model once each.

    The workers must find the songs, the model and the output under the same paths as this machine. A worker that was
    lost is replaced by Beam, and its songs are separated again unless their stems exist.

    Args:
        batch: `SongBatch` that skips or overwrites existing stems.
        folders: dict from the path of a song to the folder of its stems.
        output: path of a folder for temporary lists of songs and results.
        runner, options: str, Beam's name of a runner and further options, as on its command line.

    Raises:
        RuntimeError: if Apache Beam is not installed.
    """
    beam = import_beam()
    copy.copy(batch).load()  # so that a damaged model is one error, and not one of each worker
    shared = beam.utils.shared.Shared()
    device, threads, modules = *startup.chosen(), tuple(user_modules.imported)

    def load() -> SongBatch:
        for name in modules:
            user_modules.import_module(name)
        if startup.chosen() != (device, threads):
            startup.use_device(device, threads, tensorflow=not all(map(is_portable, batch.models)))
        batch.load()
        return batch

    class Separate(beam.DoFn):
        def setup(self) -> None:
            self.batch = shared.acquire(load)  # once in a process, whatever its threads

        def process(self, line: str):
            path, folder = map(Path, json.loads(line))
            yield json.dumps(self.batch.check(path, folder) or self.batch.separate(path, folder))

    output.mkdir(parents=True, exist_ok=True)
    # Files rather than memory: of a catalogue, Beam's own messages would be too long.
    with scratch(output) as place:
        songs = Path(place, "songs")
        with songs.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps([str(path), str(folder)])}\n" for path, folder in folders.items())
        with new_pipeline(runner, options) as pipeline:
            lines = pipeline | "songs" >> beam.io.ReadFromText(str(songs)) | beam.Reshuffle()
            lines | "separate" >> beam.ParDo(Separate()) | "facts" >> beam.io.WriteToText(str(place / "facts"))
        for path in sorted(place.glob("facts*")):
            with path.open(encoding="utf-8") as file:
                for facts in map(json.loads, file):
                    batch.tell(facts, folders[Path(facts["song"])])
