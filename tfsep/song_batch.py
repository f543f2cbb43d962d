"""Songs separated one after the other by the command line: a failure is one line, and the others go on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tfsep import audio, console, presets
from tfsep.checks import check_choice
from tfsep.loading import load_model, model_licence, model_sources
from tfsep.portable.bag import Bag
from tfsep.progress import progress_bar
from tfsep.separation import Separation
from tfsep.separation.file_options import FileOptions, stem_paths

_STANDARD_INPUT = "standard input"

EXIST = ("error", "skip", "overwrite")


class SongBatch:
    """Separate songs and print what was done.

    Report impossible songs before loading the model.

    Args:
        models: names or paths of models; the estimates of several are averaged.
        options: dict of the options of `tfsep.Separation`.
        files: dict of the options of `tfsep.separate_file`.
        exist: str, what to do with stems that exist: `"error"`, `"skip"` the song if all do, or `"overwrite"`.
        trust: bool, load SavedModels that can read or write files.
        quiet: bool, print errors and warnings alone.
        as_json: bool, print a line of JSON for each song instead of sentences.
        piped: path of the file with what standard input gave, which messages do not name. Defaults to None.

    Attributes:
        done: dict from the path of each song that has been separated to the paths of its stems.
        skipped: the same of the songs that were skipped.
        failures: list of the exit codes of songs that failed.
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
        piped: Path | None = None,
    ):
        check_choice("exist", exist, EXIST)
        FileOptions(**files)
        made_by = "+".join(Path(name).name for name in models)
        self.files = files | {"overwrite": exist != "error", "keep_others": exist == "skip", "made_by": made_by}
        self.models, self.options = models, options
        self.exist, self.trust, self.quiet, self.as_json = exist, trust, quiet or as_json, as_json
        self._piped = piped
        self.done: dict[Path, dict[str, Path]] = {}
        self.skipped: dict[Path, dict[str, Path]] = {}
        self.failures: list[int] = []
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
        possible = {}
        for path, folder in folders.items():
            if facts := self.check(path, folder):
                self.tell(facts, folder)
            else:
                possible[path] = folder
        if possible:
            self.load()
        for path, folder in possible.items():
            with song_bar(path.name, self.quiet) as progress:
                facts = self.separate(path, folder, progress)
            self.tell(facts, folder)

    def load(self) -> None:
        """Load the model; a bag loads its models one after the other."""
        if len(self.models) == 1:
            self._separation = Separation(load_model(self.models[0], self.trust), **self.options)

    def check(self, path: Path, folder: Path) -> dict:
        """Return the facts of a song that has been separated or cannot be; none for others."""
        return self._caught(path, self._check, folder)

    def separate(self, path: Path, folder: Path, progress: Callable | None = None) -> dict:
        """Separate a song, and return what was done as facts for `tell`, which JSON can store."""
        return self._caught(path, self._separate, folder, progress)

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
        return self.failures[0] if self._songs == 1 else 1

    def _recommend(self) -> None:
        better = presets.best_to_fetch(model_sources(presets.DEFAULT))
        name, megabytes = better["name"], round(better["bytes"] / 1e6)
        if not presets.is_model(presets.fetched_folder(name)):
            weights = f"downloaded once ({megabytes} MB; its weights: {better['licence']})"
            self._say(f"Better stems: --model {name}, {weights}. All models: tfsep presets.")

    def tell(self, facts: dict, folder: Path) -> None:
        """Count a song, and print what was done.

        Args:
            facts: dict as `check` and `separate` return it.
            folder: path of the folder of its stems.
        """
        self._songs += 1
        path = Path(facts["song"])
        stems = self._stems(path, folder)
        name = _STANDARD_INPUT if path == self._piped else str(path)
        facts = facts | {"song": name}
        if "error" in facts:
            facts["error"] = facts["error"].replace(str(path), name)
            self.failures.append(facts["code"])
            place = "" if Path(name).name in facts["error"] else f"{name}: "
            print(f"tfsep: {console.printable(place)}{facts['error']}", file=sys.stderr)
        elif "skipped" in facts:
            self.skipped[path] = stems
        else:
            self.done[path] = stems
            self._seconds += facts["seconds"]
            self._say(f"{Path(name).name}: {', '.join(stems)} -> {next(iter(stems.values())).parent}")
        if self.as_json:
            _print(json.dumps(facts))

    def _check(self, path: Path, folder: Path) -> dict:
        if self.exist == "skip" and self._separation.is_done(path, folder, **self.files):
            return {"skipped": True, "stems": _strings(self._stems(path, folder))}
        self._separation.check_file(path, folder, **self.files)
        return {}

    def _stems(self, path: Path, folder: Path) -> dict[str, Path]:
        return stem_paths(path, folder, self.names, self.files["suffix"], self.files["name"])

    def _separate(self, path: Path, folder: Path, progress: Callable | None) -> dict:
        started = time.perf_counter()
        stems = self._separation.file(path, folder, progress=progress, **self.files)
        info = audio.info(next(iter(stems.values())))
        seconds = info.samples / info.sample_rate
        return {
            "stems": _strings(stems),
            "seconds": round(seconds, 3),
            "times_real_time": round(seconds / (time.perf_counter() - started), 2),
            "peak": round(_peak(stems, FileOptions(**self.files).one_file), 6) if self.as_json else None,
            "licences": {model: model_licence(model) for model in self.models},
        }

    def _say(self, text: str) -> None:
        if not self.quiet:
            _print(console.printable(text))

    def _caught(self, path: Path, function: Callable[..., dict], *arguments) -> dict:
        """Return the facts that a function returns with the name of the song, or its error as facts."""
        try:
            with console.interrupts_told():
                facts = function(path, *arguments)
        except (OSError, ValueError, RuntimeError) as error:
            facts = {"error": console.one_line(error), "code": console.exit_code(error)}
        return {"song": str(path), **facts} if facts else {}


def _strings(stems: dict[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in stems.items()}


def _print(line: str) -> None:
    """Print a line; once its reader has gone, nothing more is printed, and the batch goes on."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        _leave_standard_output()
        print("tfsep: Standard output is closed. Songs are still separated.", file=sys.stderr)


def _leave_standard_output() -> None:
    """Send what is still to be written to standard output nowhere, also by Python at its end."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


@contextlib.contextmanager
def song_bar(title: str, quiet: bool = False) -> Iterator:
    """A progress bar, as the function that separation calls."""
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with progress_bar(console.printable(title), bar_format=form, disable=quiet) as bar:

        def progress(done: int, total: int, seconds_left: float | None) -> None:
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


@contextlib.contextmanager
def standard_input() -> Iterator[Path]:
    """Yield the path of a temporary file with what standard input gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stdin")
        if sys.stdin is None:
            raise ValueError("Standard input is closed.")
        with path.open("wb") as file:
            try:
                shutil.copyfileobj(sys.stdin.buffer, file)
                file.flush()
            except OSError as error:
                raise OSError(f"Standard input cannot be stored in {folder}: {error.strerror}.") from error
        if not path.stat().st_size:
            raise ValueError("Standard input is empty.")
        yield path


def to_standard_output(path: Path) -> None:
    """Write a file to standard output."""
    with path.open("rb") as file:
        try:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        except BrokenPipeError:
            _leave_standard_output()
            raise RuntimeError("Standard output was closed before the end of the stem.") from None
