"""Checkpoints of TensorFlow 1 and 2: an index and the raw tensors, without the graph."""

from __future__ import annotations

import math
from pathlib import Path

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError


def read_tensorflow(path: str | Path) -> Checkpoint:
    """Reads the tensors of a TensorFlow checkpoint.

    Graphs (`.meta`) are programs, and are neither needed nor opened.

    Args:
        path: path of the `.index` file, or the prefix that it shares with `.data-00000-of-00001`.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: if it is damaged or a part is missing.
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
        # Otherwise the reader would make room for tensors that are not there.
        if claimed > size:
            raise ValueError(f"its tensors take {claimed} bytes and its data has {size}")
        tensors = {name: reader.get_tensor(name) for name in sorted(shapes)}
    except Exception as error:
        # Many kinds, such as an IndexError for data that is cut short.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{prefix} is not a readable TensorFlow checkpoint: {reason}.") from error
    return Checkpoint(prefix, tensors)
