"""Checkpoints of TensorFlow 1 and 2: an index and the raw tensors."""

from __future__ import annotations

import math
from pathlib import Path

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.checks import reason


def read_tensorflow(path: str | Path) -> Checkpoint:
    """Read the tensors of a TensorFlow checkpoint.

    Graphs (`.meta`) are programs; they are not needed and never opened.

    Args:
        path: path of the `.index` file, or the prefix that it shares with `.data-00000-of-00001`.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: if the checkpoint is damaged or incomplete.

    Example:

    >>> checkpoint = tfsep.checkpoints.read_tensorflow("trained/model")
    >>> {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    {'conv2d/kernel': (5, 5, 2, 16)}
    """
    import tensorflow as tf

    prefix = Path(path).with_suffix("") if Path(path).suffix == ".index" else Path(path)
    shards = list(prefix.parent.glob(f"{prefix.name}.data-*"))
    if not Path(f"{prefix}.index").is_file() or not shards:
        raise CheckpointError(
            f"{prefix} is not a whole checkpoint: expected {prefix.name}.index and {prefix.name}.data-*."
        )
    size = sum(shard.stat().st_size for shard in shards)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        types, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
        claimed = sum(math.prod(shape) * types[name].size for name, shape in shapes.items())
        # Otherwise the reader would allocate memory for tensors that are missing.
        if claimed > size:
            raise ValueError(f"its tensors take {claimed} bytes and its data has {size}")
        tensors = {name: reader.get_tensor(name) for name in sorted(shapes)}
    except Exception as error:
        # Many kinds, such as an IndexError for data that is cut short.
        raise CheckpointError(f"{prefix} is not a readable TensorFlow checkpoint: {reason(error)}.") from error
    return Checkpoint(prefix, tensors)
