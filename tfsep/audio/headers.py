"""What file headers say that the decoders do not report: files cut short, sizes left open, orders of channels."""

import contextlib
import io
import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from tfsep.audio import ogg
from tfsep.audio.formats import AudioError, damaged
from tfsep.audio.mp3 import syncsafe

_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"
_MATROSKA = b"\x1a\x45\xdf\xa3"
_FLAC = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # with the header of STREAMINFO, its first block
_FLAC_HEADER = 8  # bytes
_BLOCK = 1 << 20
_BIG = (b"FORM", b"RIFX")
_NAME = re.compile(rb"[ -~]{4}")
# Chunks before the audio; a file has few, and a damaged one may seem to have millions.
_MOST_CHUNKS = 4096
_LARGEST_INDEX = 1 << 27  # bytes


class _Family(NamedTuple):
    """How a file of chunks is laid out."""

    order: str
    name: int  # bytes of a chunk's name
    width: int  # bytes of a chunk's size
    first: int  # position of the first chunk
    padding: int
    counts_head: bool = False  # whether the size of a chunk includes its own name and size


class _Chunk(NamedTuple):
    name: bytes
    position: int  # of its content
    size: int
    field: int  # position of the size
    width: int  # bytes of the size


def check_complete(path: str) -> None:
    """Raise `AudioError` for a file (wav, w64, aiff, caf, au, ogg, matroska, avi) that is shorter than its headers say.

    The decoders read the remaining part of such a file without an error; they do report a flac or an m4a that was cut.
    A flac followed by another is refused, since both decoders lose or repeat samples where the second begins.
    """
    with open(path, "rb") as file:
        begin, magic = _begin(file)
        if _family(magic):
            end = _chunks_end(file, begin, magic)
        elif magic[:4] == b".snd":
            offset, size = struct.unpack(">II", magic[4:12].ljust(8, b"\0"))
            end = begin + (0 if _is_unknown(size, 32) else offset + size)
        elif magic[:4] == b"RIFF" and magic[8:12] == b"AVI ":
            size = int.from_bytes(magic[4:8], "little")
            end = begin + (0 if _is_unknown(size, 32) else size)
        elif magic[:4] == _MATROSKA:
            end = _matroska_end(file)
        elif magic[:4] == b"OggS":
            end = ogg.check(path)
        else:
            if magic[:4] == b"fLaC" and _contains_flac(file, begin + 4):
                raise AudioError(f"{path}: is several flac files joined; decode each and join the audio.")
            return
        size = _size(file)
    if end > size:
        raise damaged(path, f"is truncated: its headers announce {end} bytes, and it has {size}")


def _contains_flac(file: BinaryIO, position: int) -> bool:
    """Whether a flac begins at `position` or later."""
    file.seek(position)
    read = b""
    while block := file.read(_BLOCK):
        read = read[1 - _FLAC_HEADER :] + block
        if _FLAC.search(read):
            return True
    return False


@contextlib.contextmanager
def repaired(path: str) -> Iterator[io.FileIO | None]:
    """Open a wav, RF64, w64 or au file whose sizes were left open as if filled in; yield None for others."""
    with open(path, "rb") as file:
        fields = _missing_sizes(file)
    if not fields:
        yield None
        return
    with _Repaired(path, fields) as file:
        yield file


def channel_layouts(path: str) -> list[tuple[int, list[int]]]:
    """Return Core Audio's layout tags, and the label of each channel, that a caf, aiff or mov file states."""
    with open(path, "rb") as file:
        begin, magic = _begin(file)
        if magic[:4] == b"caff" or magic[8:12] in (b"AIFF", b"AIFC"):
            places = [chunk.position for chunk in _chunks(file, begin, magic) if chunk.name in (b"chan", b"CHAN")]
        else:
            places = list(_mov_layouts(file))
        layouts = []
        for place in places:
            file.seek(place)
            tag, _, count = struct.unpack(">III", file.read(12).ljust(12, b"\0"))
            labels = file.read(20 * min(count, 255))
            layouts.append((tag, [int.from_bytes(labels[at : at + 4], "big") for at in range(0, len(labels), 20)]))
        return layouts


class _Repaired(io.FileIO):
    """A file in which some bytes, by their position, read as others."""

    def __init__(self, path: str, fields: dict[int, bytes]):
        super().__init__(path)
        self._fields = fields

    def readinto(self, buffer) -> int:
        start, view = self.tell(), memoryview(buffer).cast("B")
        count = super().readinto(view)
        for position, field in self._fields.items():
            for index, byte in enumerate(field, position - start):
                if 0 <= index < count:
                    view[index] = byte
        return count

    def read(self, size: int = -1) -> bytes:
        buffer = bytearray(size if size >= 0 else _size(self))
        return bytes(buffer[: self.readinto(buffer)])


def _missing_sizes(file: BinaryIO) -> dict[int, bytes]:
    """Return what belongs into the size fields, by position, where the writer could not seek back to fill them in."""
    begin, magic = _begin(file)
    end = _size(file)
    if magic[:4] == b".snd":
        offset, size = struct.unpack(">II", magic[4:12].ljust(8, b"\0"))
        follows = end - begin - offset
        return {begin + 8: struct.pack(">I", follows)} if _is_unknown(size, 32) and 0 < follows < 1 << 32 else {}
    if magic[8:12] != b"WAVE" and magic != _W64:
        return {}
    chunks = list(_chunks(file, begin, magic))
    name, position, size, field, width = chunks[-1]
    follows = end - position
    is_open = size < follows and not _has_chunks(file, position, end) if size == 0 else size > follows
    if name != b"data" or not is_open or not _is_unknown(size, 8 * width):
        return {}
    if magic == _W64:
        return {begin + 16: struct.pack("<Q", end - begin), field: struct.pack("<Q", follows + 24)}
    fields = {field: min(follows, 256**width - 1).to_bytes(width, _family(magic).order)}
    return fields if width == 4 else {field - 8: struct.pack("<Q", end - begin - 8), **fields}


def _begin(file: BinaryIO) -> tuple[int, bytes]:
    """Return where a file begins, after an ID3v2 tag that may precede any format, and its first 16 bytes."""
    head = file.read(10)
    begin = 10 + syncsafe(head[6:]) if head[:3] == b"ID3" and len(head) == 10 else 0
    file.seek(begin)
    return begin, file.read(16)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _is_unknown(size: int, bits: int) -> bool:
    """Whether a writer that cannot seek back, as in a pipe, leaves `size` in a header of `bits` bits.

    0 is a size that was never filled in (FFmpeg's aiff and RF64, GStreamer, SoX's w64). All ones come from FFmpeg
    and mpg123. The largest signed number (lame, opusdec), or what a round number of blocks below it leaves (SoX and
    espeak, 0x7FFFF000; faad; arecord, 0x80000000), comes with the size of the headers added or taken off (36, 44).
    SoX's aiff has 0x7F000000. Any other size that a file falls short of is no convention: the file was cut.
    """
    if size == 0:
        return True
    return any(abs(size - base) <= 4096 for base in (1 << bits, 1 << (bits - 1), *([0x7F000000] * (bits == 32))))


def _family(magic: bytes) -> _Family | None:
    if magic == _W64:
        return _Family("little", name=16, width=8, first=40, padding=8, counts_head=True)
    if magic[:4] == b"caff":
        return _Family("big", name=4, width=8, first=8, padding=1)
    if magic[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        return _Family("big" if magic[:4] in _BIG else "little", name=4, width=4, first=12, padding=2)
    return None


def _chunks_end(file: BinaryIO, begin: int, magic: bytes) -> int:
    """Return the bytes that a file of chunks should have, as far as its headers say."""
    total = 0
    if magic[:4] in (b"RIFF", *_BIG):
        # The size excludes its own eight bytes, but some writers include them.
        total = int.from_bytes(magic[4:8], _family(magic).order)
        total = 0 if _is_unknown(total, 32) else total
    *_, last = _chunks(file, begin, magic)
    if last.name not in (b"data", b"SSND"):
        return last.position
    return max(last.position + (0 if _is_unknown(last.size, 8 * last.width) else last.size), begin + total)


def _chunks(file: BinaryIO, begin: int, magic: bytes) -> Iterator[_Chunk]:
    """Yield the chunks of a file up to the one with the audio, whose size may be in the chunk `ds64`."""
    family, end, wide = _family(magic), _size(file), None
    position = begin + family.first
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(family.name + family.width)
        name, size = head[:4], int.from_bytes(head[family.name :], family.order)
        field, position = position + family.name, position + family.name + family.width
        if family.counts_head:
            size = max(0, size - family.name - family.width)
        chunk = _Chunk(name, position, size, field, family.width)
        if name == b"ds64":
            file.seek(position + 8)
            wide = _Chunk(b"data", 0, int.from_bytes(file.read(8), "little"), position + 8, 8)
        elif name == b"data" and wide and size == 0xFFFFFFFF:
            chunk = wide._replace(position=position)
        yield chunk
        if name in (b"data", b"SSND") or not _NAME.fullmatch(name):
            return
        position = min(position + size + -size % family.padding, end)


def _has_chunks(file: BinaryIO, position: int, end: int) -> bool:
    """Whether nothing but chunks lies between two positions of a wav file."""
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        if not _NAME.fullmatch(name):
            return False
        position += 8 + size + size % 2
    return end <= position <= end + 1


def _mov_layouts(file: BinaryIO) -> Iterator[int]:
    """Yield where the content of each `chan` atom begins in the `moov` atom of a file."""
    position, end = 0, _size(file)
    while position + 8 <= end:
        file.seek(position)
        size, name = struct.unpack(">I4s", file.read(8))
        size = int.from_bytes(file.read(8), "big") if size == 1 else size or end - position
        if name == b"moov":
            file.seek(position)
            moov = file.read(min(size, _LARGEST_INDEX))
            # Size, name, version and flags.
            yield from (position + found.end() for found in re.finditer(rb"\0\0..chan\0{4}", moov, re.DOTALL))
        position += max(size, 8)


def _matroska_end(file: BinaryIO) -> int:
    """Return the bytes that a matroska or webm file should have: to the end of its segment, if that has a size."""
    file.seek(4)
    size, _ = _matroska_size(file)
    file.seek(size + 4, os.SEEK_CUR)  # the header, and the name of the segment
    size, is_unknown = _matroska_size(file)
    return 0 if is_unknown else file.tell() + size


def _matroska_size(file: BinaryIO) -> tuple[int, bool]:
    """Read a size, whose leading zero bits count the bytes that follow the first one; all ones mean unknown."""
    first = int.from_bytes(file.read(1), "big")
    length = 8 - first.bit_length()
    size = (first & (0x7F >> length)) << 8 * length | int.from_bytes(file.read(length), "big")
    return min(size, 1 << 40), size == (1 << 7 * (length + 1)) - 1
