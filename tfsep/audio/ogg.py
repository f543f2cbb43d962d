"""The pages of an ogg file, checked without decoding them (https://www.rfc-editor.org/rfc/rfc3533)."""

import contextlib
import mmap
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from tfsep.audio.formats import damaged

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FIRST, _LAST = 2, 4  # flags of the pages that begin and end a stream
_NOT_GIVEN = b"\xff" * 8  # granule position of a page on which no packet ends
# Samples of a frame of Opus at 48 kHz by its configuration (https://www.rfc-editor.org/rfc/rfc6716#section-3.1).
_OPUS_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


class _Page(NamedTuple):
    start: int
    end: int
    is_first: bool  # of its stream
    is_last: bool
    is_header: bool
    stream: bytes
    number: int
    is_intact: bool


def check(path: str) -> int:
    """Return the bytes that the pages of a file announce; raise `AudioError` for missing or damaged pages."""
    with _mapped(path) as data:
        pages = list(_pages(data))
        is_cut = pages[-1].end > len(data)
    lost = _lost_pages(pages[:-1] if is_cut else pages)
    if lost:
        raise damaged(path, f"is damaged: {lost} of its pages are missing or fail their checksums")
    return pages[-1].end


def is_plain(path: str) -> bool:
    """Whether libsndfile reads a file right: one stream with its last page, in Opus one whose time begins at 0.

    Of several streams, one after the other or side by side, it reads the first. It takes Opus without a last page, as
    recorded from the air, for damaged, and does not skip what precedes the music where the time begins later.
    """
    with _mapped(path) as data:
        pages = list(_pages(data))
        audio = next((page for page in pages if not page.is_header), None)
        if audio is None or sum(page.is_first for page in pages) != 1:
            return False
        return _opus_head(data) < 0 or (pages[-1].is_last and _begins_at_zero(data[audio.start : audio.end]))


def has_ordered_channels(path: str) -> bool:
    """Whether the channels of an Opus file have the order of Vorbis (families 0 and 1), not one of their own."""
    with _mapped(path) as data:
        return data[_opus_head(data) + 18] <= 1


@contextlib.contextmanager
def _mapped(path: str) -> Iterator[mmap.mmap]:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _opus_head(data: mmap.mmap) -> int:
    """Return where the first packet of an Opus stream begins, behind the head of its page; -1 for other streams."""
    page = data.find(b"OggS")
    return data.find(b"OpusHead", page, page + 64)


def _begins_at_zero(page: bytes) -> bool:
    """Whether the first page with audio of an Opus stream ends no later than its packets last."""
    samples, position = 0, 27 + page[26]
    start = position
    for size in page[27:position]:
        position += size
        if size < 255:
            samples += _opus_samples(page[start:position])
            start = position
    return int.from_bytes(page[6:14], "little", signed=True) <= samples


def _opus_samples(packet: bytes) -> int:
    head, count = packet[:2].ljust(2, b"\0")
    return _OPUS_FRAMES[head >> 3] * (1, 2, 2, count & 63)[head & 3]


def _pages(data: mmap.mmap) -> Iterator[_Page]:
    position = 0
    while (position := data.find(b"OggS", position)) >= 0:
        head = data[position : position + 27 + 255].ljust(27, b"\xff")
        lacing = head[27 : 27 + head[26]]
        start, position = position, position + 27 + len(lacing) + sum(lacing)
        page = data[start:position]
        # Decoders end the stream at the position of a page that should give one.
        is_numbered = head[6:14] != _NOT_GIVEN or all(size == 255 for size in lacing)
        yield _Page(
            start=start,
            end=position,
            is_first=bool(head[5] & _FIRST),
            is_last=bool(head[5] & _LAST),
            is_header=head[6:14] == bytes(8),  # no sample is complete
            stream=head[14:18],
            number=int.from_bytes(head[18:22], "little"),
            is_intact=is_numbered
            and checksum(page[:22] + bytes(4) + page[26:]) == int.from_bytes(head[22:26], "little"),
        )


def checksum(page: bytes) -> int:
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
