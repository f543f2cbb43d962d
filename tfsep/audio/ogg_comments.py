"""Replacement of the comments in vorbis and opus files, with new page numbers and checksums."""

import mmap
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from tfsep.audio.ogg import checksum

_CONTINUED = 1  # flag of a page that begins in the middle of a packet


def replace(source: BinaryIO, target: BinaryIO, make_comments: Callable[[bytes], bytes]) -> None:
    """Copy a vorbis or opus file with other comments.

    Args:
        source, target: binary files.
        make_comments: function from the old comments in Vorbis's format to the new ones.
    """
    with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        pages = _contents(data)
        first, _, identification = next(pages)
        target.write(first)
        is_vorbis = identification.startswith(b"\x01vorbis")
        magic, end = (b"\x03vorbis", b"\x01") if is_vorbis else (b"OpusTags", b"")
        packets, packet = [], b""  # the comments, and in vorbis the codebooks
        while len(packets) < (2 if is_vorbis else 1):
            _, sizes, content = next(pages)
            for size in sizes:
                packet, content = packet + content[:size], content[size:]
                if size < 255:
                    packets.append(packet)
                    packet = b""
        if packet or not packets[0].startswith(magic):
            raise ValueError("its headers are no vorbis and no opus")
        packets[0] = magic + make_comments(packets[0][len(magic) :]) + end
        number = 1
        for page in _header_pages(packets, first[14:18]):
            target.write(page)
            number += 1
        for page, _, _ in pages:
            target.write(_sealed(page[:18] + struct.pack("<I", number) + page[22:]))
            number += 1


def _contents(data: mmap.mmap) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield each page of an intact file whole, the sizes of its segments, and its content."""
    position = 0
    while position < len(data):
        count = data[position + 26]
        sizes = data[position + 27 : position + 27 + count]
        begin = position + 27 + count
        end = begin + sum(sizes)
        yield data[position:end], sizes, data[begin:end]
        position = end


def _header_pages(packets: list[bytes], stream: bytes) -> Iterator[bytes]:
    sizes = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    content, position, flags = b"".join(packets), 0, 0
    for number, start in enumerate(range(0, len(sizes), 255), 1):
        segments = sizes[start : start + 255]
        end = position + sum(segments)
        # The position in samples; -1 where no packet ends.
        time = 0 if min(segments) < 255 else -1
        head = struct.pack("<4sBBq4sIIB", b"OggS", 0, flags, time, stream, number, 0, len(segments))
        yield _sealed(head + segments + content[position:end])
        position, flags = end, _CONTINUED if segments[-1] == 255 else 0


def _sealed(page: bytes) -> bytes:
    """Return a page with its checksum."""
    return page[:22] + struct.pack("<I", checksum(page[:22] + bytes(4) + page[26:])) + page[26:]
