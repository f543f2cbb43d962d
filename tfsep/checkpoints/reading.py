"""Checkpoints of any format, and their hashes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.checkpoints.safetensors_files import read_safetensors
from tfsep.checkpoints.tensorflow_files import read_tensorflow
from tfsep.checkpoints.torch_files import LEGACY_START, read_torch

# Shorter prefixes match too many files.
_SHORTEST_PREFIX = 8


def read(path: str | Path, sha256: str | None = None) -> Checkpoint:
    """Read the tensors of a checkpoint of safetensors, torch or TensorFlow, whichever the file contains.

    Args:
        path: path of the file, or the prefix of a TensorFlow checkpoint.
        sha256: str, expected SHA-256 of the file in hexadecimal digits, or at least its first 8. Defaults to None, any.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: if the file is damaged, has another hash, or is of no known format.
        FileNotFoundError: if there is no such file.

    Example:

    >>> checkpoint = tfsep.checkpoints.read("vocals.pth")  # a small Open-Unmix
    >>> checkpoint.tensors["fc1.weight"].shape
    (8, 94)
    """
    path = Path(path)
    if sha256 is not None:
        check_hash(path, sha256)
    if path.suffix == ".index" or Path(f"{path}.index").is_file():
        return read_tensorflow(path)
    with path.open("rb") as file:
        start = file.read(len(LEGACY_START))
    if start == LEGACY_START or start.startswith(b"PK"):
        return read_torch(path)
    # safetensors: the length of the header, then a JSON object.
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return read_safetensors(path)
    raise CheckpointError(f"{path} is of no known format. Expected safetensors, a torch file or a TensorFlow .index.")


def check_hash(path: str | Path, sha256: str) -> None:
    """Raise an error unless a file has the given SHA-256.

    Args:
        path: path of the file.
        sha256: str, hexadecimal digits, all 64 or at least the first 8.

    Raises:
        CheckpointError: if the file has another hash.
        ValueError: if `sha256` has other characters or fewer than 8 digits.

    Example:

    >>> tfsep.checkpoints.check_hash("vocals.pth", "00000000")
    Traceback (most recent call last):
    tfsep.checkpoints.checkpoint.CheckpointError: vocals.pth is not the published file: its SHA-256 is ...
    """
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST_PREFIX},64}}", sha256):
        raise ValueError(f"sha256 must be {_SHORTEST_PREFIX} to 64 hexadecimal digits. Received: sha256={sha256!r}.")
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(sha256):
        raise CheckpointError(f"{path} is not the published file: its SHA-256 is {found[: len(sha256)]}, not {sha256}.")
