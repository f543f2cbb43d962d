"""Files of `torch.save`, zip archives and the older pickles, read without torch."""

from __future__ import annotations

import io
import math
import mmap
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.checkpoints.numpy_arrays import BFLOAT16, as_array, pickled_array, size_of
from tfsep.checkpoints.pickles import Call, Name, PersistentId, PickleError, read_pickle

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
_LEGACY_PROTOCOL = 1001

_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")

# Keys under which training programs store the weights.
_STATES = ("state_dict", "state", "model_state_dict", "model")


def read_torch(path: str | Path) -> Checkpoint:
    """Read the tensors of a file of `torch.save`: a state dict, or a dict that contains one.

    Its pickle is read as data: nothing in it is imported or called. Values of bfloat16 become float32, all others keep
    their type.

    Args:
        path: path of a `.pth`, `.pt`, `.th` or `.ckpt` file, in the zip or the legacy format.

    Returns:
        `Checkpoint`. Its `facts` are the other entries of the file's dict.

    Raises:
        CheckpointError: if the file is damaged, contains no state dict, or its pickle calls what no checkpoint needs.
        OSError: if it cannot be opened.

    Example:

    >>> checkpoint = tfsep.checkpoints.read_torch("vocals.pth")  # a small Open-Unmix
    >>> checkpoint.tensors["input_mean"].shape
    (47,)
    """
    path = Path(path)
    with path.open("rb") as file:
        if not file.read(1):
            raise CheckpointError(f"{path} is empty.")
        # Arrays are views of it, so that unused ones are never read.
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        tree, storages = (_read_legacy if buffer[:14] == LEGACY_START else _read_zip)(buffer)
        entries, facts = _split(tree)
        tensors, others = {}, {}
        for name, value in entries.items():
            tensor = _array(value, storages)
            (others if tensor is None else tensors)[name] = value if tensor is None else tensor
    except Exception as error:
        # Of many kinds, if parts do not fit.
        reason = str(error) if isinstance(error, (PickleError, ValueError)) and str(error) else repr(error)
        raise CheckpointError(f"{path} is not a readable torch file: {reason}.") from error
    if not tensors:
        raise CheckpointError(f"{path} contains no state dict: no tensors by name.")
    return Checkpoint(path, tensors, facts | others)


def _split(tree: Any) -> tuple[dict, dict]:
    """Split the content of a file into the dict of tensors and other entries."""
    if isinstance(tree, Call):
        raise ValueError(f"it contains an object of {tree.name} where a dict of tensors is expected")
    if not isinstance(tree, dict):
        raise ValueError(f"it contains a {type(tree).__name__} where a dict of tensors is expected")
    for key in _STATES:
        if isinstance(tree.get(key), dict):
            return tree[key], {name: value for name, value in tree.items() if name != key}
    return tree, {}


class _Storages:
    """The raw memory of the tensors, by key."""

    def __init__(self, data: dict[str, np.ndarray]):
        self._data = data

    def flat(self, reference: PersistentId) -> np.ndarray:
        """Return the flat array of a reference `("storage", class, key, device, number of values[, view])`."""
        kind, storage, key, _, count, *view = reference.value
        if kind != "storage" or not isinstance(storage, Name) or any(view):
            raise ValueError("a tensor without a storage")
        if storage.module not in ("torch", "torch.cuda") or storage.name not in _TYPES:
            raise ValueError(f"tensors of {storage} are not read")
        dtype = _TYPES[storage.name]
        data = self._data.get(key)
        if data is None or count < 0 or count * size_of(dtype) != len(data):
            found = "is missing" if data is None else f"has {len(data)} bytes"
            raise ValueError(f"storage {key!r} of {count} values {found}")
        return as_array(data, dtype)


def _array(value: Any, storages: _Storages) -> np.ndarray | None:
    """Return the array of a tensor, a parameter or a numpy array; None for anything else."""
    if isinstance(value, Call) and str(value.name) in _PARAMETERS:
        value = value.args[0]
    if not isinstance(value, Call):
        return None
    if str(value.name) != _TENSOR:
        return pickled_array(value)
    reference, offset, size, stride = value.args[:4]
    flat = storages.flat(reference)
    if len(size) != len(stride) or not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)):
        raise ValueError(f"a tensor of size {size} and stride {stride}")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # With strides of zero, a few bytes would make a tensor of any size.
    if count and (count > flat.size or last >= flat.size):
        raise ValueError(f"a tensor of size {size}, stride {stride} and offset {offset} in {flat.size} values")
    if not count:
        return np.zeros(size, flat.dtype)
    return np.lib.stride_tricks.as_strided(
        flat[offset:], size, [step * flat.itemsize for step in stride], writeable=False
    )


def _read_legacy(buffer: mmap.mmap) -> tuple[Any, _Storages]:
    """Read five pickles (magic number, protocol, machine, object, keys of storages), then the storages."""
    _, protocol, machine, tree, keys = (read_pickle(buffer) for _ in range(5))
    if protocol != _LEGACY_PROTOCOL or machine.get("little_endian") is not True:
        raise ValueError(f"legacy format of protocol {protocol} or of a big-endian machine")
    sizes = _storage_sizes(tree)
    data = {}
    for key in keys:
        if key not in sizes:
            raise ValueError(f"storage {key!r} belongs to no tensor")
        count = int.from_bytes(buffer.read(8), "little")
        start, size = buffer.tell(), count * sizes[key]
        if start + size > len(buffer):
            raise ValueError("it is cut short")
        data[key] = np.frombuffer(buffer, np.uint8, size, start)
        buffer.seek(start + size)
    return tree, _Storages(data)


def _storage_sizes(tree: Any) -> dict[str, int]:
    """Return the bytes of a value of each storage in an object, without recursion, as nesting may be deep."""
    sizes, seen, waiting = {}, set(), [tree]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
        elif isinstance(value, Call):
            waiting.extend((value.args, value.state))
        elif isinstance(value, PersistentId):
            _, storage, key, *_ = value.value
            if storage.name not in _TYPES:
                raise ValueError(f"tensors of {storage} are not read")
            sizes[key] = size_of(_TYPES[storage.name])
    return sizes


def _read_zip(buffer: mmap.mmap) -> tuple[Any, _Storages]:
    """Read an archive of `NAME/data.pkl` and the storages `NAME/data/KEY`."""
    try:
        archive = zipfile.ZipFile(buffer)
    except zipfile.BadZipFile:
        detail = "it is cut short or damaged" if buffer[:4] == b"PK\x03\x04" else "it is neither a zip nor a pickle"
        raise ValueError(f"{detail}") from None
    entries = {info.filename: info for info in archive.infolist()}
    if sum(info.file_size for info in entries.values()) > len(buffer):
        raise ValueError("its parts claim more bytes than the file has")
    roots = [name.removesuffix("data.pkl") for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError("it is a zip without one data.pkl")
    root = roots[0]
    if f"{root}constants.pkl" in entries:
        raise ValueError("TorchScript archives are programs and are not read; save the state dict")
    order = entries.get(f"{root}byteorder")
    if order and bytes(_stored(buffer, order)) != b"little":
        raise ValueError("it is of a big-endian machine")
    tree = read_pickle(io.BytesIO(bytes(_stored(buffer, entries[f"{root}data.pkl"]))))
    prefix = f"{root}data/"
    names = [name for name in entries if name.startswith(prefix)]
    return tree, _Storages({name.removeprefix(prefix): _stored(buffer, entries[name]) for name in names})


def _stored(buffer: mmap.mmap, info: zipfile.ZipInfo) -> np.ndarray:
    """Return the bytes of an entry in place: torch does not compress."""
    header = buffer[info.header_offset : info.header_offset + 30]
    start = info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f"{info.filename} is compressed, as torch never does")
    if header[:4] != b"PK\x03\x04" or start + info.file_size > len(buffer):
        raise ValueError("it is cut short or damaged")
    data = np.frombuffer(buffer, np.uint8, info.file_size, start)
    if zlib.crc32(data) != info.CRC:
        raise ValueError(f"{info.filename} is damaged: its checksum is wrong")
    return data
