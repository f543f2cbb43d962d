import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch_bytes as tb
from hypothesis import given, settings
from hypothesis import strategies as st

from tfsep.checkpoints import Call, CheckpointError, Name, read, read_torch

ARRAYS = {
    "fc.weight": np.arange(6, dtype="<f4").reshape(2, 3),
    "half": np.linspace(-1, 1, 5).astype("<f2"),
    "batches": np.array(7, "<i8"),
    "flags": np.array([True, False]),
}


def stored(arrays=ARRAYS):
    return {str(key): array.tobytes() for key, array in enumerate(arrays.values())}


def legacy(arrays=ARRAYS, body=None):
    body = body or tb.dictionary(tb.tensors_of(arrays, view=[b"N"]))
    return tb.torch_legacy(body, {str(k): (a.size, a.tobytes()) for k, a in enumerate(arrays.values())})


def zipped(arrays=ARRAYS, body=None):
    return tb.torch_zip(body or tb.dictionary(tb.tensors_of(arrays)), stored(arrays))


@pytest.fixture
def load(tmp_path):
    def load(data: bytes):
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        return read(path)

    return load


@pytest.fixture
def refusal(load):
    """The message with which a file is refused, in one line that names it."""

    def refusal(data: bytes) -> str:
        with pytest.raises(CheckpointError) as error:
            load(data)
        message = str(error.value)
        assert "model.pth" in message
        assert "\n" not in message
        return message

    return refusal


@pytest.mark.parametrize("file", [zipped(), legacy()], ids=["zip", "legacy"])
def test_tensors_of_each_type_are_read(load, file):
    checkpoint = load(file)
    assert list(checkpoint.tensors) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert checkpoint.tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(checkpoint.tensors[name], array)


def test_bfloat16_becomes_float32(load):
    values = np.array([1.0, -2.5, 0.0, 2.0**100], "<f4")
    data = (values.view("<u4") >> 16).astype("<u2").tobytes()
    body = tb.dictionary({"x": tb.tensor("0", [4], [1], 4, storage="BFloat16Storage")})
    np.testing.assert_array_equal(load(tb.torch_zip(body, {"0": data})).tensors["x"], values)


def test_views_share_a_storage(load):
    body = tb.dictionary({"t": tb.tensor("0", [3, 2], [1, 3], 6), "row": tb.tensor("0", [3], [1], 6, offset=3)})
    values = np.arange(6, dtype="<f4")
    tensors = load(tb.torch_zip(body, {"0": values.tobytes()})).tensors
    np.testing.assert_array_equal(tensors["t"], values.reshape(2, 3).T)
    np.testing.assert_array_equal(tensors["row"], values[3:])


def test_nested_state_with_inert_names_beside_it(load):
    state = tb.ORDERED_DICT + tb.dictionary(tb.tensors_of(ARRAYS))[1:] + tb.dictionary({"_metadata": b"}"}) + b"b"
    fraction = tb.call(tb.name("fractions", "Fraction"), tb.text("39/5"))
    body = tb.dictionary(
        {
            "klass": tb.name("demucs.htdemucs", "HTDemucs"),
            "args": tb.tuple_of(b"](" + tb.text("vocals") + b"e"),
            "kwargs": tb.dictionary({"segment": fraction}),
            "state": state,
        }
    )
    checkpoint = load(tb.torch_zip(body, stored()))
    assert list(checkpoint.tensors) == list(ARRAYS)
    assert checkpoint.facts["klass"] == Name("demucs.htdemucs", "HTDemucs")
    assert checkpoint.facts["args"] == (["vocals"],)
    segment = checkpoint.facts["kwargs"]["segment"]
    assert isinstance(segment, Call)
    assert (str(segment.name), segment.args) == ("fractions.Fraction", ("39/5",))


def test_parameters_and_numpy_arrays_are_tensors(load):
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    parameter = tb.call(
        tb.name("torch._utils", "_rebuild_parameter"), tb.tensor("0", [2, 3], [3, 1], 6), b"\x88", tb.ORDERED_DICT
    )
    for protocol in (2, 4):
        body = pickle.dumps(array, protocol)
        start = 2 if protocol == 2 else 11
        entries = tb.dictionary({"parameter": parameter, "array": body[start:-1]})
        tensors = load(tb.torch_zip(entries, {"0": array.tobytes()})).tensors
        np.testing.assert_array_equal(tensors["parameter"], array)
        np.testing.assert_array_equal(tensors["array"], array)


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_pickle_that_runs_a_command_is_refused_and_runs_nothing(refusal, tmp_path, protocol, kind):
    trace = tmp_path / "trace"
    pickled = pickle.dumps({"x": Malicious(os.system, f"touch {trace}")}, protocol)
    if kind == "zip":
        file = tb.torch_zip(b"", {})
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
        file = (tmp_path / "x.zip").read_bytes()
    else:
        head = legacy({})
        body = tb.whole(b"}(u")
        file = head.replace(body, pickled, 1)
        assert file != head
    assert f"would call {os.system.__module__}.system" in refusal(file)
    assert not trace.exists()


@pytest.mark.parametrize(
    "body",
    [
        tb.call(tb.name("builtins", "eval"), tb.text("1/0")),
        tb.call(tb.name("numpy", "memmap"), tb.text("/etc/passwd")),  # known by name, and recorded, not called
        b"(" + tb.text("touch trace") + b"ios\nsystem\n",
        b"\x82\x01",
        tb.name("torch", "nn") + tb.dictionary({"__setstate__": b"N"}) + b"b",
        b"}(" + b"(" * 100_000 + b"t" * 100_000 + b"Nu",
        b"h\x07",
        b"R",
        b"tt",
        b"\x8b\xff\xff\xff\x7f",
        b"X\xff\xff\xff\xff",
        b"](" + tb.integer(1) + b"u",
    ],
)
def test_pickles_of_malice_and_damage_are_refused(refusal, body):
    refusal(tb.torch_zip(body, {}))
    refusal(legacy({}, body))


def test_deep_nesting_does_no_harm(load):
    deep = b"]" * 200_000 + b"a" * 199_999
    body = tb.dictionary({"deep": deep, **tb.tensors_of(ARRAYS)})
    for file in (zipped(body=body), legacy(body=body.replace(b"tQ", b"NtQ"))):
        assert list(load(file).tensors) == list(ARRAYS)


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ([1 << 40], [0], 0),
        ([1 << 20, 1 << 20], [0, 0], 0),
        ([5], [0], 0),
        ([4], [2], 0),
        ([2], [-1], 1),
        ([-1], [1], 0),
        ([4], [1], 1),
        ([1], [1], -1),
        ([1], [1], 1 << 62),
        ([2, 2], [2], 0),
        ([1] * 100, [1] * 100, 0),
    ],
)
def test_tensor_beyond_its_storage_is_refused(refusal, size, stride, offset):
    body = tb.dictionary({"x": tb.tensor("0", size, stride, 4, offset)})
    assert "not a readable torch file" in refusal(tb.torch_zip(body, {"0": bytes(16)}))
    body = tb.dictionary({"x": tb.tensor("0", size, stride, 4, offset, view=[b"N"])})
    assert "not a readable torch file" in refusal(tb.torch_legacy(body, {"0": (4, bytes(16))}))


@pytest.mark.parametrize("count", [3, 5, 1 << 60, -1])
def test_storage_of_another_length_than_claimed_is_refused(refusal, count):
    body = tb.dictionary({"x": tb.tensor("0", [1], [1], count)})
    assert "storage '0'" in refusal(tb.torch_zip(body, {"0": bytes(16)}))
    body = tb.dictionary({"x": tb.tensor("0", [1], [1], 4, view=[b"N"])})
    refusal(tb.torch_legacy(body, {"0": (count, bytes(16))}))


def test_missing_storage_is_refused(refusal):
    assert "storage '0' of 4 values is missing" in refusal(
        tb.torch_zip(tb.dictionary({"x": tb.tensor("0", [4], [1], 4)}), {})
    )


def test_zip_bombs_are_refused(refusal):
    body = tb.dictionary({"x": tb.tensor("0", [1 << 24], [1], 1 << 24)})
    assert "claim more bytes" in refusal(tb.torch_zip(body, {"0": bytes(1 << 26)}, zipfile.ZIP_DEFLATED))
    assert "compressed" in refusal(tb.torch_zip(body + b"0" * 0, {"0": bytes(8)}, zipfile.ZIP_DEFLATED))


def test_entries_that_share_their_bytes_are_refused(refusal):
    """A directory of many names for one stretch of the file."""
    file = tb.torch_zip(tb.dictionary({}), {"0": bytes(1000)})
    start, end = file.index(b"PK\x01\x02"), file.index(b"PK\x05\x06")
    entries = file[start:end]
    entry = entries[entries.index(b"PK\x01\x02", 4) :]
    many = entries + b"".join(entry[:-1] + bytes([49 + n]) for n in range(9))
    count = struct.pack("<HH", 11, 11)
    tail = file[end : end + 8] + count + struct.pack("<I", len(many)) + file[end + 16 :]
    assert "claim more bytes" in refusal(file[:start] + many + tail)


def test_damaged_bytes_are_found_by_their_checksum(refusal):
    file = zipped()
    place = file.index(ARRAYS["fc.weight"].tobytes()) + 9
    assert "archive/data/0 is damaged" in refusal(file[:place] + b"\xff" + file[place + 1 :])


@pytest.mark.parametrize("file", [zipped(), legacy()], ids=["zip", "legacy"])
def test_truncated_file_is_refused(refusal, file):
    for length in (0, 1, 13, 20, len(file) // 2, len(file) - 30, len(file) - 1):
        refusal(file[:length])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kind=st.sampled_from([zipped(), legacy()]))
def test_any_damage_is_one_error_or_harmless(tmp_path_factory, data, kind):
    damaged = bytearray(kind)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(kind) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(bytes(damaged))
    try:
        for tensor in read_torch(path).tensors.values():
            assert tensor.nbytes <= len(kind)
    except CheckpointError as error:
        assert "damaged.pth" in str(error)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (tb.torch_zip(tb.dictionary({}), {}, **{"constants.pkl": b"x"}), "TorchScript"),
        (tb.torch_zip(tb.dictionary({}), {}, byteorder=b"big"), "big-endian"),
        (tb.torch_zip(tb.dictionary({}), {}), "no state dict"),
        (tb.torch_zip(tb.text("x"), {}), "contains a str"),
        (tb.torch_zip(tb.call(tb.name("torch.nn", "Linear")), {}), "an object of torch.nn.Linear"),
        (tb.torch_zip(tb.dictionary({"x": tb.tensor("0", [1], [1], 1, storage="QInt8Storage")}), {"0": b"x"}), "QInt8"),
        (b"hello world, no checkpoint", "no known format"),
    ],
)
def test_foreign_files_are_named(refusal, file, message):
    assert message in refusal(file)
