"""How each format stores tags: ID3v2.4, Vorbis comments, the atoms of m4a and the chunks of wav."""

import base64
import errno
import functools
import os
import re
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from tfsep.audio import mp4, ogg_comments
from tfsep.audio.av_encoder import SUBTYPES

# Names of the tags: ID3v2.4 (https://id3.org/id3v2.4.0-frames), Vorbis, mp4, and LIST INFO of wav, which lacks some.
_NAMES = {
    "title": (b"TIT2", b"TITLE", b"\xa9nam", b"INAM"),
    "artist": (b"TPE1", b"ARTIST", b"\xa9ART", b"IART"),
    "album": (b"TALB", b"ALBUM", b"\xa9alb", b"IPRD"),
    "date": (b"TDRC", b"DATE", b"\xa9day", b"ICRD"),
    "track": (b"TRCK", b"TRACKNUMBER", b"trkn", b"ITRK"),
    "genre": (b"TCON", b"GENRE", b"\xa9gen", b"IGNR"),
    "comment": (b"COMM", b"COMMENT", b"\xa9cmt", b"ICMT"),
    "album_artist": (b"TPE2", b"ALBUMARTIST", b"aART", None),
    "composer": (b"TCOM", b"COMPOSER", b"\xa9wrt", None),
    "disc": (b"TPOS", b"DISCNUMBER", b"disk", None),
    "bpm": (b"TBPM", b"BPM", b"tmpo", None),
    "isrc": (b"TSRC", b"ISRC", b"----", None),
    "copyright": (b"TCOP", b"COPYRIGHT", b"cprt", b"ICOP"),
    "lyrics": (b"USLT", b"LYRICS", b"\xa9lyr", None),
}
_PICTURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}
_MP4_NUMBERS = {"track": 2, "disc": 2, "bpm": 1}  # tags that mp4 stores as up to this many numbers
_MP4_PICTURES = {"jpeg": 13, "png": 14, "bmp": 27}
_FRONT = 3
_LONGEST_TEXT = 1 << 20  # bytes
_LARGEST_COVER = (1 << 24) - 4096  # bytes; the blocks of flac have sizes of 24 bits
_LARGEST_WAV = (1 << 32) - 1


def unwritable(suffix: str, texts: Mapping[str, bytes], cover: bytes | None) -> dict[str, str]:
    """Return the names of tags that a format cannot store, with the reasons."""
    lost = {name: "is too long" for name, text in texts.items() if len(text) > _LONGEST_TEXT}
    if suffix in _MP4:
        wrong = (name for name, most in _MP4_NUMBERS.items() if name in texts and not _numbers(texts[name], most))
        lost |= {name: f"mp4 stores numbers, not {texts[name].decode()!r:.200}" for name in wrong}
    kinds = list(_MP4_PICTURES) if suffix in _MP4 else list(_PICTURES.values())
    if cover and _picture(cover) not in kinds:
        lost["cover"] = f"not {', '.join(kinds[:-1])} or {kinds[-1]}"
    elif cover and len(cover) > _LARGEST_COVER:
        lost["cover"] = f"{len(cover) / 1e6:.1f} MB are too large"
    return lost


def write(path: Path, suffix: str, texts: Mapping[str, bytes], cover: bytes | None) -> None:
    """Write tags, as UTF-8, to a file that our encoders made; after an error the file is what it was."""
    if suffix == ".wav":  # the largest files, which are not copied
        _append_to_wav(path, texts, cover)
        return
    tagged = path.with_suffix(".tagged")
    with open(path, "rb") as source, open(tagged, "wb") as target:
        _COPIES[suffix](source, target, texts, cover)
    os.replace(tagged, path)


def _picture(cover: bytes) -> str | None:
    return next((kind for magic, kind in _PICTURES.items() if cover.startswith(magic)), None)


def _numbers(text: bytes, most: int) -> list[int]:
    """Return the numbers of `3`, `3/12` or `128.00`, up to this many; none for anything else."""
    numbers = re.sub(rb"\.0+$", b"", text).split(b"/")
    valid = len(numbers) <= most and all(number.isdigit() and int(number) < 1 << 16 for number in numbers)
    return [int(number) for number in numbers] if valid else []


def _id3(texts: Mapping[str, bytes], cover: bytes | None) -> bytes:
    frames = []
    for name, text in texts.items():
        head = b"\3eng\0" if name in ("comment", "lyrics") else b"\3"  # 3: UTF-8
        frames.append((_NAMES[name][0], head + text))
    if cover:
        frames.append((b"APIC", b"\0image/%b\0%c\0" % (_picture(cover).encode(), _FRONT) + cover))
    body = b"".join(name + _syncsafe(len(content)) + b"\0\0" + content for name, content in frames)
    return b"ID3\4\0\0" + _syncsafe(len(body)) + body


def _syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def _copy_mp3(source: BinaryIO, target: BinaryIO, texts: Mapping[str, bytes], cover: bytes | None) -> None:
    target.write(_id3(texts, cover))
    shutil.copyfileobj(source, target)


def _vorbis_comments(old: bytes, texts: Mapping[str, bytes], cover: bytes | None = None) -> bytes:
    """Return comments in Vorbis's format, with the encoder's name from the old ones."""
    comments = [_NAMES[name][1] + b"=" + text for name, text in texts.items()]
    if cover:
        comments.append(b"METADATA_BLOCK_PICTURE=" + base64.b64encode(_picture_block(cover)))
    vendor = old[: 4 + int.from_bytes(old[:4], "little")]
    sized = (struct.pack("<I", len(comment)) + comment for comment in comments)
    return vendor + struct.pack("<I", len(comments)) + b"".join(sized)


def _picture_block(cover: bytes) -> bytes:
    """Return a picture as flac stores it (https://www.rfc-editor.org/rfc/rfc9639#name-picture)."""
    kind = b"image/" + _picture(cover).encode()
    # No description, and no width, height, depth and colours, which 0 leaves open.
    return struct.pack(">II", _FRONT, len(kind)) + kind + bytes(20) + struct.pack(">I", len(cover)) + cover


def _copy_ogg(source: BinaryIO, target: BinaryIO, texts: Mapping[str, bytes], cover: bytes | None) -> None:
    ogg_comments.replace(source, target, functools.partial(_vorbis_comments, texts=texts, cover=cover))


def _copy_flac(source: BinaryIO, target: BinaryIO, texts: Mapping[str, bytes], cover: bytes | None) -> None:
    comments, picture, last = 4, 6, 128
    target.write(source.read(4))
    blocks, old, head = [], bytes(4), b"\0"
    while not head[0] & last:
        head = source.read(4)
        kind, content = head[0] & 127, source.read(int.from_bytes(head[1:], "big"))
        if kind == comments:
            old = content
        else:
            blocks.append((kind, content))
    blocks.append((comments, _vorbis_comments(old, texts)))
    if cover:
        blocks.append((picture, _picture_block(cover)))
    for index, (kind, content) in enumerate(blocks):
        kind |= last if index == len(blocks) - 1 else 0
        target.write(bytes([kind]) + struct.pack(">I", len(content))[1:] + content)
    shutil.copyfileobj(source, target)


def _copy_mp4(source: BinaryIO, target: BinaryIO, texts: Mapping[str, bytes], cover: bytes | None) -> None:
    atoms = [mp4.atom(_NAMES[name][2], *_mp4_value(name, text)) for name, text in texts.items()]
    if cover:
        atoms.append(mp4.atom(b"covr", _mp4_data(_MP4_PICTURES[_picture(cover)], cover)))
    handler = mp4.atom(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    mp4.replace_user_data(source, target, mp4.atom(b"meta", bytes(4), handler, mp4.atom(b"ilst", *atoms)))


def _mp4_value(name: str, text: bytes) -> list[bytes]:
    """Return the atoms in that of a tag."""
    binary, utf8, integer = 0, 1, 21
    if name == "isrc":  # which has no atom of its own
        named = [mp4.atom(kind, bytes(4), of) for kind, of in ((b"mean", b"com.apple.iTunes"), (b"name", b"ISRC"))]
        return [*named, _mp4_data(utf8, text)]
    if name not in _MP4_NUMBERS:
        return [_mp4_data(utf8, text)]
    numbers = _numbers(text, _MP4_NUMBERS[name])
    if name == "bpm":
        return [_mp4_data(integer, struct.pack(">H", *numbers))]
    number, total = (*numbers, 0)[:2]
    return [_mp4_data(binary, struct.pack(">4H", 0, number, total, 0))]


def _mp4_data(kind: int, content: bytes) -> bytes:
    return mp4.atom(b"data", struct.pack(">II", kind, 0), content)


def _append_to_wav(path: Path, texts: Mapping[str, bytes], cover: bytes | None) -> None:
    """Append LIST INFO, and a chunk of ID3 for a cover and tags that LIST INFO lacks."""
    info = {_NAMES[name][3]: text for name, text in texts.items() if _NAMES[name][3]}
    items = b"".join(_chunk(name, text + b"\0") for name, text in info.items())
    chunks = _chunk(b"LIST", b"INFO" + items) if items else b""
    chunks += _chunk(b"id3 ", _id3(texts, cover)) if cover or len(info) < len(texts) else b""
    with open(path, "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        chunks = bytes(end % 2) + chunks
        size = end + len(chunks) - 8
        if size > _LARGEST_WAV:
            raise ValueError("wav stores at most 4 GiB")
        if file.write(chunks) < len(chunks):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.seek(4)
        file.write(struct.pack("<I", size))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


_MP4 = tuple(SUBTYPES)
_COPIES = {
    **{suffix: _copy_mp4 for suffix in _MP4},
    ".mp3": _copy_mp3,
    ".flac": _copy_flac,
    ".ogg": _copy_ogg,
    ".opus": _copy_ogg,
}
