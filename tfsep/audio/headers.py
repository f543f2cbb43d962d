"""What file headers say that the decoders do not pass on: files cut short, streamed wav, uncounted mp3."""

import os
import struct
from typing import BinaryIO

from tfsep.audio.formats import AudioError

# A writer that cannot seek back leaves one of these as the size: 0 or all ones by custom, the third is SoX's.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFF000)
_OGG_PAGE_LIMIT = 65307


def check_complete(path: str) -> None:
    """Raises `AudioError` for a wav or ogg file that is shorter than its own headers say.

    libsndfile reads what is left of such a file without a word; it does notice a flac or an mp3.
    """
    with open(path, "rb") as file:
        magic = file.read(4)
        if magic in (b"RIFF", b"RF64"):
            end = _wav_end(file)
        elif magic == b"OggS":
            end = _ogg_end(file)
        else:
            return
    size = os.path.getsize(path)
    if end > size:
        raise AudioError(f"{path}: is truncated: its headers announce {end} bytes, and it has {size}.")


def is_streamed_wav(path: str) -> bool:
    """Whether a wav file was written to a pipe, so that its sizes were never filled in."""
    with open(path, "rb") as file:
        magic, size = struct.unpack("<4sI", file.read(8))
    return magic == b"RIFF" and size in _UNKNOWN_SIZES


def counts_mp3_frames(path: str) -> bool:
    """Whether an mp3 file starts with a Xing or Info header that gives the number of its frames.

    Without one libmpg123 guesses the length from the bit rate, which is wrong by a little for a constant
    and by any factor for a variable one.
    """
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # its size has seven bits a byte
            file.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
        else:
            file.seek(0)
        frame = file.read(4096)
    found = max(frame.find(b"Xing"), frame.find(b"Info"))
    return found >= 0 and len(frame) > found + 7 and bool(frame[found + 7] & 1)


def _wav_end(file: BinaryIO) -> int:
    """Bytes that a wav file should have, as far as its headers say."""
    (riff_size,) = struct.unpack("<I", file.read(4))
    data_size_64 = None
    position = 12
    while True:
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return position + 8  # the file ends before its data chunk
        name, size = struct.unpack("<4sI", header)
        if name == b"ds64":
            data_size_64 = struct.unpack("<8xQ", file.read(16))[0]
        if name == b"data":
            break
        position += 8 + size + size % 2
    if size == 0xFFFFFFFF and data_size_64:
        return position + 8 + data_size_64
    if size in _UNKNOWN_SIZES:
        return position + 8
    # The size of the whole does not count its own eight bytes, but some writers do count them.
    riff_end = 0 if riff_size in _UNKNOWN_SIZES else riff_size
    return max(position + 8 + size, riff_end)


def _ogg_end(file: BinaryIO) -> int:
    """Bytes that an ogg file should have: to the end of its last page."""
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - _OGG_PAGE_LIMIT))
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0:
        return 0
    segments = tail[page + 26] if len(tail) > page + 26 else 255
    lengths = tail[page + 27 : page + 27 + segments]
    return start + page + 27 + segments + sum(lengths)
