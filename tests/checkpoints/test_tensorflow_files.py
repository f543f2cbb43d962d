import numpy as np
import pytest
import tensorflow as tf

from tfsep.checkpoints import CheckpointError, read

VALUES = {"conv2d/kernel": np.arange(40_000, dtype="float32").reshape(4, -1), "global_step": np.int64(3)}


@pytest.fixture
def prefix(tmp_path):
    """A checkpoint as TensorFlow 1's Saver writes it."""
    with tf.Graph().as_default():
        for name, value in VALUES.items():
            tf.compat.v1.get_variable(name, initializer=value)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
    return tmp_path / "model"


def test_tensors_by_prefix_and_by_index(prefix):
    (prefix.parent / "model.meta").write_bytes(b"a graph that nobody opens")
    for path in (prefix, f"{prefix}.index"):
        tensors = read(path).tensors
        assert tensors.keys() == VALUES.keys()
        for name, value in VALUES.items():
            np.testing.assert_array_equal(tensors[name], value)


def test_damage_is_one_line(prefix):
    data = prefix.with_suffix(".data-00000-of-00001")
    whole = data.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", b"\xff" + whole[1:]):
        data.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="model is not a readable TensorFlow checkpoint") as error:
            read(prefix)
        assert "\n" not in str(error.value)
    data.unlink()
    with pytest.raises(CheckpointError, match=r"model is not a whole checkpoint: expected model.index and model.data"):
        read(prefix)
    data.write_bytes(whole)
    index = prefix.with_suffix(".index")
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="model is not a readable TensorFlow checkpoint"):
        read(prefix)
