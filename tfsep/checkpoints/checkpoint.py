"""The tensors of a checkpoint, all of which must be used."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np


class CheckpointError(RuntimeError):
    """Error for a checkpoint that is damaged, refused or does not fit the network. The message names the file.

    Example:

    >>> try:
    ...     tfsep.checkpoints.read("song.wav")
    ... except tfsep.checkpoints.CheckpointError as error:
    ...     print(error)
    song.wav is of no known format. Expected safetensors, a torch file or a TensorFlow .index.
    """


class Checkpoint:
    """Tensors by name, each of which can be taken once.

    A network takes its tensors with `take` and names those that it does not need with `ignore`. `finish` then raises an
    error if a tensor is left, so that a checkpoint of another network never loads by accident.

    Args:
        path: path of the file, for messages.
        tensors: dict from name to array.
        facts: dict of other content of the file: the metadata of safetensors, or the other entries of a torch file.
            Names of classes in it are `tfsep.checkpoints.Name`, calls are `tfsep.checkpoints.Call`; nothing is run.
            Defaults to None.

    Example:

    >>> checkpoint = tfsep.checkpoints.Checkpoint("umx.pth", {"fc1.weight": np.eye(2), "window": np.ones(4)})
    >>> checkpoint.ignore("window")
    >>> checkpoint.take("fc1.weight", (2, 2)).shape
    (2, 2)
    >>> checkpoint.finish()
    """

    def __init__(self, path: str | Path, tensors: dict[str, np.ndarray], facts: dict | None = None):
        self.path = Path(path)
        self.tensors = tensors
        self.facts = facts or {}
        self._left = set(tensors)

    def take(self, name: str, shape: Sequence[int] | None = None) -> np.ndarray:
        """Return a tensor and mark it as used.

        Args:
            name: str, name of the tensor.
            shape: tuple of int, its expected shape. Defaults to None, any shape.

        Raises:
            CheckpointError: if it is missing, was taken before or has another shape.
        """
        if name not in self.tensors:
            raise CheckpointError(f"{self.path}: no tensor {name!r}, which the network needs.")
        if name not in self._left:
            raise CheckpointError(f"{self.path}: tensor {name!r} was used before.")
        tensor = self.tensors[name]
        if shape is not None and tuple(shape) != tensor.shape:
            raise CheckpointError(
                f"{self.path}: tensor {name!r} has shape {tensor.shape}. The network expects {tuple(shape)}."
            )
        self._left.remove(name)
        return tensor

    def assign(self, variable, name: str, axes: Sequence[int] | None = None) -> None:
        """Take a tensor, transposed to `axes` if given, as the value of a Keras variable of that shape."""
        shape = tuple(variable.shape)
        expected = shape if axes is None else tuple(shape[tuple(axes).index(axis)] for axis in range(len(axes)))
        tensor = self.take(name, expected)
        variable.assign(np.asarray(tensor if axes is None else tensor.transpose(axes), variable.dtype))

    def ignore(self, *patterns: str) -> None:
        """Mark tensors as not needed, by patterns of `fnmatch` such as `*.num_batches_tracked`."""
        self._left = {name for name in self._left if not any(fnmatchcase(name, pattern) for pattern in patterns)}

    def finish(self) -> None:
        """Raise CheckpointError if a tensor was neither taken nor ignored."""
        if self._left:
            first = sorted(self._left)
            more = f" and {len(first) - 3} more" if len(first) > 3 else ""
            raise CheckpointError(
                f"{self.path}: the network has no place for {', '.join(map(repr, first[:3]))}{more}. "
                "The file is of another network, or of another configuration."
            )


def single(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the only checkpoint; raise CheckpointError if there are several."""
    if len(checkpoints) > 1:
        raise CheckpointError(f"{checkpoints[1].path}: the network is one file. Received: {len(checkpoints)} files.")
    return checkpoints[0]
