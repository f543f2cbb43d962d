import logging
import re

import pytest

from tfsep import progress
from tfsep.progress import progress_bar


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by three seconds at each call."""
    now = iter(range(0, 10**6, 3))
    monkeypatch.setattr(progress, "time", type("Clock", (), {"monotonic": lambda: float(next(now))}))


def steps(count, **options):
    with progress_bar("decoding", count, unit="track", **options) as bar:
        for _ in range(count):
            bar.update()


def test_a_log_has_plain_lines_at_intervals(clock, capsys):
    steps(30)
    lines = capsys.readouterr().err.splitlines()
    assert 3 <= len(lines) <= 10
    assert all(re.fullmatch(r"decoding: \d+/30 tracks", line) for line in lines)


def test_short_work_writes_a_line_only_with_leave(capsys):
    steps(30)
    assert capsys.readouterr().err == ""
    steps(30, leave=True)
    assert capsys.readouterr().err == "decoding: 30/30 tracks\n"
    steps(30, leave=True, disable=True)
    assert capsys.readouterr().err == ""


def test_work_without_units_is_shown_in_percent(clock, capsys):
    with progress_bar("song.wav") as bar:
        bar.total = 1000
        for done in range(0, 1001, 50):
            bar.update(done - bar.n)
            bar.set_postfix({"loss": "0.5"})
    assert re.match(r"song\.wav: \d+%, loss=0\.5\n", capsys.readouterr().err)


def test_messages_do_not_break_the_bar_of_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_bar("decoding", 2, unit="track", mininterval=0) as bar:
        bar.update()
        logging.getLogger("tfsep").warning("song has no bass")
        bar.update()
    written = capsys.readouterr().err
    assert "50%" in written
    # The bar is erased before the message and drawn again after it.
    assert re.search(r"\r +\rsong has no bass\n\r?decoding", written)
