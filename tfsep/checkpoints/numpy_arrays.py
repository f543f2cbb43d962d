"""Arrays from raw bytes, bfloat16 included, and from pickles."""

from __future__ import annotations

import math

import numpy as np

from tfsep.checkpoints.pickles import Call

BFLOAT16 = "bfloat16"
_PLAIN_TYPES = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8", "b1"}


def as_array(data: np.ndarray, dtype: str) -> np.ndarray:
    """View bytes as a flat array of little-endian values; bfloat16, which numpy lacks, becomes float32.

    Args:
        data: uint8 array, whose length is a multiple of the type's size.
        dtype: str, such as `"<f4"`, or `"bfloat16"`.
    """
    if dtype == BFLOAT16:
        return (data.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return data.view(dtype)


def size_of(dtype: str) -> int:
    """Return the bytes of one value."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


def pickled_array(call: Call) -> np.ndarray | None:
    """Return the numpy array that a pickle contains, or None if the call makes something else.

    Raises:
        ValueError: if its parts do not fit, or its values are not numbers.
    """
    if str(call.name) not in ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"):
        return None
    _, shape, dtype, fortran, data = call.state
    kind = dtype.args[0]
    if str(dtype.name) != "numpy.dtype" or kind not in _PLAIN_TYPES or dtype.state[1] not in "<|":
        raise ValueError(f"numpy arrays of type {kind!r} are not read")
    if isinstance(data, Call):  # bytes, as Python 2's protocol spells them
        if str(data.name) != "_codecs.encode" or data.args[1] != "latin1":
            raise ValueError("a numpy array without bytes")
        data = data.args[0].encode("latin1")
    if len(data) != math.prod(shape) * np.dtype(kind).itemsize:
        raise ValueError(f"a numpy array of shape {shape} with {len(data)} bytes")
    return np.frombuffer(data, f"<{kind}").reshape(shape, order="F" if fortran else "C")
