"""The process of the command line: errors and warnings of one line, signals, exit codes."""

from __future__ import annotations

import _thread
import contextlib
import errno
import itertools
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from tfsep.startup import quick_tensorflow

# The exit code that newer versions of typer return after Ctrl-C.
_INTERRUPTED = 130

# Errors that the caller can correct by another call; all others are failures.
_WRONG_USE = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)

_ADVICE = {
    errno.EEXIST: "It is a file, not a folder; choose another place",
    errno.ENOTDIR: "A part of this path is a file; choose another place",
    errno.EACCES: "Choose a place that you may use",
    errno.EROFS: "Choose a place that can be written to",
    errno.ENOSPC: "Free some, or choose another place",
}

_ARGUMENT = re.compile(r"\w+=\S+ \(((?:tfsep \w+ )?--[^()]+)\)")

# With it, Python prints no messages of loggers that have no handler.
_NOWHERE = logging.NullHandler()

# The signal that interrupted the command line: Ctrl-C, SIGTERM or SIGHUP.
_signal: int | None = None


def run(app: Callable) -> None:
    """Run a typer app and exit; print a failure as one line, with its traceback only under `--debug`."""
    debug = "--debug" in sys.argv
    if not debug:
        _silence_libraries()
    quick_tensorflow()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # print `?` for what the encoding lacks rather than fail
            stream.reconfigure(errors="replace")
    try:
        _refuse_empty(sys.argv[1:])
        with interrupts_told(), _interrupts_kept(), _signals_as_interrupts(), _warnings_printed():
            code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        # Typer's own errors are those of click or of its copy of click, depending on its version.
        if hasattr(error, "format_message"):
            _fail(error.format_message(), error.exit_code)
        if debug:
            raise
        _fail(one_line(error), exit_code(error))
    if code == _INTERRUPTED:
        fail_interrupted("Nothing half-written was left behind.")
    sys.exit(code)


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line, with advice for errors of the file system."""
    if isinstance(error, OSError) and error.strerror:
        # A message of our own has its own advice.
        plain = error.errno in _ADVICE and error.strerror.startswith(os.strerror(error.errno))
        advice = f" {_ADVICE[error.errno]}." if plain else ""
        return printable(f"{error.filename or 'output'}: {error.strerror}.{advice}")
    if isinstance(error, ModuleNotFoundError) and error.name == "jax":
        return "KERAS_BACKEND=jax needs another package: pip install 'tfsep[jax]'."
    # An argument of Python and the option of the command, such as "resume=True (--resume)": the option alone.
    text = _ARGUMENT.sub(r"\1", " ".join(str(error).split()))
    return printable(text) or f"{type(error).__name__} (see --debug)"


def printable(text: str) -> str:
    """Return text with `?` for characters that would break a line or control the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def exit_code(error: BaseException) -> int:
    """Return 2 for errors that the caller can correct by another call, 1 for failures."""
    return 2 if isinstance(error, _WRONG_USE) else 1


def fail_interrupted(advice: str) -> None:
    """Exit after Ctrl-C, SIGTERM or SIGHUP; say which one and what to do."""
    if _signal in (None, signal.SIGINT):
        _fail(f"Interrupted. {advice}", 1)
    _fail(f"Ended by {signal.Signals(_signal).name}. {advice}", 128 + _signal)


@contextmanager
def interrupts_told() -> Iterator[None]:
    """Re-raise a Ctrl-C during tracing, which TensorFlow turns into another error, as KeyboardInterrupt."""
    try:
        yield
    except Exception as error:
        if _signal is None:
            raise
        raise KeyboardInterrupt from error


def restart(*options: str) -> NoReturn:
    """Replace this process by another one of the same command with further options."""
    sys.stdout.flush()
    with contextlib.suppress(AttributeError, OSError, ValueError):
        os.dup2(sys.stderr.fileno(), 2)  # see `_silence_libraries`
    arguments = sys.argv[1:]
    added = [option for option in options if option not in arguments]
    os.execv(sys.executable, [sys.executable, "-m", "tfsep", *arguments, *added])


def _refuse_empty(arguments: list[str]) -> None:
    """Raise ValueError for an empty argument: as a path it would be the current folder."""
    for before, argument in itertools.pairwise(["tfsep", *arguments]):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            raise ValueError(f"There is nothing after {argument or before}. Is a variable of the shell not set?")


def _fail(message: str, code: int) -> None:
    print(f"tfsep: {message}", file=sys.stderr)
    sys.exit(code)


@contextmanager
def _warnings_printed() -> Iterator[None]:
    """Print log messages and warnings of the package, one line each, above any progress bar."""
    from tqdm import tqdm

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tqdm.write(self.format(record), file=sys.stderr)

    shown = set()

    def show(message: Warning, *_) -> None:
        if str(message) not in shown:  # a file is read more than once
            shown.add(str(message))
            tqdm.write(str(message), file=sys.stderr)

    printer = Printer(logging.WARNING)
    logging.getLogger("tfsep").addHandler(printer)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("default", category=UserWarning, module="tfsep")
            warnings.showwarning = show
            yield
    finally:
        logging.getLogger("tfsep").removeHandler(printer)


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Clean up after SIGTERM (`docker stop`, time limits of jobs) and SIGHUP as after Ctrl-C; remember which came."""

    def interrupt(number: int, frame) -> None:
        global _signal
        _signal = _signal or number  # a repeated interrupt (`_interrupts_kept`) arrives as SIGINT
        raise KeyboardInterrupt

    global _signal
    _signal = None
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # Ignored signals stay ignored, as under nohup.
    plain = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: signal.signal(number, interrupt) for number in signals if signal.getsignal(number) in plain}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Repeat a Ctrl-C that arrives during a finaliser, where Python drops it, and print no traceback of it.

    An interrupt in the midst of TensorFlow's C++ is printed there as another error, by `sys.excepthook`.
    """
    unraisable, uncaught = sys.unraisablehook, sys.excepthook

    def keep(lost) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            if _signal is None:
                unraisable(lost)
            return
        again = threading.Timer(0.1, _thread.interrupt_main)
        again.daemon = True
        again.start()

    def report(*error) -> None:
        if _signal is None:
            uncaught(*error)

    sys.unraisablehook, sys.excepthook = keep, report
    try:
        yield
    finally:
        # Finalizers may run at exit, when this module's globals are gone.
        sys.unraisablehook = unraisable if _signal is None else lambda lost: None
        sys.excepthook = uncaught


def _silence_libraries() -> None:
    """Reserve standard error for tfsep: C libraries (TensorFlow, mpg123) print notes there, and loggers warnings."""
    logging.getLogger().addHandler(_NOWHERE)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if sys.stderr.fileno() != 2:
            return
    except (AttributeError, OSError, ValueError):  # no file, as in a notebook
        return
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)
