from pathlib import Path

import numpy as np
import pytest
import torch_bytes as tb

import tfsep
from tfsep import presets
from tfsep.checkpoints import CheckpointError, build_model, convert, read_configuration

NETWORKS = Path(__file__).parent / "networks"
FILES = [NETWORKS / f"{source}.pth" for source in ("vocals", "drums")]
OPTIONS = {"hop": 32, "sample_rate": 8000}


def test_preset_folder_separates_like_the_files(tmp_path):
    model = convert(FILES, tmp_path / "umx", facts={"licence": "MIT"}, **OPTIONS)
    assert presets.read_config(tmp_path / "umx")["licence"] == "MIT"
    loaded = tfsep.load_model(tmp_path / "umx")
    song = np.random.default_rng(0).normal(0, 0.1, (1, 700, 2)).astype("float32")
    for source, estimate in model(song).items():
        # In full precision, as the files are.
        np.testing.assert_array_equal(loaded(song)[source], estimate)
    convert(FILES, tmp_path / "half", half=True, **OPTIONS)
    size = {name: (tmp_path / name / presets.WEIGHTS).stat().st_size for name in ("umx", "half")}
    assert size["half"] < size["umx"]
    with pytest.raises(FileExistsError, match="umx exists"):
        convert(FILES, tmp_path / "umx", **OPTIONS)


def test_files_that_do_not_fit_leave_nothing_behind(tmp_path):
    with pytest.raises(CheckpointError, match=r"vocals.pth has 65 bins"):
        convert(FILES, tmp_path / "umx")
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        convert([tmp_path / "nothing.pth"], tmp_path / "umx")
    assert not list(tmp_path.iterdir())


def test_unknown_network_is_named_by_its_tensors(tmp_path):
    array = {"encoder.weight": np.ones(2, "<f4")}
    data = tb.torch_zip(tb.dictionary(tb.tensors_of(array)), {"0": array["encoder.weight"].tobytes()})
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"x.pth is of a network that tfsep does not have \(its tensors: encoder"):
        build_model([tmp_path / "x.pth"])


def test_configuration_holds_plain_values_and_tuples(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("model:\n  freqs: !!python/tuple [2, 4]\n  dim: 384\n")
    assert read_configuration(path) == {"model": {"freqs": [2, 4], "dim": 384}}
    trace = tmp_path / "trace"
    for text in (f"a: !!python/object/apply:os.system ['touch {trace}']", "[1]", "a: [", "\x00"):
        path.write_text(text)
        with pytest.raises(CheckpointError, match=r"config\.yaml") as error:
            read_configuration(path)
        assert "\n" not in str(error.value)
    assert not trace.exists()
