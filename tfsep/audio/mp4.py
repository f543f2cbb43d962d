"""The atoms of m4a and mp4 files: what FFmpeg's libraries do not read or write (ISO/IEC 14496-12)."""

import os
import shutil
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_LARGEST_INDEX = 1 << 27  # bytes


class _Atom(NamedTuple):
    name: bytes
    position: int  # of its size
    content: int
    end: int


def atom(name: bytes, *content: bytes) -> bytes:
    """Return an atom: its size, its name and its content."""
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), name) + joined


def has_exact_end(path: str, sample_rate: int) -> bool:
    """Whether edit lists give the delay and length of the audio in samples; mostly they count milliseconds."""
    with open(path, "rb") as file:
        moov = next((one for one in _atoms(file, 0, _size(file)) if one.name == b"moov"), None)
        if moov is None or moov.end - moov.position > _LARGEST_INDEX:
            return False
        inside = list(_atoms(file, moov.content, moov.end))
        for one in inside:
            if one.name == b"mvhd" and _time_scale(file, one) != sample_rate:
                return False
        return any(_has_edits(file, one) for one in inside if one.name == b"trak")


def read_bpm(path: str) -> str:
    """Return the beats a minute, which FFmpeg does not read; empty if there are none."""
    with open(path, "rb") as file:
        place = _Atom(b"", 0, 0, _size(file))
        for name in (b"moov", b"udta", b"meta", b"ilst", b"tmpo", b"data"):
            start = place.content + 4 * (place.name == b"meta")  # after its version
            place = next((one for one in _atoms(file, start, place.end) if one.name == name), None)
            if place is None:
                return ""
        bpm = int.from_bytes(_read(file, place.content + 8, min(place.end, place.content + 12)), "big")
        return str(bpm) if bpm else ""


def replace_user_data(source: BinaryIO, target: BinaryIO, *atoms: bytes) -> None:
    """Copy a file whose last atom is `moov`, with these atoms in its user data; no audio moves.

    Atoms of the same names are replaced, others stay.
    """
    *_, moov = _atoms(source, 0, _size(source))
    if moov.name != b"moov":
        raise ValueError("its index is not at its end")
    replaced = {one[4:8] for one in atoms}
    kept, user_data = [], []
    for one in _atoms(source, moov.content, moov.end):
        if one.name == b"udta":
            inside = _atoms(source, one.content, one.end)
            user_data += [_read(source, two.position, two.end) for two in inside if two.name not in replaced]
        else:
            kept.append(_read(source, one.position, one.end))
    source.seek(0)
    shutil.copyfileobj(source, target)
    target.seek(moov.position)
    target.truncate()
    target.write(atom(b"moov", *kept, atom(b"udta", *user_data, *atoms)))


def _atoms(file: BinaryIO, start: int, end: int) -> Iterator[_Atom]:
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        content = start + 8
        if size == 1:
            size, content = int.from_bytes(file.read(8), "big"), content + 8
        stop = min(start + max(size, 8), end) if size else end
        yield _Atom(name, start, content, stop)
        start = stop


def _time_scale(file: BinaryIO, mvhd: _Atom) -> int:
    content = _read(file, mvhd.content, mvhd.end)
    offset = 20 if content[:1] == b"\1" else 12  # after two times of 64 or 32 bits
    return int.from_bytes(content[offset : offset + 4], "big")


def _has_edits(file: BinaryIO, trak: _Atom) -> bool:
    edits = (one for one in _atoms(file, trak.content, trak.end) if one.name == b"edts")
    return any(one.name == b"elst" for edit in edits for one in _atoms(file, edit.content, edit.end))


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
