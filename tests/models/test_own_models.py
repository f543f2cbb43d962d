"""Models as their users write them: layers built at first call, by a `build` method, from the constructor."""

import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from tfsep.loading import load_model
from tfsep.models import Separator
from tfsep.models.preset_files import load_preset
from tfsep.training import checkpoint, fit


@keras.saving.register_keras_serializable(package="tfsep-tests")
class FirstCall(Separator):
    """Its layers get their weights when they are first called."""

    def __init__(self, sources=("vocals", "drums"), sample_rate=8000, channels=1, segment=64, context=0, **kwargs):
        super().__init__(sources, sample_rate, channels, segment, context, **kwargs)
        self.hidden = layers.Conv1D(
            4, 5, padding="same", activation="tanh", kernel_regularizer=keras.regularizers.L2(0.1)
        )
        self.output_layer = layers.Conv1D(len(self.sources) * channels, 1)

    def estimate(self, window, training=False):
        outputs = self.output_layer(self.hidden(window))
        return dict(zip(self.sources, keras.ops.split(outputs, len(self.sources), axis=-1), strict=True))


@keras.saving.register_keras_serializable(package="tfsep-tests")
class OwnBuild(FirstCall):
    """Makes a weight in `build`, and leaves its layers to their first call."""

    def build(self, input_shape):
        self.gain = self.add_weight(shape=(1,), initializer="random_normal", name="gain")

    def estimate(self, window, training=False):
        return {name: self.gain * estimate for name, estimate in super().estimate(window, training).items()}


@keras.saving.register_keras_serializable(package="tfsep-tests")
class BuiltByConstructor(FirstCall):
    """Calls Keras's `build`, which marks the model as built and leaves its layers without weights."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.build((None, None, self.channels))


@keras.saving.register_keras_serializable(package="tfsep-tests")
class LayersInBuild(FirstCall):
    """Makes its layers in `build`."""

    def build(self, input_shape):
        self.hidden = layers.Conv1D(4, 5, padding="same")
        self.output_layer = layers.Conv1D(len(self.sources) * self.channels, 1)
        super().build(input_shape)


# `BuiltByConstructor` provokes it.
pytestmark = pytest.mark.filterwarnings("ignore:.build... was called on layer:UserWarning")


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    sources = {name: generator.normal(0, 0.1, (4, 64, 1)).astype("float32") for name in ("vocals", "drums")}
    return sum(sources.values()), sources


def assert_same(model, expected, mixture, atol=1e-6):
    estimates, wanted = model(mixture), expected(mixture)
    assert np.abs(wanted["drums"]).max() > 1e-3
    for name in expected.sources:
        np.testing.assert_allclose(estimates[name], wanted[name], atol=atol)


@pytest.mark.parametrize("state", ["new", "called", "fitted"])
@pytest.mark.parametrize("kind", [FirstCall, OwnBuild, BuiltByConstructor, LayersInBuild])
class TestRoundTrips:
    @pytest.fixture
    def model(self, kind, state, batch):
        keras.utils.set_random_seed(0)
        model = kind()
        if state == "called":
            model(batch[0])
        if state == "fitted":
            model.compile("adam", run_eagerly=True)
            model.fit(*batch, verbose=0)
        return model

    def test_inference_copy(self, model, batch):
        assert_same(model.inference_copy(), model, batch[0])

    def test_keras_file_with_its_optimizer(self, model, batch, tmp_path):
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert_same(loaded, model, batch[0])
        if model.compiled:
            for ours, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
                np.testing.assert_array_equal(ours, theirs)

    def test_preset(self, model, batch, tmp_path):
        model.save_to_preset(tmp_path / "preset")
        assert_same(load_preset(tmp_path / "preset"), model, batch[0], atol=1e-3)

    def test_weights_file(self, kind, model, batch, tmp_path):
        model.save_weights(tmp_path / "model.weights.h5")
        other = kind()
        other.load_weights(tmp_path / "model.weights.h5")
        assert_same(other, model, batch[0])

    def test_saved_model(self, model, batch, tmp_path):
        model.export(tmp_path / "exported")
        exported = load_model(tmp_path / "exported")
        for name, estimate in exported.separate_window(batch[0]).items():
            np.testing.assert_allclose(estimate, model(batch[0])[name], atol=1e-6)


def test_trains_and_keeps_the_best(songs, tmp_path, monkeypatch):
    from tfsep.datasets import StemsFolder

    monkeypatch.setattr(checkpoint, "plot_losses", lambda history, path: Path(path).touch())
    tracks = list(StemsFolder(songs))
    model = FirstCall(segment=512)
    settings = {"epochs": 1, "batch_size": 2, "steps_per_epoch": 1, "verbose": 0}
    fit(model, tracks[:2], tracks[2:], tmp_path / "run", **settings)
    mixture = np.random.default_rng(0).normal(0, 0.1, (1, 512, 1)).astype("float32")
    assert_same(load_model(tmp_path / "run" / "best"), model, mixture, atol=1e-3)


def test_the_engine_builds_it_first(batch):
    model = OwnBuild()
    estimates = model.compiled_separate_window(batch[0])
    np.testing.assert_allclose(estimates["drums"], model(batch[0])["drums"], atol=1e-6)


class TestAdditionalLosses:
    def test_a_regularizer_counts_in_loss_and_step(self, batch):
        def step(penalized: bool) -> tuple:
            keras.utils.set_random_seed(0)
            model = FirstCall()
            model(batch[0])
            if not penalized:
                model.hidden.kernel.regularizer = None
            before = model.hidden.kernel.numpy()
            model.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
            logs = model.fit(*batch, validation_data=batch, verbose=0).history
            return before, model.hidden.kernel.numpy(), {name: values[0] for name, values in logs.items()}

        kernel, with_penalty, logs = step(True)
        _, without, plain = step(False)
        np.testing.assert_allclose(with_penalty - without, -0.5 * 0.2 * kernel, atol=1e-6)
        penalty = pytest.approx(0.1 * np.sum(kernel**2), rel=1e-4)
        assert logs["loss"] - plain["loss"] == penalty
        assert logs["loss"] - logs["vocals_loss"] - logs["drums_loss"] == penalty
        penalty = logs["val_loss"] - logs["val_vocals_loss"] - logs["val_drums_loss"]
        assert penalty == pytest.approx(0.1 * np.sum(with_penalty**2), rel=1e-4)

    def test_an_added_loss_counts_once_a_step(self, batch):
        class Adding(FirstCall):
            def estimate(self, window, training=False):
                self.add_loss(3.0 + 0.0 * keras.ops.mean(window))
                return super().estimate(window, training)

        model = Adding()
        model(batch[0])
        model.hidden.kernel.regularizer = None
        model.compile("sgd", run_eagerly=True)
        logs = model.fit(*batch, batch_size=2, validation_data=batch, epochs=2, verbose=0).history
        for split in ("", "val_"):
            for epoch in range(2):
                own = logs[f"{split}vocals_loss"][epoch] + logs[f"{split}drums_loss"][epoch]
                assert logs[f"{split}loss"][epoch] - own == pytest.approx(3.0, rel=1e-4)


class TestImports:
    MODULE = (
        "from tfsep.models import Separator\n"
        "print('imported')\n"
        "class TinyWave(Separator):\n"
        "    def __init__(self, sources=('vocals', 'drums'), sample_rate=8000, channels=1, segment=64, **kwargs):\n"
        "        super().__init__(sources, sample_rate, channels, segment, **kwargs)\n"
        "        self.gain = self.add_weight(shape=(1,), name='gain')\n"
        "        self.built = True\n"
        "    def estimate(self, window, training=False):\n"
        "        return {name: self.gain * window for name in self.sources}\n"
    )

    @pytest.fixture(scope="class")
    def made(self, tmp_path_factory):
        """A module, a preset and a `.keras` file of its class, and nothing imported here."""
        folder = tmp_path_factory.mktemp("own")
        (folder / "mymodel.py").write_text(self.MODULE)
        script = (
            "import mymodel\nfrom tfsep import presets\n"
            "model = mymodel.TinyWave()\nmodel.save_to_preset('preset')\nmodel.save('model.keras')\n"
        )
        subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True)
        return folder

    @pytest.fixture
    def folder(self, made, tmp_path):
        return shutil.copytree(made, tmp_path / "own")

    @pytest.mark.parametrize("name", ["preset", "model.keras"])
    def test_the_class_is_named_and_nothing_imported(self, folder, name, monkeypatch, capsys):
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        with pytest.raises(ValueError, match=r"Import the module that defines TinyWave first;.*--import mymodel"):
            load_model(name)
        assert "mymodel" not in sys.modules
        assert "imported" not in capsys.readouterr().out

        import mymodel

        try:
            assert isinstance(load_model(name), mymodel.TinyWave)
        finally:
            del sys.modules["mymodel"]

    def test_an_imported_function_is_no_model(self, folder, monkeypatch):
        import json

        config = json.loads((folder / "preset" / "config.json").read_text())
        config["model"]["config"]["sources"] = {
            "module": "os",
            "class_name": "function",
            "config": "system",
            "registered_name": "system",
        }
        (folder / "preset" / "config.json").write_text(json.dumps(config))
        with pytest.raises(ValueError, match="Import the module that defines"):
            load_model(folder / "preset")


class TestFrozen:
    @pytest.fixture
    def model(self, batch):
        from tfsep.models import UNet

        model = UNet(sample_rate=8000, segment=64, filters=2, depth=1)
        model.network.get_layer("down_1_conv").trainable = False
        model.network.get_layer("down_1_norm").trainable = False
        model.compile("adam", run_eagerly=True)
        model.fit(*batch, verbose=0)
        return model

    def paths(self, model):
        return [weight.path for weight in model.trainable_weights]

    def test_survives_a_preset_and_a_keras_file(self, model, tmp_path):
        model.save_to_preset(tmp_path / "preset")
        loaded = load_preset(tmp_path / "preset")
        assert self.paths(loaded) == self.paths(model)
        assert not loaded.network.get_layer("down_1_norm").trainable
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert self.paths(loaded) == self.paths(model)
        for ours, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_a_layer_alone_stays_trainable(self, model):
        model.trainable = False
        model.trainable = True
        model.network.trainable = False
        model.network.get_layer("head_drums").trainable = True
        copy = model.inference_copy()
        assert self.paths(copy) == self.paths(model) == ["head_drums/kernel", "head_drums/bias"]

    def test_a_discriminator(self, tmp_path):
        from tfsep.models import CycleGAN

        model = CycleGAN(sample_rate=8000, segment=256, filters=2, blocks=1)
        model.compile()
        model.discriminators[0].get_layer("logit").trainable = False
        model.generator.layers[-1].trainable = False
        model.compile()
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert len(loaded.discriminator_variables) == len(model.discriminator_variables)
        assert not loaded.discriminators[0].get_layer("logit").trainable
        assert self.paths(model.inference_copy()) == [v.path for v in model.generator_variables]

    def test_a_model_without_frozen_layers_says_nothing(self):
        assert "frozen" not in FirstCall().get_config()


class TestChannels:
    @pytest.mark.parametrize("length", [100, 130])
    def test_after_a_trace_for_all_shapes(self, length):
        model = FirstCall()
        mixtures = [np.zeros((1, samples, 1), "float32") for samples in (64, 100)]
        for mixture in mixtures:
            model.predict(mixture, verbose=0)
        with pytest.raises(Exception, match=r"must be \[batch, samples, channels=1\]"):
            model.predict(np.zeros((1, length, 2), "float32"), verbose=0)

    @pytest.mark.parametrize("shape", [(1, 64, 2), (1, 64), (64,), (1, 64, 1, 1)], ids=str)
    @pytest.mark.parametrize("method", ["call", "separate_window", "compiled_separate_window"])
    def test_whatever_is_called(self, shape, method):
        model = FirstCall()
        with pytest.raises(ValueError, match=r"must be \[batch, samples, channels=1\]. Received: shape="):
            getattr(model, method)(np.zeros(shape, "float32"))

    def test_references_of_other_channels(self, batch):
        model = FirstCall()
        stereo = {name: np.tile(audio, (1, 1, 2)) for name, audio in batch[1].items()}
        with pytest.raises(ValueError, match="References and estimates must have one shape"):
            model.compute_loss(None, stereo, model(batch[0]))
