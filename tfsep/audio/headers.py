"""What file headers say that the decoders do not pass on: files cut short, streamed files, joined ogg."""

import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from tfsep.audio.formats import damaged
from tfsep.audio.mp3 import syncsafe

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"
_MATROSKA = b"\x1a\x45\xdf\xa3"
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_OGG_FIRST = 2  # the flag of a page that begins a stream
# Chunks before the sound; a file has few, and a damaged one may seem to have millions.
_MOST_CHUNKS = 4096
_LARGEST_INDEX = 1 << 27  # bytes
_NAME = re.compile(rb"[ -~]{4}")


def check_complete(path: str) -> None:
    """Raises `AudioError` for a file (wav, w64, aiff, caf, au, ogg, matroska, avi) that lacks bytes by its own headers.

    The decoders read what is left of such a file without a word; they do notice a flac or an m4a.
    """
    with open(path, "rb") as file:
        _skip_id3(file)
        begin = file.tell()
        magic = file.read(16)
        if magic[:4] == b"caff" or magic == _W64_RIFF or magic[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
            end = _chunks_end(file, begin, magic)
        elif magic[:4] == b".snd":
            offset, size = _number(magic[4:8], "big"), _number(magic[8:12], "big")
            end = begin + (0 if _is_unknown(size, 32) else offset + size)
        elif magic[:4] == b"RIFF" and magic[8:12] == b"AVI ":
            size = _number(magic[4:8], "little")
            end = begin + (0 if _is_unknown(size, 32) else size)
        elif magic[:4] == _MATROSKA:
            end = _matroska_end(file)
        elif magic[:4] == b"OggS":
            pages = list(_ogg_pages(file))
            end = pages[-1].end
            lost = _lost_ogg_pages(pages if end <= os.fstat(file.fileno()).st_size else pages[:-1])
            if lost:
                raise damaged(path, f"is damaged: {lost} of its pages are missing or fail their checksums")
        else:
            return
        size = file.seek(0, os.SEEK_END)
    if end > size:
        raise damaged(path, f"is truncated: its headers announce {end} bytes, and it has {size}")


def leaves_data_size_open(path: str) -> bool:
    """Whether sound follows in a wav file whose data chunk claims no bytes: that of a writer that could not seek."""
    with open(path, "rb") as file:
        _skip_id3(file)
        begin = file.tell()
        magic = file.read(16)
        if magic[:4] != b"RIFF":
            return False
        for name, position, size in _chunks(file, begin, magic):
            if name == b"data":
                end = file.seek(0, os.SEEK_END)
                return size == 0 and position < end and not _holds_chunks(file, position, end)
    return False


def channel_layouts(path: str) -> list[tuple[int, list[int]]]:
    """Core Audio's layout tags, and the label of each channel, that a caf, aiff or mov file states."""
    with open(path, "rb") as file:
        _skip_id3(file)
        begin = file.tell()
        magic = file.read(16)
        if magic[:4] == b"caff" or magic[8:12] in (b"AIFF", b"AIFC"):
            places = [position for name, position, _ in _chunks(file, begin, magic) if name in (b"chan", b"CHAN")]
        else:
            places = list(_mov_layouts(file))
        layouts = []
        for place in places:
            file.seek(place)
            tag, _, count = struct.unpack(">III", file.read(12).ljust(12, b"\0"))
            labels = file.read(20 * min(count, 255))
            layouts.append((tag, [_number(labels[at : at + 4], "big") for at in range(0, len(labels), 20)]))
        return layouts


def _mov_layouts(file: BinaryIO) -> Iterator[int]:
    """Yields where the content of each `chan` atom begins in the `moov` atom of a file."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    while position + 8 <= end:
        file.seek(position)
        size, name = struct.unpack(">I4s", file.read(8))
        size = _number(file.read(8), "big") if size == 1 else size or end - position
        if name == b"moov":
            file.seek(position)
            moov = file.read(min(size, _LARGEST_INDEX))
            # Size, name, version and flags.
            yield from (position + found.end() for found in re.finditer(rb"\0\0..chan\0{4}", moov, re.DOTALL))
        position += max(size, 8)


def is_joined_ogg(path: str) -> bool:
    """Whether an ogg file holds several streams, one after the other or side by side; libsndfile reads the first."""
    with open(path, "rb") as file:
        return sum(page.is_first for page in _ogg_pages(file)) > 1


def _is_unknown(size: int, bits: int) -> bool:
    """Whether a writer that cannot seek back, as in a pipe, leaves `size` in a header of so many bits.

    0 is a size that was never filled in (FFmpeg's aiff and RF64, GStreamer, SoX's w64). All ones come from FFmpeg
    and mpg123. The largest signed number (lame, opusdec), or what a round number of blocks below it leaves (SoX and
    espeak, 0x7FFFF000; faad; arecord, 0x80000000), comes with the size of the headers added or taken off (36, 44).
    SoX's aiff has 0x7F000000. Nothing else that a file falls short of is a convention: it was cut.
    """
    if size == 0:
        return True
    return any(abs(size - base) <= 4096 for base in (1 << bits, 1 << (bits - 1), *([0x7F000000] * (bits == 32))))


def _chunks_end(file: BinaryIO, begin: int, magic: bytes) -> int:
    """Bytes that a file of chunks should have, as far as its headers say."""
    order = "big" if magic[:4] == b"FORM" else "little"
    bits = 64 if magic == _W64_RIFF or magic[:4] == b"caff" else 32
    size_of_all = 0
    if magic[:4] in (b"RIFF", b"FORM"):
        # It does not count its own eight bytes, but some writers do count them.
        size_of_all = _number(magic[4:8], order)
        size_of_all = 0 if _is_unknown(size_of_all, 32) else size_of_all
    size_in_ds64 = None
    for name, position, size in _chunks(file, begin, magic):
        if name == b"ds64":
            file.seek(position + 8)
            size_in_ds64 = _number(file.read(8), "little")
        if name in (b"data", b"SSND"):
            if size == 0xFFFFFFFF and size_in_ds64 is not None:
                size, bits = size_in_ds64, 64
            return max(position + (0 if _is_unknown(size, bits) else size), begin + size_of_all)
    return position


def _chunks(file: BinaryIO, begin: int, magic: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, position of its content, size) of each chunk, up to the one with the sound."""
    wide, caf = magic == _W64_RIFF, magic[:4] == b"caff"
    order = "big" if caf or magic[:4] == b"FORM" else "little"
    head_size, padding = (24, 8) if wide else (12, 1) if caf else (8, 2)
    position = begin + (40 if wide else 8 if caf else 12)
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(head_size)
        name, size = head[:4], _number(head[16:] if wide else head[4:], order)
        if wide:
            size = max(0, size - head_size)  # it counts its own header
        position += head_size
        yield name, position, size
        if name in (b"data", b"SSND") or not _NAME.fullmatch(name):
            return
        position = min(position + size + -size % padding, os.fstat(file.fileno()).st_size)


def _holds_chunks(file: BinaryIO, position: int, end: int) -> bool:
    """Whether nothing but chunks lies between two positions of a wav file."""
    while position + 8 <= end:
        file.seek(position)
        name, size = file.read(4), _number(file.read(4), "little")
        if not _NAME.fullmatch(name):
            return False
        position += 8 + size + size % 2
    return end <= position <= end + 1


def _matroska_end(file: BinaryIO) -> int:
    """Bytes that a matroska or webm file should have: to the end of its segment, where that has a size."""
    file.seek(4)
    size, _ = _matroska_size(file)
    file.seek(size + 4, os.SEEK_CUR)  # the header, and the name of the segment
    size, is_unknown = _matroska_size(file)
    return 0 if is_unknown else file.tell() + size


def _matroska_size(file: BinaryIO) -> tuple[int, bool]:
    """A size, in whose first byte the zeros before the first one count the bytes that follow; all ones: unknown."""
    first = _number(file.read(1), "big")
    length = 8 - first.bit_length()
    size = (first & (0x7F >> length)) << 8 * length | _number(file.read(length), "big")
    return min(size, 1 << 40), size == (1 << 7 * (length + 1)) - 1


class _Page(NamedTuple):
    end: int
    is_first: bool  # of its stream
    is_header: bool
    stream: bytes
    number: int
    is_intact: bool


def _ogg_pages(file: BinaryIO) -> Iterator[_Page]:
    """Goes through the pages of an ogg file."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while (position := data.find(b"OggS", position)) >= 0:
            head = data[position : position + 27 + 255].ljust(27, b"\xff")
            size = 27 + head[26] + sum(head[27 : 27 + head[26]])
            page = data[position : position + size]
            position += size
            yield _Page(
                end=position,
                is_first=bool(head[5] & _OGG_FIRST),
                is_header=head[6:14] == bytes(8),  # no sample is complete
                stream=head[14:18],
                number=_number(head[18:22], "little"),
                is_intact=_ogg_checksum(page[:22] + bytes(4) + page[26:]) == _number(head[22:26], "little"),
            )


def _ogg_checksum(page: bytes) -> int:
    """Ogg's checksum: that of zlib with the bits in the other direction, no preset and no inversion."""
    checksum = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{checksum:032b}"[::-1], 2)


def _lost_ogg_pages(pages: list[_Page]) -> int:
    """Pages that decoders will pass over, or that are missing behind one with sound."""
    lost, last = 0, {}
    for page in pages:
        before = last.get(page.stream)
        is_behind = before is not None and not page.is_first and not before.is_header
        lost += not page.is_intact or (is_behind and page.number != before.number + 1)
        last[page.stream] = page
    return lost


def _skip_id3(file: BinaryIO) -> None:
    """Goes to the end of an ID3v2 tag in front of any format."""
    head = file.read(10)
    file.seek(10 + syncsafe(head[6:]) if head[:3] == b"ID3" and len(head) == 10 else 0)


def _number(field: bytes, order: str) -> int:
    return int.from_bytes(field, order)
