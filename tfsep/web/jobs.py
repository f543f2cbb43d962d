"""Songs that are separated one at a time, by one thread."""

from __future__ import annotations

import contextlib
import gc
import logging
import queue
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfsep import audio
from tfsep.console import one_line
from tfsep.files import file_name
from tfsep.separation import Separation
from tfsep.web import sound
from tfsep.web.downloads import download, is_here, megabytes
from tfsep.web.room import FULL, check_room, is_full, stems_size

MIXTURE = "mixture"
# Of the command line, such as "by --downmix".
_OPTION = re.compile(r"(?:with|by) (?:tfsep separate )?(--\w+)")
# Seconds that the end of the program waits for a model that is computing.
_PATIENCE = 5


class _CancelledError(Exception):
    """Raised within a separation that nobody waits for any more."""


@dataclass
class Job:
    """A song from its upload to its stems.

    Args:
        name: str, as the user calls it, with the suffix of its file.
        title: str, the same without suffix.
        upload: path of the file.
        model: str, name of a model.
        stems: sequence of str, stems to write; None for all.
        residual: str, name of one more stem; None for none.
        format: str, suffix of the stems, such as `".wav"`.
    """

    name: str
    title: str
    upload: Path
    model: str
    stems: Sequence[str] | None
    residual: str | None
    format: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = "Uploading"
    fraction: float | None = None
    seconds_left: float | None = None
    error: str = ""
    paths: dict[str, Path] = field(default_factory=dict)  # of the mixture and the stems, once they are done
    peaks: dict[str, list] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    cancelled: bool = False

    def facts(self) -> dict:
        """Return what the page shows: progress, an error, or the stems."""
        if self.error or not self.peaks:
            return {
                "state": self.state,
                "fraction": self.fraction,
                "secondsLeft": self.seconds_left,
                "error": self.error,
            }
        info = audio.info(self.upload)
        stems = [name for name in self.paths if name != MIXTURE]
        return {
            "name": self.title,
            "caption": self.model,
            "warnings": self.warnings,
            "duration": info.samples / info.sample_rate,
            "span": sound.SPAN,
            "lead": sound.LEAD,
            "stems": [{"name": name, "filename": self.filename(name), "peaks": self.peaks[name]} for name in stems],
            "mixture": {"peaks": self.peaks[MIXTURE]},
        }

    def filename(self, stem: str) -> str:
        """Return the name under which a stem is saved."""
        return f"{file_name(self.title)}_({stem}){self.format}"


class Jobs:
    """The songs of a server, in a folder that contains one for each of them.

    Args:
        folder: path of the folder.

    Attributes:
        speeds: dict from model to the multiple of real time at which it has separated here.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._running: Job | None = None
        self._lock = threading.Lock()
        self.speeds: dict[str, float] = {}
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self):
        return iter(list(self._jobs.values()))

    def __getitem__(self, number: str) -> Job:
        return self._jobs[number]

    def folder(self, job: Job) -> Path:
        """Return the folder of a song's files."""
        return job.upload.parent

    def new(self, name: str, title: str, suffix: str, **options) -> Job:
        """Create a song; write its file to `upload`, then call `start`."""
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir()
        job = Job(name, title, folder / f"song{suffix}", **options)
        self._jobs[job.id] = job
        return job

    def start(self, job: Job) -> None:
        """Let a song wait for its turn."""
        job.state = "Waiting for another song"
        self._waiting.put(job)

    def remove(self, job: Job) -> None:
        """Cancel a song, and remove its files."""
        with self._lock:
            job.cancelled = True
            self._jobs.pop(job.id, None)
            if job is not self._running:
                self._clean(job)

    def close(self) -> None:
        """Cancel all songs, and wait for the thread."""
        for job in self:
            self.remove(job)
        self._waiting.put(None)
        self._thread.join(_PATIENCE)

    def _clean(self, job: Job) -> None:
        shutil.rmtree(self.folder(job), ignore_errors=True)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            with self._lock:
                if job.cancelled:
                    continue
                self._running = job
            failure = ""
            try:
                with _warnings_of(job):
                    self._separate(job)
            except _CancelledError:
                pass
            except Exception as error:
                failure = FULL if is_full(error) else _in_words(one_line(error), job)
            if job.cancelled or failure:
                gc.collect()  # frames of the error keep the upload open, whose room would not be free
            with self._lock:
                self._running = None
                if job.cancelled or failure:
                    self._clean(job)
            job.error = failure

    def _separate(self, job: Job) -> None:
        def told(state: str) -> None:
            job.state, job.fraction, job.seconds_left = state, None, None
            if job.cancelled:
                raise _CancelledError

        if not is_here(job.model):
            state = f"Downloading the model, {megabytes(job.model)} MB"
            download(job.model, lambda: told(state))
        separation = Separation(job.model, stems=job.stems, residual=job.residual)
        told("Reading the song")
        info = separation.check_file(job.upload, self.folder(job) / "stems", suffix=job.format)
        needed = stems_size(info, len(separation.names), job.format)
        check_room(self.folder(job), needed, "the stems")
        told("Loading the model")
        separation.model  # noqa: B018  loads it
        told("Separating")
        clock = _Clock(job)
        paths = separation.file(job.upload, self.folder(job) / "stems", suffix=job.format, progress=clock)
        self.speeds[job.model] = info.samples / info.sample_rate / clock.elapsed
        paths = {MIXTURE: job.upload} | paths
        peaks = {}
        for name, path in paths.items():
            told("Drawing")
            job.fraction = len(peaks) / len(paths)
            peaks[name] = sound.peaks(path)
        job.paths, job.peaks = paths, peaks


def _in_words(message: str, job: Job) -> str:
    """Return a message without the paths of the server, which the user does not know, and options as commands."""
    message = re.sub(rf"^({re.escape(str(job.upload.parent))}.*?|{re.escape(job.upload.name)}): ", "", message)
    message = message.replace(str(job.upload), job.name)
    message = _OPTION.sub(r"with `tfsep separate \1`", message)
    return message if message.startswith((job.model, job.name)) else message[:1].upper() + message[1:]


@contextlib.contextmanager
def _warnings_of(job: Job) -> Iterator[None]:
    """Collect what is logged while a song is separated, such as a level that had to be lowered."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == here:
                job.warnings.append(_in_words(record.getMessage(), job))

    here, collector, log = threading.get_ident(), Collector(logging.WARNING), logging.getLogger("tfsep")
    log.addHandler(collector)
    try:
        yield
    finally:
        log.removeHandler(collector)


class _Clock:
    """Progress of a separation, as the function that it calls."""

    def __init__(self, job: Job):
        self._job, self._started = job, time.monotonic()

    def __call__(self, done: int, total: int, seconds_left: float | None) -> None:
        if self._job.cancelled:
            raise _CancelledError
        self._job.fraction = done / total
        self._job.seconds_left = seconds_left

    @property
    def elapsed(self) -> float:
        return max(1e-3, time.monotonic() - self._started)
