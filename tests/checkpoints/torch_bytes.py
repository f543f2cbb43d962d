"""Files of `torch.save`, put together opcode by opcode, so that a test can build any damage or malice."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np

from tfsep.checkpoints.torch_files import LEGACY_MAGIC

STORAGES = {
    "<f4": "FloatStorage",
    "<f2": "HalfStorage",
    "<i8": "LongStorage",
    "|u1": "ByteStorage",
    "|b1": "BoolStorage",
}


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + tuple_of(*arguments) + b"R"


def dictionary(entries: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def whole(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


ORDERED_DICT = call(name("collections", "OrderedDict"))


def tensor(key: str, size, stride, count: int, offset: int = 0, storage: str = "FloatStorage", view=()) -> bytes:
    reference = tuple_of(text("storage"), name("torch", storage), text(key), text("cpu"), integer(count), *view) + b"Q"
    shapes = [tuple_of(*map(integer, numbers)) for numbers in (size, stride)]
    return call(name("torch._utils", "_rebuild_tensor_v2"), reference, integer(offset), *shapes, b"\x89", ORDERED_DICT)


def tensors_of(arrays: dict[str, np.ndarray], view=()) -> dict[str, bytes]:
    """Each array as a contiguous tensor with a storage of its own, `0`, `1`, …"""
    return {
        label: tensor(
            str(key),
            array.shape,
            [step // array.itemsize for step in array.strides],
            array.size,
            storage=STORAGES[array.dtype.str],
            view=view,
        )
        for key, (label, array) in enumerate(arrays.items())
    }


def torch_zip(body: bytes, storages: dict[str, bytes], compression: int = zipfile.ZIP_STORED, **members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", whole(body))
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        for member, data in members.items():
            archive.writestr(f"archive/{member}", data)
    return file.getvalue()


def torch_legacy(body: bytes, storages: dict[str, tuple[int, bytes]]) -> bytes:
    """`storages` gives the number of values and the bytes of each key."""
    machine = b"}(" + text("protocol_version") + integer(1001) + text("little_endian") + b"\x88u"
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    magic = b"\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
    pickles = b"".join(map(whole, (magic, integer(1001), machine, body, keys)))
    return pickles + b"".join(struct.pack("<q", count) + data for count, data in storages.values())
