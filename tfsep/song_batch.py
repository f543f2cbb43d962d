"""Songs separated one after the other by the command line: a failure is one line, and the others go on."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfsep import audio, console, presets
from tfsep.checks import check_choice
from tfsep.loading import load_model, model_sources
from tfsep.portable.bag import Bag
from tfsep.progress import progress_bar
from tfsep.separation import Separation
from tfsep.separation.song_files import FileOptions, other_model, stem_paths

EXIST = ("error", "skip", "overwrite")


class SongBatch:
    """Separate songs and print what was done.

    What cannot be done is said before the model is loaded.

    Args:
        models: names or paths of models; the estimates of several are averaged.
        options: dict of the options of `tfsep.Separation`.
        files: dict of the options of `tfsep.separate_file`.
        exist: str, what to do with stems that exist: `"error"`, `"skip"` the song if all do, or `"overwrite"`.
        trust: bool, load SavedModels that can read or write files.
        quiet: bool, print errors and warnings alone.
        as_json: bool, print a line of JSON for each song instead of sentences.

    Attributes:
        done: dict from the path of each song that has been separated to the paths of its stems.
        skipped: the same of the songs that were skipped.
        failures: list of the errors of songs.
    """

    def __init__(
        self,
        models: list[str],
        options: dict,
        files: dict,
        *,
        exist: str = "error",
        trust: bool = False,
        quiet: bool = False,
        as_json: bool = False,
    ):
        check_choice("exist", exist, EXIST)
        FileOptions(**files)
        made_by = "+".join(Path(name).name for name in models)
        self.files = files | {"overwrite": exist != "error", "made_by": made_by}
        self.models, self.options = models, options
        self.exist, self.trust, self.quiet, self.as_json = exist, trust, quiet or as_json, as_json
        self.done: dict[Path, dict[str, Path]] = {}
        self.skipped: dict[Path, dict[str, Path]] = {}
        self.failures: list[Exception] = []
        self._songs = 0
        self._seconds, self._started = 0.0, time.perf_counter()
        described = models[0] if len(models) == 1 else Bag(models, sources=[model_sources(name) for name in models])
        self._separation = Separation(described, **options)

    @property
    def names(self) -> tuple[str, ...]:
        """The stems."""
        return self._separation.names

    def run(self, folders: dict[Path, Path]) -> None:
        """Separate songs.

        Args:
            folders: dict from the path of a song to the folder of its stems.
        """
        self._songs += len(folders)
        possible = {path: folder for path, folder in folders.items() if self._is_possible(path, folder)}
        if possible and len(self.models) == 1:
            self._separation = Separation(load_model(self.models[0], self.trust), **self.options)
        for path, folder in possible.items():
            with self._failures_said(path):
                self._separate(path, folder)

    def finish(self) -> int:
        """Print a summary, and return the exit code."""
        elapsed = time.perf_counter() - self._started
        if self._seconds >= 1:
            self._say(
                f"{self._seconds:.1f} s of audio in {elapsed:.1f} s: {self._seconds / elapsed:.1f} times real time."
            )
        if self._songs > 1 or self.skipped:
            counts = {"separated": len(self.done), "skipped": len(self.skipped), "failed": len(self.failures)}
            self._say(f"Songs: {', '.join(f'{count} {word}' for word, count in counts.items() if count)}.")
        if self.done and self.models == [presets.DEFAULT] and sys.stdout.isatty():
            self._recommend()
        if not self.failures:
            return 0
        return console.exit_code(self.failures[-1]) if self._songs == 1 else 1

    def _recommend(self) -> None:
        better = presets.best_to_fetch(model_sources(presets.DEFAULT))
        name, megabytes = better["name"], round(better["bytes"] / 1e6)
        if not presets.is_model(presets.fetched_folder(name)):
            weights = f"downloaded once ({megabytes} MB; its weights: {better['licence']})"
            self._say(f"Better stems: --model {name}, {weights}. All models: tfsep presets.")

    def _is_possible(self, path: Path, folder: Path) -> bool:
        with self._failures_said(path):
            if self.exist == "skip" and (stems := self._existing(path, folder)):
                self.skipped[path] = stems
                self._line(path, skipped=True)
                return False
            self._separation.check_file(path, folder, **self.files)
            return True
        return False

    def _existing(self, path: Path, folder: Path) -> dict[str, Path]:
        """Return the stems of a song if all of them exist, else none; those of another model are an error."""
        paths = stem_paths(path, folder, self.names, self.files["suffix"], self.files["name"])
        existing = {name: stem for name, stem in paths.items() if stem.is_file()}
        if other := other_model(dict.fromkeys(existing.values()), self.files["made_by"]):
            raise FileExistsError(f"{other[0]}: was made by {other[1]}. --exist overwrite replaces it.")
        return paths if existing == paths else {}

    def _separate(self, path: Path, folder: Path) -> None:
        started = time.perf_counter()
        with song_bar(path.name, self.quiet) as progress:
            paths = self._separation.file(path, folder, progress=progress, **self.files)
        info = audio.info(next(iter(paths.values())))
        seconds = info.samples / info.sample_rate
        self._seconds += seconds
        self.done[path] = paths
        self._say(f"{path.name}: {', '.join(paths)} -> {next(iter(paths.values())).parent}")
        self._line(
            path,
            stems={name: str(stem) for name, stem in paths.items()},
            seconds=round(seconds, 3),
            times_real_time=round(seconds / (time.perf_counter() - started), 2),
            peak=round(_peak(paths, FileOptions(**self.files).one_file), 6) if self.as_json else None,
            licences={model: _licence(model) for model in self.models},
        )

    def _line(self, path: Path, **facts) -> None:
        if self.as_json:
            print(json.dumps({"song": str(path), **facts}), flush=True)

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(console.printable(text))

    @contextlib.contextmanager
    def _failures_said(self, path: Path) -> Iterator[None]:
        try:
            with console.interrupts_told():
                yield
        except (OSError, ValueError, RuntimeError) as error:
            self.failures.append(error)
            message = console.one_line(error)
            place = "" if path.name in message else f"{path}: "
            print(f"tfsep: {console.printable(place)}{message}", file=sys.stderr)
            self._line(path, error=message)


@contextlib.contextmanager
def song_bar(title: str, quiet: bool = False) -> Iterator:
    """A progress bar, as the function that separation calls."""
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with progress_bar(console.printable(title), bar_format=form, disable=quiet) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _peak(paths: dict[str, Path], one_file: bool) -> float:
    """The greatest absolute sample of all stems, read from their files."""
    return max(
        float(np.abs(block).max())
        for index, path in enumerate(paths.values(), 1)
        for block in audio.blocks(path, 1 << 18, stream=index if one_file else 0)
    )


def _licence(model: str) -> str | None:
    """The licence of a model's weights, if it has a name."""
    return next((row["licence"] for row in presets.table() if row["name"] == model), None)


@contextlib.contextmanager
def standard_input() -> Iterator[Path]:
    """Yield the path of a temporary file with what standard input gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stdin")
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


def to_standard_output(path: Path) -> None:
    """Write a file to standard output."""
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()
