"""A checkpoint of any format, found by looking, and its hash."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.checkpoints.safetensors_files import read_safetensors
from tfsep.checkpoints.tensorflow_files import read_tensorflow
from tfsep.checkpoints.torch_files import LEGACY_START, read_torch

# Shorter ones fit too many files.
_SHORTEST_PREFIX = 8


def read(path: str | Path, sha256: str | None = None) -> Checkpoint:
    """Reads the tensors of a checkpoint of safetensors, torch or TensorFlow; the format is found by looking.

    Args:
        path: path of the file, or the prefix of a TensorFlow checkpoint.
        sha256: str, the file's SHA-256 in hexadecimal digits, or at least 8 of its first ones. Not checked if None.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: for a file that is damaged, has another hash, or is of no known format.
        FileNotFoundError: if there is no such file.
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
    # The header's length, then a JSON object.
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return read_safetensors(path)
    raise CheckpointError(f"{path} is of no known format. Expected safetensors, a torch file or a TensorFlow .index.")


def check_hash(path: str | Path, sha256: str) -> None:
    """Raises CheckpointError unless a file has the SHA-256 that is given, in full or by its first 8 digits or more."""
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST_PREFIX},64}}", sha256):
        raise ValueError(f"sha256 must be {_SHORTEST_PREFIX} to 64 hexadecimal digits. Received: sha256={sha256!r}.")
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(sha256):
        raise CheckpointError(f"{path} is not the published file: its SHA-256 is {found[: len(sha256)]}, not {sha256}.")
