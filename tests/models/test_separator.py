"""The base class: what its constructor takes, how windows, domains and losses are handled."""

import ast
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import tfsep
from tfsep.loading import load_model
from tfsep.models import Separator, UNet

SMALL = {"sample_rate": 8000, "segment": 64, "filters": 2, "depth": 1}


@keras.saving.register_keras_serializable(package="tfsep-tests")
class Halving(Separator):
    """A model whose loss lives in another domain: audio halved. It multiplies each source by a weight."""

    def __init__(self, sources=("vocals", "drums"), sample_rate=8000, channels=1, segment=20, context=3, **kwargs):
        super().__init__(sources, sample_rate, channels, segment, context, **kwargs)
        self.gains = self.add_weight(shape=(len(self.sources),), initializer="ones", name="gains")
        self.built = True

    def estimate(self, window, training=False):
        centre = self.centre(window)
        return {name: 0.5 * self.gains[index] * centre for index, name in enumerate(self.sources)}

    def targets(self, sources):
        return {name: 0.5 * audio for name, audio in super().targets(sources).items()}

    def synthesize(self, estimates, window):
        return {name: 2.0 * estimate for name, estimate in estimates.items()}


@pytest.fixture
def noise():
    generator = np.random.default_rng(0)
    return lambda *shape: generator.normal(0, 0.1, shape).astype("float32")


def history(model, mixture, sources) -> dict:
    return {name: values[0] for name, values in model.fit(mixture, sources, verbose=0).history.items()}


class TestConstructor:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"sources": ()},
            {"sources": ("../vocals",)},
            {"sources": ("vocals/lead", "rest")},
            {"sources": None},
            {"sources": "vocals"},
            {"sources": ("vocals", "vocals")},
            {"sources": ("vocals", 1)},
            {"sample_rate": 0},
            {"sample_rate": 11025.5},
            {"sample_rate": "44100"},
            {"channels": 0},
            {"segment": -1},
            {"segment": None},
            {"context": -1},
        ],
        ids=str,
    )
    def test_wrong_arguments_are_named(self, arguments):
        (name, value), *_ = arguments.items()
        with pytest.raises(ValueError, match=name) as error:
            UNet(**{**SMALL, **arguments})
        assert repr(value) in str(error.value)
        assert "\n" not in str(error.value)

    def test_numpy_integers_are_integers(self):
        assert UNet(**{**SMALL, "sample_rate": np.int64(8000)}).get_config()["sample_rate"] == 8000

    @pytest.mark.parametrize("shape", [(1, 100), (1, 100, 2), (100,)], ids=str)
    def test_wrong_shapes_of_the_mixture(self, shape):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            UNet(**SMALL)(np.zeros(shape, "float32"))


class TestWindow:
    def test_call_wants_no_context_and_gives_all_samples(self, noise):
        mixture = noise(2, 31, 1)
        np.testing.assert_allclose(Halving()(mixture)["drums"], mixture, atol=1e-7)

    def test_separate_window_gives_the_centre(self, noise):
        window = noise(2, 26, 1)
        np.testing.assert_allclose(Halving().separate_window(window)["drums"], window[:, 3:-3], atol=1e-7)

    def test_training_gives_the_domain_of_the_loss(self, noise):
        window = noise(2, 26, 1)
        np.testing.assert_allclose(Halving()(window, training=True)["drums"], 0.5 * window[:, 3:-3], atol=1e-7)

    def test_exported_model_takes_the_same_window(self, noise, tmp_path):
        model, window = Halving(), noise(2, 26, 1)
        model.export(tmp_path / "exported")
        exported = load_model(tmp_path / "exported")
        assert (exported.segment, exported.context) == (20, 3)
        np.testing.assert_allclose(exported.separate_window(window)["vocals"], window[:, 3:-3], atol=1e-7)


class TestLoss:
    def test_default_is_absolute_plus_squared_error_summed_over_sources(self, noise):
        model = UNet(**SMALL)
        sources = {"vocals": noise(3, 64, 1), "drums": noise(3, 64, 1)}
        estimates = {"drums": noise(3, 64, 1), "vocals": noise(3, 64, 1)}
        errors = {name: estimates[name] - sources[name] for name in sources}
        expected = {name: np.mean(np.abs(error)) + np.mean(error**2) for name, error in errors.items()}
        loss = model.compute_loss(None, sources, estimates)
        np.testing.assert_allclose(loss, sum(expected.values()), rtol=1e-6)
        for tracker in model.source_losses:
            np.testing.assert_allclose(tracker.result(), expected[tracker.name.removesuffix("_loss")], rtol=1e-6)

    @pytest.mark.parametrize(
        "loss",
        ["mse", "mean_squared_error", keras.losses.MeanSquaredError(), keras.losses.mean_squared_error],
        ids=["short name", "name", "object", "function"],
    )
    def test_any_keras_loss_is_summed_over_sources(self, noise, loss):
        model = UNet(**SMALL)
        model.compile("sgd", loss=loss)
        sources = {"vocals": noise(3, 64, 1), "drums": noise(3, 64, 1)}
        estimates = {name: audio + 0.5 for name, audio in sources.items()}
        estimates["drums"] = estimates["drums"] + 0.5
        np.testing.assert_allclose(model.compute_loss(None, sources, estimates), 0.5**2 + 1.0**2, rtol=1e-5)

    @pytest.mark.parametrize(
        "loss",
        [lambda y_true, y_pred: ops.mean(ops.square(y_true - y_pred)), lambda y_true, y_pred: 0.0],
        ids=["scalar", "number"],
    )
    def test_a_loss_of_one_value_is_an_error(self, noise, loss):
        model = UNet(**SMALL)
        model.compile("sgd", loss=loss)
        audio = {"vocals": noise(3, 64, 1), "drums": noise(3, 64, 1)}
        with pytest.raises(
            ValueError, match=r"The loss must keep the axes of examples and sources.* shape=\(\)"
        ) as error:
            model.compute_loss(None, audio, audio)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("loss", [{"vocals": "mse", "drums": "mae"}, ["mse", "mae"]], ids=["dict", "list"])
    @pytest.mark.parametrize("step", ["fit", "evaluate"])
    def test_a_loss_for_each_source_is_an_error(self, noise, loss, step):
        model = UNet(**SMALL)
        model.compile("sgd", loss=loss)
        audio = {"vocals": noise(3, 64, 1), "drums": noise(3, 64, 1)}
        with pytest.raises(ValueError, match=r"loss must be one loss for all sources.*Received: loss=") as error:
            getattr(model, step)(audio["vocals"], audio, verbose=0)
        assert "\n" not in str(error.value)

    def test_acts_in_the_domain_of_the_model_on_the_centre(self, noise):
        model = Halving()
        model.compile("sgd", loss="mse")
        sources = {"vocals": noise(3, 26, 1), "drums": noise(3, 26, 1)}
        mixture = noise(3, 26, 1)
        logs = history(model, mixture, sources)
        for name in sources:
            error = (0.5 * mixture - 0.5 * sources[name])[:, 3:-3]
            assert logs[f"{name}_loss"] == pytest.approx(np.mean(error**2), rel=1e-5)
        assert logs["loss"] == pytest.approx(logs["vocals_loss"] + logs["drums_loss"], rel=1e-5)

    def test_a_loss_may_look_across_sources(self, noise):
        seen = []

        class Discriminative(keras.losses.Loss):
            def call(self, y_true, y_pred):
                seen.append((tuple(y_true.shape), tuple(y_pred.shape)))
                others = ops.flip(y_true, axis=1)
                return ops.square(y_pred - y_true) - 0.5 * ops.square(y_pred - others)

        model = UNet(**SMALL)
        model.compile("sgd", loss=Discriminative())
        sources = {"vocals": noise(3, 64, 1), "drums": noise(3, 64, 1)}
        estimates = {"vocals": noise(3, 64, 1), "drums": noise(3, 64, 1)}
        expected = 0.0
        for name, other in (("vocals", "drums"), ("drums", "vocals")):
            own, cross = estimates[name] - sources[name], estimates[name] - sources[other]
            expected += np.mean(own**2) - 0.5 * np.mean(cross**2)
        np.testing.assert_allclose(model.compute_loss(None, sources, estimates), expected, rtol=1e-4)
        assert seen == [((3, 2, 64, 1), (3, 2, 64, 1))]

    def test_references_in_half_precision_are_compared_in_full(self, noise):
        model = UNet(**SMALL)
        audio = {"vocals": noise(1, 64, 1).astype("float16"), "drums": noise(1, 64, 1).astype("float16")}
        assert model.compute_loss(None, audio, audio).dtype == "float32"

    @pytest.mark.parametrize("references", [{"vocals": np.ones((2, 64, 1))}, np.ones((2, 64, 1))], ids=["one", "array"])
    def test_references_of_all_sources_are_needed(self, noise, references):
        with pytest.raises(ValueError, match=r"must be a dict with the audio of \['vocals', 'drums'\]. Received: "):
            UNet(**SMALL).compute_loss(None, references, {})


class TestSteps:
    @pytest.fixture
    def batch(self, noise):
        sources = {"vocals": noise(2, 64, 1), "drums": noise(2, 64, 1)}
        return sum(sources.values()), sources

    @pytest.mark.parametrize(
        "option",
        [{"metrics": ["mae"]}, {"weighted_metrics": ["mae"]}, {"loss": "mse", "loss_weights": [1.0, 2.0]}],
        ids=lambda option: list(option)[-1],
    )
    @pytest.mark.parametrize("step", ["fit", "evaluate"])
    def test_what_compile_takes_and_the_model_does_not_is_an_error(self, batch, option, step):
        model = UNet(**SMALL)
        model.compile("sgd", **option)
        with pytest.raises(ValueError, match=f"Separators take no {list(option)[-1]}"):
            getattr(model, step)(*batch, verbose=0)

    def test_sample_weights_are_an_error(self, batch):
        model = UNet(**SMALL)
        model.compile("sgd")
        with pytest.raises(ValueError, match="Separators take no sample weights"):
            model.fit(*batch, sample_weight=np.ones(2), verbose=0)

    def test_validation_reports_si_sdr_on_waveforms_without_silent_references(self, noise):
        model = Halving()
        model.compile("sgd")
        sources = {"vocals": noise(3, 26, 1), "drums": noise(3, 26, 1)}
        sources["vocals"][1] = 0.0
        # Samples outside the centre must not count.
        sources["drums"][:, :3] = 100.0
        mixture = sources["vocals"] + 0.5 * noise(3, 26, 1)
        for _ in range(2):
            logs = model.evaluate(mixture, sources, batch_size=2, verbose=0, return_dict=True)
            assert logs["silent_references"] == 1
            for name, audible in (("vocals", [0, 2]), ("drums", [0, 1, 2])):
                values = [si_sdr(sources[name][i, 3:-3], mixture[i, 3:-3]) for i in audible]
                assert logs[f"{name}_si_sdr"] == pytest.approx(np.mean(values), abs=1e-3)
                # The estimate is the mixture.
                assert logs[f"{name}_si_sdr_improvement"] == pytest.approx(0.0, abs=1e-3)

    def test_training_reports_losses_alone(self, batch):
        model = UNet(**SMALL)
        model.compile("sgd")
        logs = model.fit(*batch, validation_data=batch, verbose=0).history
        assert {name for name in logs if not name.startswith("val_")} == {"loss", "vocals_loss", "drums_loss"}
        assert {"val_loss", "val_vocals_si_sdr_improvement", "val_silent_references"} <= logs.keys()

    @pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
    def test_a_traced_step_is_that_of_an_eager_one(self, batch, policy):
        """Test cases of single networks take most of their steps eagerly."""
        found = []
        for eagerly in (False, True):
            keras.utils.set_random_seed(0)
            model = UNet(**SMALL, dtype=policy)
            model.compile(keras.optimizers.SGD(0.1), run_eagerly=eagerly)
            logs = model.fit(*batch, validation_data=batch, verbose=0).history
            found.append((logs, [weight.numpy() for weight in model.weights]))
        (traced, weights), (eager, expected) = found
        assert traced.keys() == eager.keys()
        for name in eager:
            np.testing.assert_allclose(traced[name], eager[name], rtol=2e-2, err_msg=name)
        for weight, wanted in zip(weights, expected, strict=True):
            np.testing.assert_allclose(weight, wanted, atol=1e-5 if policy == "float32" else 1e-3)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"jit_compile": True}, "jit_compile=True does not work under a mirrored strategy of CPUs"),
            ({"steps_per_execution": 2}, "steps_per_execution > 1 does not work under a mirrored strategy"),
        ],
    )
    def test_what_does_not_work_under_a_mirrored_strategy(self, batch, tmp_path, script, options, message):
        mixture, sources = batch
        np.savez(tmp_path / "batch.npz", **{"": mixture}, **sources)
        UNet(**SMALL).save(tmp_path / "model.keras")
        (tmp_path / "options.json").write_text(json.dumps(options))
        script("mirrored.py")(tmp_path)
        assert json.loads((tmp_path / "found.json").read_text())["error"].startswith(message)

    def test_runs_several_steps_in_one_call(self, batch):
        model = UNet(**SMALL)
        model.compile("sgd", steps_per_execution=2)
        assert np.isfinite(history(model, *batch)["loss"])


class TestExport:
    def test_facts_for_programs_without_tfsep(self, tmp_path):
        UNet(**SMALL, channels=2).export(tmp_path / "exported")
        facts = json.loads((tmp_path / "exported" / "assets.extra" / "tfsep.json").read_text())
        assert facts == {
            "sources": ["vocals", "drums"],
            "sample_rate": 8000,
            "channels": 2,
            "segment": 64,
            "context": 0,
            "overlap": 0.0625,
            "batch_size": 4,
            "fade": "overlap",
            "edges": "zeros",
            "normalize_song": False,
            "lead": 0,
            "longest_segment": 0,
        }

    def test_other_formats_are_an_error(self, tmp_path):
        with pytest.raises(ValueError, match=r"format must be one of 'tf_saved_model'.*Received: format='h5'"):
            UNet(**SMALL).export(tmp_path / "exported", format="h5")
        assert not list(tmp_path.iterdir())

    def test_leaves_nothing_behind_after_an_error(self, tmp_path, monkeypatch):
        monkeypatch.setattr(UNet, "describe", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            UNet(**SMALL).export(tmp_path / "exported")
        assert not list(tmp_path.iterdir())


def test_models_import_tensorflow_only_in_the_steps():
    """So that they train on JAX where TensorFlow is not installed."""
    package = Path(tfsep.__file__).parent
    files = [*(package / "models").rglob("*.py"), *(package / "layers").rglob("*.py")]
    files += [package / "losses.py", package / "metrics.py", package / "files.py"]
    assert len(files) > 5
    importing = {file.name for file in files if "tensorflow" in _imports_at_module_level(file)}
    assert importing == {"tensorflow_steps.py", "wavegan_steps.py"}


def _imports_at_module_level(file: Path) -> set[str]:
    names = set()
    pending = list(ast.parse(file.read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
        elif not isinstance(node, ast.FunctionDef):
            pending += ast.iter_child_nodes(node)
    return names


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    target = np.sum(estimate * reference) / np.sum(reference**2) * reference
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))


def test_network_of_fixed_length_works_through_longer_audio_in_segments(tmp_path):
    class Fixed(Separator):
        """Gives the mixture, with the greatest sample of its window added."""

        fixed_length = True
        overlap, batch_size, fade, edges = 0.5, 1, "triangle", "centred"

        def estimate(self, window, training=False):
            assert window.shape[1] == self.segment + 2 * self.context
            greatest = keras.ops.max(window, axis=1, keepdims=True)
            return {"a": self.centre(window) + greatest}

    audio = np.random.default_rng(0).normal(size=(2, 25, 1)).astype("float32")
    padded = np.pad(audio, ((0, 0), (2, 7), (0, 0)))
    for context in (0, 2):
        model = Fixed(("a",), 8000, 1, segment=10, context=context)
        expected = np.array(audio)
        for start in (0, 10, 20):
            window = padded[:, 2 + start - context : 12 + start + context]
            expected[:, start : start + 10] += window.max(axis=1, keepdims=True)
        np.testing.assert_allclose(model(audio)["a"], expected, rtol=1e-6)
    model.export(tmp_path / "exported")
    exported = load_model(tmp_path / "exported")
    assert (exported.overlap, exported.batch_size, exported.fade, exported.edges) == (0.5, 1, "triangle", "centred")
