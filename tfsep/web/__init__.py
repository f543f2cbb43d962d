"""A local page that separates songs, of `tfsep web`."""

from __future__ import annotations

from tfsep.web.front_end import page_files

__all__ = ["page_files"]


def __dir__() -> list[str]:
    return __all__
