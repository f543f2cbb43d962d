"""Files of safetensors: a JSON header and the raw tensors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.checkpoints.numpy_arrays import BFLOAT16, as_array, size_of

_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": BFLOAT16,
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
# The format's own limit.
_LONGEST_HEADER = 100_000_000


def read_safetensors(path: str | Path) -> Checkpoint:
    """Read the tensors of a `.safetensors` file.

    Values of bfloat16 become float32, all others keep their type.

    Args:
        path: path of the file.

    Returns:
        `Checkpoint`. Its `facts` are the metadata of the file, a dict from str to str.

    Raises:
        CheckpointError: if the file is damaged or has values of an unsupported type.
        OSError: if it cannot be opened.

    Example:

    >>> checkpoint = tfsep.checkpoints.read_safetensors("htdemucs.safetensors")
    >>> checkpoint.facts["klass"]
    'demucs.htdemucs.HTDemucs'

    Reference:

    - [The format](https://github.com/huggingface/safetensors#format)
    """
    path = Path(path)
    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    try:
        header, data = _header(data)
        facts = header.pop("__metadata__", {})
        if not all(isinstance(value, str) for value in facts.values()):
            raise ValueError("its metadata are no strings")
        _check_layout(header, len(data))
        tensors = {name: _tensor(name, entry, data) for name, entry in header.items()}
    except Exception as error:
        # Of many kinds, if the header has another structure.
        reason = str(error) if isinstance(error, ValueError) else f"its header is damaged ({error!r})"
        raise CheckpointError(f"{path} is not a readable safetensors file: {reason}.") from error
    if not tensors:
        raise CheckpointError(f"{path} contains no tensors.")
    return Checkpoint(path, tensors, facts)


def _header(data: np.ndarray) -> tuple[dict, np.ndarray]:
    length = int.from_bytes(data[:8].tobytes(), "little")
    if len(data) < 8 or length > min(_LONGEST_HEADER, len(data) - 8):
        raise ValueError("it is cut short or of another format")
    return json.loads(data[8 : 8 + length].tobytes(), object_pairs_hook=_unique), data[8 + length :]


def _unique(pairs: list[tuple]) -> dict:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice in its header")
    return dict(pairs)


def _check_layout(header: dict, size: int) -> None:
    """Check that the tensors follow each other without gaps or overlaps and fill the file."""
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if start != end or stop < start:
            raise ValueError(f"tensor {name!r} does not begin where the one before it ends")
        end = stop
    if end != size:
        raise ValueError(f"it is cut short or too long: its tensors take {end} bytes, and it has {size}")


def _tensor(name: str, entry: dict, data: np.ndarray) -> np.ndarray:
    if entry["dtype"] not in _TYPES:
        raise ValueError(f"tensor {name!r} is of type {entry['dtype']}, which is not read")
    dtype, shape = _TYPES[entry["dtype"]], entry["shape"]
    start, stop = entry["data_offsets"]
    if not all(isinstance(n, int) and n >= 0 for n in shape) or math.prod(shape) * size_of(dtype) != stop - start:
        raise ValueError(f"tensor {name!r} of shape {shape} and type {entry['dtype']} has {stop - start} bytes")
    return as_array(data[start:stop], dtype).reshape(shape)
