import keras
import numpy as np
import pytest

from tfsep import presets
from tfsep.models import ExportedSeparator, UNet, load_model


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return UNet(sample_rate=8000, segment=512, filters=2, depth=2)


@pytest.fixture
def mixture():
    return np.random.default_rng(0).normal(0, 0.1, (2, 512, 1)).astype("float32")


def test_a_model_is_returned_as_it_is(model):
    assert load_model(model) is model


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_keras_file(model, mixture, tmp_path, kind):
    model.compile("adam")
    model.save(tmp_path / "model.keras")
    loaded = load_model(kind(tmp_path / "model.keras"))
    np.testing.assert_array_equal(loaded(mixture)["vocals"], model(mixture)["vocals"])


def test_preset_folder(model, mixture, tmp_path):
    presets.save(model, tmp_path / "preset")
    loaded = load_model(tmp_path / "preset")
    np.testing.assert_allclose(loaded(mixture)["vocals"], model(mixture)["vocals"], atol=1e-3)


def test_saved_model(model, mixture, tmp_path):
    model.export(tmp_path / "exported")
    loaded = load_model(tmp_path / "exported")
    assert isinstance(loaded, ExportedSeparator)
    for fact in ("sources", "sample_rate", "channels", "segment", "context"):
        assert getattr(loaded, fact) == getattr(model, fact)
    estimates = loaded.separate_window(mixture)
    assert tuple(estimates) == model.sources
    np.testing.assert_allclose(estimates["drums"], model(mixture)["drums"], atol=1e-6)


def test_a_path_goes_before_a_preset_of_its_name(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "_FOLDER", tmp_path / "shelf")
    presets.save(UNet(sample_rate=4000, segment=512, filters=2, depth=2), tmp_path / "shelf" / "unet")
    assert load_model("unet").sample_rate == 4000
    presets.save(model, tmp_path / "unet")
    assert load_model("unet").sample_rate == 8000


def test_an_unknown_name_lists_the_presets(model, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"No model 'umx': .* Presets: none\. Without training: hpss, repet-sim\."):
        load_model("umx")
    presets.save(model, tmp_path / "unet-vocals")
    with pytest.raises(ValueError, match=r"No model 'umx': .* Presets: unet-vocals."):
        load_model("umx")


def empty_folder(path, model):
    path.mkdir()


def text_file(path, model):
    path.write_text("no model")


def damaged_keras(path, model):
    model.save(path)
    path.write_bytes(path.read_bytes()[:-2000])


def empty_keras(path, model):
    path.write_bytes(b"")


def other_keras_model(path, model):
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(path)


def exported_without_graph(path, model):
    model.export(path)
    (path / "saved_model.pb").unlink()


def exported_without_variables(path, model):
    model.export(path)
    for file in (path / "variables").iterdir():
        file.unlink()


def exported_with_damaged_facts(path, model):
    model.export(path)
    (path / "assets.extra" / "tfsep.json").write_text("{}")


@pytest.mark.parametrize("thing", [None, 3, keras.Sequential()])
def test_other_things_are_no_model(thing):
    with pytest.raises(ValueError, match=r"model must be a model, .* Received: "):
        load_model(thing)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (empty_folder, "model", "holds no model"),
        (text_file, "model.txt", "holds no model"),
        (damaged_keras, "model.keras", "not a complete Keras model"),
        (empty_keras, "model.keras", "not a complete Keras model"),
        (other_keras_model, "model.keras", "holds a Sequential"),
        (exported_without_graph, "model", "not a complete SavedModel"),
        (exported_without_variables, "model", "not a complete SavedModel"),
        (exported_with_damaged_facts, "model", "not a complete SavedModel"),
    ],
)
def test_what_is_no_model_is_named_in_one_line(model, tmp_path, make, name, message):
    path = tmp_path / name
    make(path, model)
    with pytest.raises((ValueError, RuntimeError), match=message) as error:
        load_model(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
