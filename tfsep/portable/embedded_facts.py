"""Facts about a model inside an ONNX or a LiteRT file: sources, rate, channels, lengths, rules for songs, licence."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Key of an ONNX file's metadata, and file in the archive that is appended to a LiteRT file.
KEY, MEMBER = "tfsep", "tfsep.json"

# Numbers in the encoding of Protocol Buffers: fields of ONNX's ModelProto and of its StringStringEntryProto.
_METADATA, _NAME, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_facts(path: str | Path) -> dict:
    """Read the facts in an ONNX or a LiteRT file, without the packages that run it.

    Raises:
        ValueError: if the file contains none.

    Example:

    >>> append_facts("facts.tflite", {"sources": ["vocals", "drums"]})
    >>> read_facts("facts.tflite")["sources"]
    ['vocals', 'drums']
    """
    path = Path(path)
    try:
        text = _onnx_metadata(path) if path.suffix.lower() == ".onnx" else _archived(path)
        facts = None if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a complete file of its format ({error}).") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{path} has no facts about a separator. Only complete files of `tfsep export` have them.")
    return facts


def append_facts(path: str | Path, facts: dict) -> None:
    """Append facts to a LiteRT file, in a zip archive as TensorFlow's metadata tools do: `unzip -p` prints them."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MEMBER, json.dumps(facts, indent=2) + "\n")


def _archived(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(MEMBER)
    except (zipfile.BadZipFile, KeyError):
        return None


def _onnx_metadata(path: Path) -> bytes | None:
    with path.open("rb") as file:
        for number, place, size in _fields(file, path.stat().st_size):
            if number == _METADATA:
                entry = {inner: (start, length) for inner, start, length in _fields(file, place + size, place)}
                name, value = (_read(file, *entry.get(inner, (0, 0))) for inner in (_NAME, _VALUE))
                if name == KEY.encode():
                    return value
    return None


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _fields(file: BinaryIO, end: int, place: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield number, place and size of the fields of bytes in a message, and skip all others."""
    while place < end:
        file.seek(place)
        tag = _varint(file)
        kind, size = tag & 7, 0
        if kind == _VARINT:
            _varint(file)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        elif kind == _BYTES:
            size = _varint(file)
        else:
            raise ValueError("it is no ONNX file")
        place = file.tell()
        if place + size > end:
            raise ValueError("it is cut short")
        if kind == _BYTES:
            yield tag >> 3, place, size
        place += size


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        (byte,) = file.read(1) or (128,)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("it is no ONNX file")
