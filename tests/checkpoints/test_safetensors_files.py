import json
import struct

import numpy as np
import pytest

from tfsep.checkpoints import CheckpointError, read

HALVES = np.array([1.5, -2], "<f2")
INTEGERS = np.array([[1, 2, 3]], "<i8")


def file(header: dict | str, data: bytes) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


WHOLE = file(
    {
        "__metadata__": {"kwargs": "{}"},
        "integers": entry("I64", (1, 3), (4, 28)),
        "halves": entry("F16", (2,), (0, 4)),
        "brain": entry("BF16", (), (28, 30)),
        "empty": entry("F32", (0, 3), (30, 30)),
    },
    HALVES.tobytes() + INTEGERS.tobytes() + b"\xc0\x3f",
)


def load(tmp_path, data: bytes):
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    return read(path)


def test_tensors_and_metadata(tmp_path):
    checkpoint = load(tmp_path, WHOLE)
    assert checkpoint.facts == {"kwargs": "{}"}
    np.testing.assert_array_equal(checkpoint.tensors["halves"], HALVES)
    np.testing.assert_array_equal(checkpoint.tensors["integers"], INTEGERS)
    assert checkpoint.tensors["halves"].dtype == "float16"
    assert checkpoint.tensors["brain"] == np.float32(1.5)
    assert checkpoint.tensors["empty"].shape == (0, 3)


def test_format_is_found_without_the_suffix(tmp_path):
    (tmp_path / "model.bin").write_bytes(WHOLE)
    assert len(read(tmp_path / "model.bin").tensors) == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (WHOLE[:5], "cut short"),
        (WHOLE[:50], "cut short"),
        (WHOLE[:-1], "cut short"),
        (WHOLE + b"x", "too long"),
        (struct.pack("<Q", 1 << 63) + b"{}", "cut short"),
        (file({}, b""), "no tensors"),
        (file("[]", b""), "header is damaged"),
        (file("{", b""), "Expecting property name"),
        (file("[" * 100_000, b""), "header is damaged"),
        (file({"x": {}}, b""), "header is damaged"),
        (file({"__metadata__": {"a": 1}, "x": entry()}, bytes(8)), "metadata"),
        (file('{"x": %s, "x": %s}' % ((json.dumps(entry()),) * 2), bytes(8)), "twice"),
        (file({"x": entry("F8_E4M3")}, bytes(8)), "type F8_E4M3"),
        (file({"x": entry(shape=(3,))}, bytes(8)), "'x' of shape [3]"),
        (file({"x": entry(shape=(1 << 40, 1 << 40))}, bytes(8)), "'x' of shape"),
        (file({"x": entry(shape=(-1, -2))}, bytes(8)), "'x' of shape"),
        (file({"x": entry(offsets=(0, 1 << 40))}, bytes(8)), "cut short"),
        (file({"x": entry(offsets=(8, 0))}, bytes(8)), "does not begin"),
        (file({"x": entry(), "y": entry()}, bytes(8)), "does not begin"),
    ],
)
def test_damaged_and_malicious_files_are_refused_in_one_line(tmp_path, data, message):
    with pytest.raises(CheckpointError) as error:
        load(tmp_path, data)
    assert "model.safetensors" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
