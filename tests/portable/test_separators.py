"""Models in ONNX and LiteRT files: written once for all tests, then run without Keras."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import tfsep
from tfsep import loading, startup
from tfsep.models import ConvSep, Separator, Spleeter
from tfsep.portable import LiteRTSeparator, ONNXSeparator
from tfsep.portable.embedded_facts import append_facts, read_facts

FORMATS = {"onnx": (".onnx", ONNXSeparator), "litert": (".tflite", LiteRTSeparator)}
PACKAGES = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}


@pytest.fixture(scope="session")
def model():
    keras.utils.set_random_seed(0)
    options = {"channels": 2, "n_fft": 64, "hop": 16, "filters": (4, 4), "frames": 16, "units": 8, "segment": 1024}
    model = ConvSep(("vocals", "rest"), 8000, spectral_loss=True, **options)
    model.terms = {"licence": "MIT"}
    return model


@pytest.fixture(scope="session", params=FORMATS)
def path(request, model, tmp_path_factory):
    for package in PACKAGES[request.param]:
        pytest.importorskip(package)
    path = tmp_path_factory.mktemp("portable") / f"model{FORMATS[request.param][0]}"
    model.export(path, request.param)
    return path


def noise(*shape):
    return np.random.default_rng(0).normal(0, 0.1, shape).astype("float32")


def test_estimates_are_those_of_the_model(model, path):
    loaded = tfsep.load_model(path)
    windows = noise(2, 1024, 2)
    expected = model.separate_window(windows)
    for name, estimate in loaded.separate_window(windows).items():
        assert estimate.dtype == "float32"
        np.testing.assert_allclose(estimate, expected[name], atol=2e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_songs_are_separated_as_by_the_model(model, path, channels):
    song = noise(5000, channels)
    expected = tfsep.separate(song, model, 11025)
    for name, stem in tfsep.separate(song, path, 11025, batch_size=3).items():
        np.testing.assert_allclose(stem, expected[name], atol=5e-6)


def test_facts_are_in_the_file(model, path):
    facts = read_facts(path)
    assert facts == {"tfsep": tfsep.__version__, "network": "ConvSep", **model.describe(), "batch_size": 1}
    assert facts["licence"] == "MIT"
    assert loading.model_sources(path) == ("vocals", "rest")
    assert loading.model_licence(path) == "MIT"
    loaded = tfsep.load_model(path)
    assert isinstance(loaded, FORMATS[{".onnx": "onnx"}.get(path.suffix, "litert")][1])
    assert (loaded.sample_rate, loaded.channels, loaded.segment, loaded.context) == (8000, 2, 1024, 0)
    assert repr(loaded) == f"{type(loaded).__name__}('{path}', sources=('vocals', 'rest'))"


def test_opset_and_metadata_are_those_that_are_stated(path):
    if path.suffix != ".onnx":
        pytest.skip("of ONNX")
    import onnx

    proto = onnx.load(path)
    assert [entry.version for entry in proto.opset_import if entry.domain == ""] == [18]
    assert json.loads(proto.metadata_props[0].value) == read_facts(path)
    assert "Complex" not in str({node.op_type for node in proto.graph.node})


def test_windows_of_another_shape_are_an_error(path):
    with pytest.raises(ValueError, match=r"Windows must be \[batch, samples=1024, channels=2\]. Received: shape="):
        tfsep.load_model(path).separate_window(noise(1, 1000, 2))


def test_segments_keep_their_length(path):
    with pytest.raises(ValueError, match=r"keeps its segments of 0\.128 s\. Received: segment=1"):
        tfsep.separate(noise(5000, 2), path, 8000, segment=1)


def test_damaged_and_foreign_files_are_one_line(path, tmp_path):
    content = path.read_bytes()
    cut, foreign = tmp_path / f"cut{path.suffix}", tmp_path / f"foreign{path.suffix}"
    cut.write_bytes(content[: len(content) // 2])
    foreign.write_bytes(b"no model")
    for damaged in (cut, foreign):
        with pytest.raises(ValueError, match=f"^{damaged} (is not a complete file|has no facts)[^\n]*$"):
            tfsep.load_model(damaged)


def test_a_graph_that_does_not_load_is_one_line(tmp_path, model, path):
    broken = tmp_path / "model.tflite"
    broken.write_bytes(b"no model")
    append_facts(broken, read_facts(path))
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(RuntimeError, match=f"^{broken} is not a complete model of tfsep: it is damaged [^\n]*$"):
        tfsep.load_model(broken)


def test_facts_out_of_range_are_an_error(tmp_path, path):
    wrong = tmp_path / "model.tflite"
    wrong.write_bytes(b"")
    append_facts(wrong, read_facts(path) | {"segment": 0})
    with pytest.raises(ValueError, match=f"^{wrong}: segment must be"):
        tfsep.load_model(wrong)
    wrong.write_bytes(b"")
    append_facts(wrong, {"sources": ["vocals"]})
    with pytest.raises(ValueError, match=f"^{wrong}: the facts in the file have no 'sample_rate'.$"):
        tfsep.load_model(wrong)


def test_a_missing_package_is_named(path, monkeypatch):
    for package in ("onnxruntime", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeError, match=r"files need another package: pip install 'tfsep\[(onnx|litert)\]'\.$"):
        tfsep.load_model(path)


SCRIPT = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
import numpy as np
import tfsep
from tfsep.cli import app
path, song, folder = sys.argv[1:]
app(["separate", song, "-m", path, "-o", folder, "--threads", "1", "--quiet"], standalone_mode=False)
tracks = [tfsep.datasets.Track("song", {name: tfsep.datasets.ArrayStem(np.ones((3000, 2), "float32"), 8000)
    for name in ("vocals", "rest")})]
print(tfsep.evaluate(path, tracks, protocol="mdx", oracles=()).median("vocals"))
"""


def test_neither_tensorflow_nor_keras_is_imported(path, tmp_path):
    tfsep.audio.write(tmp_path / "song.wav", noise(3000, 2), 8000)
    command = [sys.executable, "-c", SCRIPT, path, tmp_path / "song.wav", tmp_path / "stems"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(file.name for file in tmp_path.glob("stems/song/*")) == ["rest.wav", "vocals.wav"]
    assert np.isfinite(float(done.stdout))


class Decomposing(Separator):
    """A model with an operation that neither format has."""

    def estimate(self, window, training=False):
        scale = keras.ops.svd(keras.ops.reshape(window[:, :4], (-1, 2, 2)), compute_uv=False)
        return {name: self.centre(window) * keras.ops.sum(scale) for name in self.sources}


class Double(Separator):
    """A model that computes in double precision."""

    def estimate(self, window, training=False):
        return {name: keras.ops.sqrt(keras.ops.cast(self.centre(window), "float64")) for name in self.sources}


@pytest.mark.parametrize(
    ("network", "format", "cause"),
    [
        (Decomposing, "onnx", "the format has no Svd"),
        (Decomposing, "litert", "the format has no Svd"),
        (Double, "litert", "the format does not compute in float64"),
    ],
)
def test_what_a_format_cannot_do_is_one_line(network, format, cause, tmp_path):
    for package in PACKAGES[format]:
        pytest.importorskip(package)
    model = network(("vocals", "rest"), 8000, 1, segment=16)
    path = tmp_path / f"model{FORMATS[format][0]}"
    with pytest.raises(RuntimeError, match=f"^{network.__name__} cannot be exported as {format}: {cause}.$"):
        model.export(path, format)
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("model.onnx", {"format": "h5"}, "format must be"),
        ("model.tflite", {"format": "onnx"}, r"must end in \.onnx\. Received: "),
        ("model.onnx", {"format": "onnx", "weights": "int8"}, "Only litert has weights other than float32"),
        ("model.tflite", {"format": "litert", "weights": "int4"}, "weights must be"),
    ],
)
def test_wrong_arguments_are_errors(model, tmp_path, name, options, words):
    with pytest.raises(ValueError, match=words):
        model.export(tmp_path / name, **options)


def test_models_in_half_precision_are_refused(tmp_path, model):
    half = ConvSep.from_config(model.get_config() | {"dtype": "mixed_float16"})
    with pytest.raises(ValueError, match=r"onnx needs a float32 model\. Received: dtype='mixed_float16'"):
        half.export(tmp_path / "model.onnx", "onnx")


def test_device_and_threads_are_those_that_were_chosen(path, monkeypatch):
    monkeypatch.setattr(startup, "_device", "auto")
    monkeypatch.setattr(startup, "_threads", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert startup.chosen_threads() == 3
    startup.use_device("cpu", 1, tensorflow=False)
    assert (startup.chosen_device(), startup.chosen_threads()) == ("cpu", 1)
    loaded = tfsep.load_model(path)
    if path.suffix == ".onnx":
        assert loaded._session.get_providers() == ["CPUExecutionProvider"]
        assert loaded._session.get_session_options().intra_op_num_threads == 1
    with pytest.raises(ValueError, match="give device=auto"):
        startup.use_device("gpu", tensorflow=False)


def test_backends_other_than_tensorflow_are_refused(tmp_path, model, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=r"exported by TensorFlow\. Received: KERAS_BACKEND=jax\."):
        model.export(tmp_path / "model.onnx", "onnx")


@pytest.mark.parametrize(("weights", "tolerance"), [("float16", 1e-2), ("int8", 3e-2)])
def test_litert_has_smaller_weights(model, tmp_path, weights, tolerance):
    pytest.importorskip("ai_edge_litert")
    model.export(tmp_path / "model.tflite", "litert", weights=weights)
    window = noise(1, 1024, 2)
    expected = model.separate_window(window)
    for name, estimate in tfsep.load_model(tmp_path / "model.tflite").separate_window(window).items():
        error = np.abs(estimate - np.asarray(expected[name])).max()
        assert 0 < error < tolerance


class Tiny(Separator):
    """A model with a constant that is zero in half precision."""

    def estimate(self, window, training=False):
        power = keras.ops.mean(keras.ops.square(window), axis=(1, 2), keepdims=True)
        return {name: self.centre(window) / keras.ops.maximum(power, 1e-10) for name in self.sources}


def test_weights_with_which_silence_gives_nan_are_refused(tmp_path):
    model = Tiny(("vocals", "rest"), 8000, 1, segment=16)
    with pytest.raises(RuntimeError, match=r"Tiny cannot be exported with weights='float16': silence would give NaN"):
        model.export(tmp_path / "model.tflite", "litert", weights="float16")


def test_spleeter_keeps_its_floor_in_half_precision(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = Spleeter(n_fft=256, bins=64, filters=2, segment=4096)
    model.export(tmp_path / "model.tflite", "litert", weights="float16")
    silence = np.zeros((1, 4096, 2), "float32")
    silence[:, 2000:] = 1e-6
    for estimate in tfsep.load_model(tmp_path / "model.tflite").separate_window(silence).values():
        assert np.isfinite(estimate).all()
