"""Progress as a bar in a terminal, or as lines at intervals in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

# Seconds between two lines in a log.
_INTERVAL = 10.0


@contextmanager
def progress_bar(title: str, total: int | None = None, *, unit: str = "", leave: bool = False, **options):
    """Show progress on standard error while the block runs; messages of `logging` do not break the bar.

    Args:
        title: str.
        total: int, number of steps. Defaults to None, not known yet.
        unit: str, name of a step. Defaults to `""`, which shows progress in percent.
        leave: bool, keep the bar when the work is done. Defaults to False.
        **options: further options of `tqdm`.

    Yields:
        An object with `n`, `total`, `update(steps)` and `set_postfix(values)`: `tqdm` or `Lines`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield Lines(title, total, unit, leave, options.get("initial", 0), options.get("disable", False))
        return
    with logging_redirect_tqdm(), tqdm(desc=title, total=total, unit=unit, leave=leave, **options) as bar:
        yield bar


class Lines:
    """Progress as plain lines at intervals. Without `leave`, short work writes none."""

    def __init__(self, title: str, total: int | None, unit: str, leave: bool, initial: int, disable: bool):
        self.title, self.total, self.unit, self.n = title, total, unit, initial
        self.leave, self.disable, self.postfix = leave, disable, ""
        self._written = time.monotonic()

    def update(self, steps: int = 1) -> None:
        self.n += steps
        due = time.monotonic() - self._written >= _INTERVAL
        if (due or (self.leave and self.n == self.total)) and not self.disable:
            self._written, self.leave = time.monotonic(), True
            print(f"{self.title}: {self._share()}{self.postfix}", file=sys.stderr, flush=True)

    def set_postfix(self, values: dict) -> None:
        self.postfix = "".join(f", {name}={value}" for name, value in values.items())

    def _share(self) -> str:
        if not self.total:
            return str(self.n)
        return f"{self.n}/{self.total} {self.unit}s" if self.unit else f"{100 * self.n / self.total:.0f}%"
