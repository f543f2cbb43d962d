import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

from tfsep import presets
from tfsep.loading import load_model, model_sources
from tfsep.models import ConvSep, ExportedSeparator, UNet
from tfsep.portable.facts import _CHOICES
from tfsep.separation import chunking


def make_model():
    keras.utils.set_random_seed(0)
    return UNet(sample_rate=8000, segment=512, filters=2, depth=2)


@pytest.fixture
def model():
    return make_model()


@pytest.fixture
def mixture():
    return np.random.default_rng(0).normal(0, 0.1, (2, 512, 1)).astype("float32")


def test_a_model_is_returned_unchanged(model):
    assert load_model(model) is model


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_keras_file(model, mixture, tmp_path, kind):
    model.compile("adam")
    model.save(tmp_path / "model.keras")
    loaded = load_model(kind(tmp_path / "model.keras"))
    np.testing.assert_array_equal(loaded(mixture)["vocals"], model(mixture)["vocals"])


def test_preset_folder(model, mixture, tmp_path):
    model.save_to_preset(tmp_path / "preset")
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


def test_a_path_takes_precedence_over_a_preset_of_its_name(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "_FOLDER", tmp_path / "shelf")
    UNet(sample_rate=4000, segment=512, filters=2, depth=2).save_to_preset(tmp_path / "shelf" / "unet")
    assert load_model("unet").sample_rate == 4000
    model.save_to_preset(tmp_path / "unet")
    assert load_model("unet").sample_rate == 8000


def test_an_unknown_name_lists_the_presets(model, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"No model 'umy': .* none\. To be fetched: .*umx.*: hpss, repet-sim\."):
        load_model("umy")
    model.save_to_preset(tmp_path / "unet-vocals")
    with pytest.raises(ValueError, match=r"No model 'umy': .* Presets: unet-vocals."):
        load_model("umy")


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


def test_a_configuration_nested_without_end_is_damage(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert model_sources(tmp_path) == ()
    with pytest.raises(RuntimeError, match="not a complete preset folder"):
        load_model(tmp_path)


@pytest.mark.parametrize("thing", [None, 3, keras.Sequential()])
def test_other_objects_are_errors(thing):
    with pytest.raises(ValueError, match=r"model must be a model, .* Received: "):
        load_model(thing)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (empty_folder, "model", "contains no model"),
        (text_file, "model.txt", "contains no model"),
        (damaged_keras, "model.keras", "not a complete Keras model"),
        (empty_keras, "model.keras", "not a complete Keras model"),
        (other_keras_model, "model.keras", "contains a Sequential"),
        (exported_without_graph, "model", "not a complete SavedModel"),
        (exported_without_variables, "model", "not a complete SavedModel"),
        (exported_with_damaged_facts, "model", "not a complete SavedModel"),
    ],
)
def test_damaged_and_other_files_are_errors_of_one_line(model, tmp_path, make, name, message):
    path = tmp_path / name
    make(path, model)
    with pytest.raises((ValueError, RuntimeError), match=message) as error:
        load_model(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("context", 10**9),
        ("context", -1),
        ("context", 1.5),
        ("segment", 0),
        ("segment", 2**40),
        ("segment", True),
        ("sample_rate", "8000"),
        ("sample_rate", 10**9),
        ("channels", 33),
        ("channels", None),
        ("sources", "vocals"),
        ("sources", []),
        ("sources", ["vocals", "vocals"]),
        ("sources", ["../vocals", "drums"]),
        ("sources", [1, 2]),
        ("overlap", 1),
        ("overlap", "half"),
        ("batch_size", 10**6),
        ("fade", "out"),
        ("edges", ["zeros"]),
    ],
)
def test_facts_of_an_exported_model_are_checked(exported, fact, value):
    facts = exported / "assets.extra" / "tfsep.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {fact: value}))
    with pytest.raises(RuntimeError, match=rf"not a complete SavedModel.*{fact}.*Received"):
        load_model(exported)


def test_rules_for_songs_are_those_of_the_engine():
    assert _CHOICES == {"fade": chunking.FADES, "edges": chunking.EDGES, "normalize_song": (False, True)}


def test_a_preset_out_of_range_is_refused(small_preset, tmp_path):
    config = json.loads((small_preset / "config.json").read_text())
    config["model"]["config"]["segment"] = 2**30
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.weights.h5").write_bytes((small_preset / "model.weights.h5").read_bytes())
    with pytest.raises(ValueError, match=r"segment must be an integer from 1 to"):
        load_model(tmp_path)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """A SavedModel of what `model` gives, which is left as it is."""
    path = tmp_path_factory.mktemp("saved") / "exported"
    make_model().export(path)
    return path


@pytest.fixture
def exported(saved_model, tmp_path):
    """A copy of it, to change."""
    return shutil.copytree(saved_model, tmp_path / "exported")


@pytest.mark.parametrize("shape", [(1, 0, 1), (0, 100, 1), (0, 0, 1), (1, 1, 1), (2, 3, 1)])
def test_a_saved_model_takes_any_batch_and_length(exported, shape):
    import tensorflow as tf

    saved = tf.saved_model.load(str(exported))
    for estimate in saved.separate(np.ones(shape, np.float32)).values():
        assert estimate.shape == shape
        assert np.isfinite(estimate).all()


def hostile(tmp_path, mixture_function, attach=None):
    """Write a SavedModel like those of tfsep, whose `separate` calls a function."""
    import tensorflow as tf

    module = tf.Module()
    module.separate = tf.function(mixture_function, input_signature=[tf.TensorSpec((None, None, 1), tf.float32)])
    if attach is not None:
        attach(module)
    path = tmp_path / "hostile"
    tf.saved_model.save(module, str(path))
    (path / "assets.extra").mkdir()
    facts = {"sources": ["a"], "sample_rate": 8000, "channels": 1, "segment": 100, "context": 0}
    (path / "assets.extra" / "tfsep.json").write_text(json.dumps(facts))
    return path


def write_file(mixture, target):
    import tensorflow as tf

    tf.io.write_file(target, "owned")
    return {"a": mixture}


def write_in_a_loop(mixture, target):
    import tensorflow as tf

    def body(number):
        tf.io.write_file(target, "owned")
        return number + 1

    tf.while_loop(lambda number: number < 1, body, [tf.constant(0)])
    return {"a": mixture}


def read_file(mixture, target):
    import tensorflow as tf

    return {"a": mixture + tf.cast(tf.strings.length(tf.io.read_file(target)), tf.float32)}


def list_files(mixture, target):
    import tensorflow as tf

    return {"a": mixture + tf.cast(tf.size(tf.io.matching_files(target + "*")), tf.float32)}


def run_python(mixture, target):
    import tensorflow as tf

    return {"a": tf.numpy_function(lambda x: x, [mixture], tf.float32)}


def save_tensors(mixture, target):
    import tensorflow as tf

    tf.raw_ops.SaveV2(prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[mixture])
    return {"a": mixture}


def print_to_file(mixture, target):
    import tensorflow as tf

    tf.print("owned", output_stream=f"file://{target}")
    return {"a": mixture}


def debug_dump(mixture, target):
    import tensorflow as tf

    return {"a": tf.raw_ops.DebugIdentity(input=mixture, debug_urls=[f"file://{target}"])}


def read_dataset(mixture, target):
    import tensorflow as tf

    for _ in tf.data.TextLineDataset(target):
        pass
    return {"a": mixture}


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (write_file, "WriteFile"),
        (write_in_a_loop, "WriteFile"),
        (read_file, "ReadFile"),
        (list_files, "MatchingFiles"),
        (run_python, "PyFunc"),
        (save_tensors, "SaveV2"),
        (print_to_file, "PrintV2"),
        (debug_dump, "DebugIdentity"),
        (read_dataset, "TextLineDataset"),
    ],
)
def test_a_saved_model_with_access_to_files_is_refused_unless_trusted(tmp_path, function, operation):
    target = tmp_path / "target"
    path = hostile(tmp_path, lambda mixture: function(mixture, str(target)))
    with pytest.raises(ValueError, match=rf"{operation}.*trust=True.*--trust"):
        load_model(path)
    assert not target.exists()
    assert load_model(path, trust=True).sources == ("a",)


def test_a_saved_model_whose_table_is_filled_from_a_file_is_refused_before_it_is_loaded(tmp_path):
    import tensorflow as tf

    (tmp_path / "words").write_text("a\n")
    initializer = tf.lookup.TextFileInitializer(str(tmp_path / "words"), tf.string, 0, tf.int64, -1)
    table = tf.lookup.StaticHashTable(initializer, 0)

    def function(mixture):
        return {"a": mixture + tf.cast(table.lookup(tf.constant("a")), tf.float32)}

    with pytest.raises(ValueError, match="InitializeTableFromTextFile"):
        load_model(hostile(tmp_path, function, lambda module: setattr(module, "table", table)))


def test_harmless_saved_models_are_loaded(tmp_path):
    import tensorflow as tf

    def function(mixture):
        tf.print("harmless")
        noise = tf.random.normal(tf.shape(mixture))
        return {"a": tf.cond(tf.reduce_sum(mixture) > 0, lambda: mixture, lambda: noise)}

    assert load_model(hostile(tmp_path, function)).sources == ("a",)
    mask_model = ConvSep(sample_rate=8000, channels=1)
    mask_model.export(tmp_path / "masks")
    assert load_model(tmp_path / "masks").sources == mask_model.sources


def test_a_lambda_layer_is_refused_and_not_called_damage(model, tmp_path):
    layer = keras.layers.Lambda(lambda x: x)
    config = json.dumps(keras.saving.serialize_keras_object(layer))
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "lambda.keras", "w") as target, zipfile.ZipFile(tmp_path / "model.keras") as source:
        for name in source.namelist():
            target.writestr(name, config if name == "config.json" else source.read(name))
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "config.json").write_text(json.dumps({"model": json.loads(config)}))
    for path in (tmp_path / "lambda.keras", tmp_path / "preset"):
        with pytest.raises(ValueError, match="contains Python code, such as a Lambda layer") as error:
            load_model(path)
        assert "damage" not in str(error.value) and "safe_mode" not in str(error.value)


def test_sources_are_known_without_loading(model, exported, tmp_path, monkeypatch):
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    (tmp_path / "damaged.keras").write_bytes(b"")
    monkeypatch.setattr(keras.saving, "load_model", None)
    monkeypatch.setattr("tfsep.models.preset_files.load_preset", None)
    for given in (model, exported, tmp_path / "preset", str(tmp_path / "model.keras")):
        assert model_sources(given) == ("vocals", "drums")
    assert model_sources("hpss") == ("drums", "accompaniment")
    assert model_sources(tmp_path / "damaged.keras") == model_sources(tmp_path) == ()
    with pytest.raises(ValueError, match="No model 'none'"):
        model_sources("none")
