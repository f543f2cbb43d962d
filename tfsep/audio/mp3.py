"""The frames of an mp3 file, counted without decoding them."""

import dataclasses
import mmap
import re

from tfsep.audio.formats import damaged

_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_SYNC = re.compile(rb"\xff[\xe2-\xff]", re.DOTALL)
_LYRICS_END = re.compile(rb"LYRICS200|LYRICSEND", re.DOTALL)
_NOT_ZERO = re.compile(rb"[^\0]", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Frames:
    """What the frames of an mp3 file tell.

    Attributes:
        count: int, complete frames, including that of the Xing or Info header.
        announced: int, frames that a Xing or Info header announces, without its own; 0 without such a header.
        runs: int, stretches of adjacent frames; more than 1 if tags, foreign bytes or another rate separate them.
        torn: bool, whether foreign bytes separate frames.
        cut: bool, whether the last frame is incomplete, or foreign bytes follow it.
    """

    count: int
    announced: int
    runs: int
    torn: bool
    cut: bool


def scan(path: str) -> Frames | None:
    """Count the frames of `path`; return None if it has no frames of a known length."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _scan(data)


def check(path: str) -> Frames | None:
    """Count frames as `scan` does; raise `AudioError` for a file with foreign bytes between its frames, or a cut one.

    A Xing header alone proves nothing: it stays when frames are cut out, joined or streamed.
    """
    frames = scan(path)
    if frames and frames.torn:
        raise damaged(path, "is damaged: bytes that are no mp3 lie between its frames")
    if frames and frames.cut and frames.announced >= frames.count:
        raise damaged(path, f"is truncated: contains {frames.count - 1} of {frames.announced} frames")
    return frames


def begins_frame(data: bytes) -> bool:
    """Whether bytes begin with the header of a frame."""
    return _frame_size(data, 0, None) > 0


def _scan(data: mmap.mmap) -> Frames | None:
    position = _skip_tags(data, 0)
    first = _next_frame(data, position, None)
    if first is None:
        return None
    kind = data[first + 1] & 0xFE, data[first + 2] & 0x0C  # version, layer, rate
    count, runs, torn, position = 0, 1, False, first
    while True:
        size = _frame_size(data, position, kind)
        if size and position + size <= len(data):
            count += 1
            position += size
            continue
        if size:
            return Frames(count, _announced(data, first), runs, torn, cut=True)
        after = _skip_tags(data, position)
        resumed = _next_frame(data, after, kind)
        if resumed is None:
            runs += _next_frame(data, after, None) is not None
            return Frames(count, _announced(data, first), runs, torn, cut=after < len(data))
        runs += 1
        torn |= resumed > after
        position = resumed


def _frame_size(data: mmap.mmap | bytes, position: int, kind: tuple[int, int] | None) -> int:
    """Return the bytes of the frame at `position`; 0 if there is none of that kind, or its size is free."""
    head = data[position : position + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    if kind is not None and (head[1] & 0xFE, head[2] & 0x0C) != kind:
        return 0
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    bits, rate, padding = head[2] >> 4, (head[2] >> 2) & 3, (head[2] >> 1) & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return 0
    family = 1 if version == 3 else 2
    hertz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kbits = _KBITS[family, layer][bits - 1]
    if layer == 1:
        return (12000 * kbits // hertz + padding) * 4
    return (72000 if (family, layer) == (2, 3) else 144000) * kbits // hertz + padding


def _next_frame(data: mmap.mmap, position: int, kind: tuple[int, int] | None) -> int | None:
    """Return the next position of two adjacent frames; one alone may be two bytes of a picture."""
    for match in _SYNC.finditer(data, position):
        start = match.start()
        size = _frame_size(data, start, kind)
        if size:
            end = start + size
            if end == len(data) or _frame_size(data, end, (data[start + 1] & 0xFE, data[start + 2] & 0x0C)):
                return start
    return None


def _announced(data: mmap.mmap, first: int) -> int:
    """Return the number of frames that the Xing or Info header in the frame at `first` announces."""
    frame = data[first : first + 192]
    found = max(frame.find(b"Xing"), frame.find(b"Info"))
    if found < 0 or not frame[found + 7 : found + 8] or not frame[found + 7] & 1:
        return 0
    return int.from_bytes(frame[found + 8 : found + 12], "big")


def _skip_tags(data: mmap.mmap, position: int) -> int:
    """Return the end of the tags (ID3v1, ID3v2, APE, Lyrics3) and zeros that begin at `position`."""
    while True:
        head = data[position : position + 32]
        if head[:3] == b"ID3" and len(head) >= 10:
            position += 10 + syncsafe(head[6:10]) + 10 * (head[5] >> 4 & 1)
        elif head[:3] == b"TAG":
            position += 227 if head[:4] == b"TAG+" else 128
        elif head[:8] == b"APETAGEX":
            # The size includes the items and the footer, not the header.
            is_header = int.from_bytes(head[20:24], "little") >> 29 & 1
            position += 32 + is_header * int.from_bytes(head[12:16], "little")
        elif head[:11] == b"LYRICSBEGIN":
            end = _LYRICS_END.search(data, position)
            if end is None:
                return position
            position = end.end()
        elif head[:1] == b"\0":
            found = _NOT_ZERO.search(data, position)
            position = found.start() if found else len(data)
        else:
            return position
        position = min(position, len(data))


def syncsafe(size: bytes) -> int:
    """Return the number in four bytes of seven bits each."""
    return sum(byte << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))
