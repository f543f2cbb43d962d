"""Pages of scores and sound: one self-contained HTML file each."""

from __future__ import annotations

from tfsep.report.report import write_report
from tfsep.report.stems_page import write_stems_page

__all__ = ["write_report", "write_stems_page"]


def __dir__() -> list[str]:
    return __all__
