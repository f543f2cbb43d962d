import json
import shutil
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest

from tfsep import presets
from tfsep.models import UNet
from tfsep.models.preset_files import load_preset


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return UNet(sources=("vocals", "bass"), sample_rate=8000, segment=512, filters=2, depth=2)


@pytest.fixture
def preset(model, tmp_path):
    model.save_to_preset(tmp_path / "preset", "# A model", scores={"vocals": 1.5})
    return tmp_path / "preset"


def datasets(path) -> dict:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def test_loads_what_was_saved_within_half_precision(model, preset):
    loaded = load_preset(preset)
    assert loaded.get_config() == model.get_config()
    for theirs, ours in zip(loaded.weights, model.weights, strict=True):
        assert theirs.dtype == "float32"
        np.testing.assert_array_equal(theirs, ours.numpy().astype("float16").astype("float32"), err_msg=ours.path)
    mixture = np.random.default_rng(0).normal(0, 0.1, (1, 512, 1)).astype("float32")
    np.testing.assert_allclose(loaded(mixture)["bass"], model(mixture)["bass"], atol=1e-3)


def test_saving_again_changes_nothing(preset, tmp_path):
    load_preset(preset).save_to_preset(tmp_path / "again")
    first, second = (datasets(folder / presets.WEIGHTS) for folder in (preset, tmp_path / "again"))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_files_of_a_preset(preset):
    assert sorted(path.name for path in preset.iterdir()) == ["README.md", "config.json", "model.weights.h5"]
    assert (preset / "README.md").read_text() == "# A model"
    config = presets.read_config(preset)
    assert config["model"]["registered_name"] == "tfsep>UNet"
    assert config["versions"].keys() == {"tfsep", "keras"}
    assert config["scores"] == {"vocals": 1.5}


def test_a_trained_model_is_stored_without_its_optimizer(model, preset, tmp_path):
    mixture = np.ones((2, 512, 1), "float32")
    model.compile(keras.optimizers.Adam(0.123), run_eagerly=True)
    model.fit(mixture, dict.fromkeys(model.sources, mixture), verbose=0)
    model.save_to_preset(tmp_path / "trained")
    assert "0.123" not in (tmp_path / "trained" / presets.CONFIG).read_text()
    fresh, trained = datasets(preset / presets.WEIGHTS), datasets(tmp_path / "trained" / presets.WEIGHTS)
    assert fresh.keys() == trained.keys()
    assert {weights.dtype for weights in trained.values()} == {np.dtype("float16")}
    assert not load_preset(tmp_path / "trained").compiled
    assert model.compiled


def test_replaces_a_preset(model, preset):
    model.network.get_layer("head_bass").bias.assign([0.25])
    model.save_to_preset(preset, "# Another")
    assert (preset / "README.md").read_text() == "# Another"
    assert float(load_preset(preset).network.get_layer("head_bass").bias[0]) == 0.25
    assert [path.name for path in preset.parent.iterdir()] == ["preset"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_weights_beyond_half_precision_are_an_error(model, preset, value):
    model.network.get_layer("head_bass").bias.assign([value])
    with pytest.raises(ValueError, match=r"head_bass.* is not finite in half precision"):
        model.save_to_preset(preset)
    assert float(load_preset(preset).network.get_layer("head_bass").bias[0]) == 0


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def of_another_model(data: bytes) -> bytes:
    config = json.loads(data)
    config["model"]["config"]["filters"] = 3
    return json.dumps(config).encode()


def of_an_unknown_class(data: bytes) -> bytes:
    config = json.loads(data)
    config["model"] |= {"class_name": "Nonsense", "registered_name": "tfsep>Nonsense", "module": None}
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (presets.CONFIG, truncated),
        (presets.CONFIG, lambda data: b""),
        (presets.CONFIG, lambda data: b"[]"),
        (presets.CONFIG, lambda data: b'{"model": "text"}'),
        (presets.CONFIG, lambda data: b"\xff\xfe"),
        (presets.CONFIG, lambda data: None),
        (presets.CONFIG, of_another_model),
        (presets.WEIGHTS, truncated),
        (presets.WEIGHTS, lambda data: b""),
        (presets.WEIGHTS, lambda data: b"no weights"),
        (presets.WEIGHTS, lambda data: None),
    ],
)
def test_damage_is_named_in_one_line(preset, name, damage):
    data = damage((preset / name).read_bytes())
    if data is None:
        (preset / name).unlink()
    else:
        (preset / name).write_bytes(data)
    with pytest.raises(RuntimeError, match=r"is not a complete preset folder: it is damaged \(.") as error:
        load_preset(preset)
    assert str(preset) in str(error.value)
    assert "\n" not in str(error.value)


def test_error_for_an_unknown_class_names_it(preset):
    (preset / presets.CONFIG).write_bytes(of_an_unknown_class((preset / presets.CONFIG).read_bytes()))
    with pytest.raises(ValueError, match=r"preset needs Nonsense\. Import the module that defines Nonsense first"):
        load_preset(preset)


def test_shipped_presets_load_and_are_small():
    for name in presets.names():
        folder = presets.folder(name)
        load_preset(folder)
        assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6
        assert (folder / presets.CARD).read_text().startswith("# ")


def test_an_unknown_name_lists_the_presets(monkeypatch, model, tmp_path):
    monkeypatch.setattr(presets, "_FOLDER", tmp_path)
    for name in ("b", "a"):
        model.save_to_preset(tmp_path / name)
    assert presets.names() == ["a", "b"]
    assert presets.folder("a") == tmp_path / "a"
    with pytest.raises(ValueError, match=r"No model 'c'.*Presets: a, b"):
        presets.folder("c")


def test_a_full_disk_is_an_error_before_writing(model, tmp_path, monkeypatch):
    # HDF5 crashes if the disk becomes full while it writes.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"No space left on device.*MB are needed"):
        model.save_to_preset(tmp_path / "preset")
    with pytest.raises(OSError, match=r"No space left on device.*MB are needed"):
        model.export(tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []


def test_full_precision(model, tmp_path):
    model.save_to_preset(tmp_path / "full", half=False)
    for theirs, ours in zip(load_preset(tmp_path / "full").weights, model.weights, strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_table_has_the_terms_of_every_model():
    rows = {row["name"]: row for row in presets.table()}
    assert rows.keys() == {*presets.names(), *presets.catalogue()}
    for row in rows.values():
        assert row["commercial_use"] in ("allowed", "not allowed", "not stated")
        assert row["licence"] and row["training_data"]
        assert row["scores"] is None or row["scores"]["values"].keys() <= set(row["sources"])
    assert rows["umxl"]["commercial_use"] == "not allowed"
    assert not rows["spleeter-2stems"]["shipped"]


def test_the_best_model_to_fetch_has_all_sources():
    assert presets.best_to_fetch(["vocals", "drums", "bass", "other"])["name"] == "htdemucs_ft"
    assert presets.best_to_fetch(["accompaniment"])["name"] == "spleeter-2stems"
    with pytest.raises(ValueError, match=r"No published model.*Received: \['kazoo'\]"):
        presets.best_to_fetch(["kazoo"])
