import hashlib

import keras
import numpy as np
import pytest

from tfsep.checkpoints import Checkpoint, CheckpointError, check_hash, read


@pytest.fixture
def checkpoint():
    tensors = {"fc.weight": np.arange(6.0).reshape(2, 3), "fc.bias": np.ones(2), "stft.window": np.ones(4)}
    return Checkpoint("model.pth", tensors)


def test_every_tensor_is_used_once_or_ignored(checkpoint):
    kernel = keras.Variable(np.zeros((3, 2), "float32"))
    checkpoint.assign(kernel, "fc.weight", axes=(1, 0))
    np.testing.assert_array_equal(kernel, np.arange(6.0).reshape(2, 3).T)
    assert checkpoint.take("fc.bias").shape == (2,)
    with pytest.raises(CheckpointError, match=r"model.pth: the network has no place for 'stft.window'"):
        checkpoint.finish()
    checkpoint.ignore("*.window")
    checkpoint.finish()


def test_transposition_of_three_axes():
    checkpoint = Checkpoint("x", {"kernel": np.zeros((4, 3, 2))})
    variable = keras.Variable(np.ones((2, 3, 4), "float32"))
    checkpoint.assign(variable, "kernel", axes=(2, 1, 0))
    assert not np.any(variable)


def test_missing_repeated_and_misshapen_tensors_are_named(checkpoint):
    with pytest.raises(CheckpointError, match=r"model.pth: no tensor 'fc2.weight', which the network needs"):
        checkpoint.take("fc2.weight")
    with pytest.raises(CheckpointError, match=r"'fc.weight' has shape \(2, 3\). The network expects \(3, 3\)"):
        checkpoint.take("fc.weight", (3, 3))
    with pytest.raises(CheckpointError, match=r"'fc.weight' has shape \(2, 3\). The network expects \(4, 3\)"):
        checkpoint.assign(keras.Variable(np.ones((3, 4))), "fc.weight", axes=(1, 0))
    checkpoint.take("fc.bias")
    with pytest.raises(CheckpointError, match=r"model.pth: tensor 'fc.bias' was used before"):
        checkpoint.take("fc.bias")
    with pytest.raises(CheckpointError, match="no place for 'a0', 'a1', 'a2' and 7 more"):
        Checkpoint("x", {f"a{n}": np.ones(1) for n in range(10)}).finish()


def test_hash_in_full_and_by_its_first_digits(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    check_hash(path, sha256)
    check_hash(path, sha256[:8])
    wrong = "0" * 8
    with pytest.raises(
        CheckpointError, match=f"x.pth is not the published file: its SHA-256 is {sha256[:8]}, not {wrong}"
    ):
        read(path, wrong)
    with pytest.raises(ValueError, match=r"sha256 must be 8 to 64 hexadecimal digits. Received: sha256='abc'"):
        check_hash(path, "abc")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        read(tmp_path / "nothing.pth")
