"""The pages of an ogg file, checked without decoding them (https://www.rfc-editor.org/rfc/rfc3533)."""

import mmap
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from tfsep.audio.formats import damaged

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FIRST = 2  # flag of a page that begins a stream


class _Page(NamedTuple):
    end: int
    is_first: bool  # of its stream
    is_header: bool
    stream: bytes
    number: int
    is_intact: bool


def check(path: str) -> int:
    """Return the bytes that the pages of a file announce; raise `AudioError` for missing or damaged pages."""
    with open(path, "rb") as file:
        pages = list(_pages(file))
        is_cut = pages[-1].end > file.seek(0, 2)
    lost = _lost_pages(pages[:-1] if is_cut else pages)
    if lost:
        raise damaged(path, f"is damaged: {lost} of its pages are missing or fail their checksums")
    return pages[-1].end


def is_joined(path: str) -> bool:
    """Whether a file has several streams, one after the other or side by side; libsndfile reads the first."""
    with open(path, "rb") as file:
        return sum(page.is_first for page in _pages(file)) > 1


def _pages(file: BinaryIO) -> Iterator[_Page]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while (position := data.find(b"OggS", position)) >= 0:
            head = data[position : position + 27 + 255].ljust(27, b"\xff")
            size = 27 + head[26] + sum(head[27 : 27 + head[26]])
            page = data[position : position + size]
            position += size
            yield _Page(
                end=position,
                is_first=bool(head[5] & _FIRST),
                is_header=head[6:14] == bytes(8),  # no sample is complete
                stream=head[14:18],
                number=int.from_bytes(head[18:22], "little"),
                is_intact=_checksum(page[:22] + bytes(4) + page[26:]) == int.from_bytes(head[22:26], "little"),
            )


def _checksum(page: bytes) -> int:
    """Ogg's checksum: that of zlib with the bits in reverse order, no preset and no inversion."""
    checksum = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{checksum:032b}"[::-1], 2)


def _lost_pages(pages: list[_Page]) -> int:
    """Count the pages that decoders would skip, and gaps in the numbers of pages after the first with audio."""
    lost, last = 0, {}
    for page in pages:
        before = last.get(page.stream)
        follows = before is not None and not page.is_first and not before.is_header
        lost += not page.is_intact or (follows and page.number != before.number + 1)
        last[page.stream] = page
    return lost
