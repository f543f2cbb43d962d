"""What every model promises, as one test case: `tfsep.models.Separator` says it, each subclass has to keep it.

A test module of a system names the class and a small configuration, and has all of these tests:

    class TestUNet(SeparatorCase):
        model_class = UNet
        options = {"sample_rate": 8000, "segment": 1024, "filters": 4}
        parameters = 15_630
"""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfsep.layers import real_valued
from tfsep.loading import load_model
from tfsep.models import Separator

POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class SeparatorCase:
    """Base of the tests of one model class.

    Attributes:
        model_class: the subclass of `Separator`.
        options: dict of its arguments: as small as it works.
        parameters: int, `count_params()` with these options.
        portable: bool, whether the model computes in float32 alone, as LiteRT does. Defaults to True.
        slow: set of str, tests that only `-m slow` runs. Defaults to none.
    """

    model_class: type[Separator]
    options: dict
    parameters: int
    portable = True
    slow = frozenset()

    # A subclass that needs it otherwise overrides these.

    def make(self, **changes) -> Separator:
        keras.utils.set_random_seed(0)
        return self.model_class(**{**self.options, **changes})

    def compile(self, model: Separator, optimizer="adam", **arguments) -> None:
        model.compile(optimizer, **arguments)

    # Material.

    def mixture(self, model: Separator, examples: int = 2, samples: int | None = None) -> np.ndarray:
        return sum(self.sources(model, examples, samples).values())

    def sources(self, model: Separator, examples: int = 2, samples: int | None = None) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(1)
        shape = (examples, samples or model.segment + 2 * model.context, model.channels)
        return {name: generator.normal(0, 0.1, shape).astype("float32") for name in model.sources}

    def batch_for_replicas(self, model: Separator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Four examples, of which each of two replicas gets two."""
        return self.mixture(model, 4), self.sources(model, 4)

    def fit(self, model: Separator, examples: int = 4) -> dict:
        """One step on one batch; its logs."""
        history = model.fit(
            self.mixture(model, examples), self.sources(model, examples), examples, verbose=0, shuffle=False
        ).history
        return {name: values[0] for name, values in history.items()}

    def regularize(self, model: Separator) -> float:
        """Gives a weight a regularizer; what it adds to the loss."""
        weight = model.trainable_weights[0]
        weight.regularizer = keras.regularizers.L2(0.1)
        return 0.1 * np.sum(np.square(weight))

    def loss(self, model: Separator, examples: int = 4, silence: float = 1.0, training: bool = True) -> tf.Tensor:
        """The loss of a batch, eagerly."""
        mixture = tf.constant(self.mixture(model, examples) * silence)
        sources = {name: audio * silence for name, audio in self.sources(model, examples).items()}
        return model.compute_loss(mixture, sources, model.estimate(mixture, training=training))

    # The promises. A step is taken eagerly, which is quicker than to trace it; traced are the steps with `jit_compile`
    # and under a strategy, and inference in the export.

    def test_configuration_makes_the_same_model(self):
        model = self.make()
        config = json.loads(json.dumps(model.get_config()))
        twin = self.model_class.from_config(config)
        assert twin.get_config() == model.get_config()
        assert twin.sources == model.sources
        assert [weight.shape for weight in twin.weights] == [weight.shape for weight in model.weights]
        changed = {"sources": ["b", "a"], "sample_rate": 12345, "segment": 2 * self.options["segment"]}
        assert self.make(**changed).get_config().items() >= changed.items()

    def test_context_is_cut_off_or_refused(self):
        if self.model_class.fixed_context:
            with pytest.raises(ValueError, match=r"takes no context\. Received: context=8"):
                self.make(context=8)
            return
        model = self.make(context=8)
        for estimate in model.separate_window(self.mixture(model)).values():
            assert estimate.shape[1] == model.segment

    def test_has_all_its_weights_when_constructed(self):
        model = self.make()
        assert model.built
        assert model.count_params() == self.parameters

    def test_takes_any_length(self):
        model = self.make()
        for samples in (1, 2, 3, 97, model.segment - 1, model.segment, 2 * model.segment + 331):
            mixture = self.mixture(model, 2, samples)
            for name, estimate in model(mixture).items():
                assert estimate.shape == mixture.shape, (name, samples)
                assert estimate.dtype == "float32"
                assert np.isfinite(estimate).all(), (name, samples)

    def test_estimates_are_in_the_order_of_sources(self):
        names = self.make().sources
        for sources in (names, names[::-1]):
            model = self.make(sources=sources)
            mixture = self.mixture(model)
            assert tuple(model(mixture)) == sources
            assert tuple(model.separate_window(mixture)) == sources

    def test_inference_is_deterministic_and_learns_nothing(self):
        model = self.make()
        mixture = self.mixture(model)
        weights = model.get_weights()
        first, second, alone = model(mixture), model(mixture), model(mixture[:1])
        for name in model.sources:
            assert np.array_equal(first[name], second[name])
            np.testing.assert_allclose(first[name][:1], alone[name], atol=1e-5, err_msg="examples mix")
        assert all(np.array_equal(before, after) for before, after in zip(weights, model.get_weights(), strict=True))

    def test_level_of_the_input_is_that_of_the_output(self):
        model = self.make()
        mixture, gain = self.mixture(model), 10 ** (-12 / 20)
        loud, soft = model(mixture), model(gain * mixture)
        for name in model.sources:
            peak = np.abs(loud[name]).max()
            assert peak > 0
            np.testing.assert_allclose(soft[name] / gain, loud[name], atol=1e-4 * peak)

    def test_silence_gives_finite_audio_and_gradients(self):
        model = self.make()
        for level in (0.0, 1e-9):
            for estimate in model(level * self.mixture(model)).values():
                assert np.isfinite(estimate).all()
        with tf.GradientTape() as tape:
            loss = self.loss(model, silence=0.0)
        for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
            assert np.isfinite(gradient).all(), weight.path

    def test_gradient_reaches_every_weight(self):
        model = self.make()
        # Without batch statistics, under which the gradient of a bias before batch normalisation is zero.
        with tf.GradientTape() as tape:
            loss = self.loss(model, training=False)
        for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
            assert gradient is not None, weight.path
            assert np.isfinite(gradient).all(), weight.path
            assert np.any(gradient), weight.path

    def test_fits(self):
        model = self.make()
        self.compile(model, run_eagerly=True)
        expected = self.loss(model)
        before = model.get_weights()
        penalty = self.regularize(model)
        logs = self.fit(model)
        assert logs.keys() == {"loss", *(f"{name}_loss" for name in model.sources)}
        np.testing.assert_allclose(logs["loss"], expected + penalty, rtol=1e-4)
        np.testing.assert_allclose(sum(logs[f"{name}_loss"] for name in model.sources), expected, rtol=1e-4)
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
        assert any(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))

    def test_evaluates_the_loss_and_the_si_sdr_of_each_source(self):
        model = self.make()
        self.compile(model, run_eagerly=True)
        mixture, sources = self.mixture(model, 3), self.sources(model, 3)
        # Three examples in batches of two: the last one counts for one.
        expected = self.loss(model, 3, training=False)
        penalty = self.regularize(model)
        logs = model.evaluate(mixture, sources, batch_size=2, verbose=0, return_dict=True)
        for name in model.sources:
            assert {f"{name}_loss", f"{name}_si_sdr", f"{name}_si_sdr_improvement"} <= logs.keys()
        np.testing.assert_allclose(logs["loss"], expected + penalty, rtol=1e-4)
        assert logs["silent_references"] == 0

    @pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
    def test_fits_in_half_precision(self, policy):
        full, half = self.make(), self.make(dtype=policy)
        half.set_weights(full.get_weights())
        assert half.compute_dtype == POLICIES[policy]
        assert {weight.dtype for weight in half.trainable_weights} == {"float32"}
        mixture = self.mixture(full)
        expected, estimates = full(mixture), half(mixture)
        for name in full.sources:
            assert estimates[name].dtype == "float32"
            peak = np.abs(expected[name]).max()
            np.testing.assert_allclose(estimates[name], expected[name], atol=0.05 * peak)
            assert not np.array_equal(estimates[name], expected[name]), "the network does not run in half precision"

        # A loss scaled on one side alone would change the step of plain gradient descent by that factor.
        with tf.GradientTape() as tape:
            loss = self.loss(full)
        norm = keras.ops.sqrt(sum(keras.ops.sum(g**2) for g in tape.gradient(loss, full.trainable_weights)))
        self.compile(half, keras.optimizers.SGD(0.01), run_eagerly=True)
        assert isinstance(half.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
        before = [weight.numpy() for weight in half.trainable_weights]
        np.testing.assert_allclose(self.fit(half)["loss"], loss, rtol=0.05)
        moved = [w.numpy() - old for w, old in zip(half.trainable_weights, before, strict=True)]
        assert np.sqrt(sum(np.sum(m**2) for m in moved)) == pytest.approx(0.01 * float(norm), rel=0.1)

    def test_fits_with_jit_compile(self):
        model = self.make()
        self.compile(model, keras.optimizers.SGD(0.01), jit_compile=True)
        expected = self.loss(model)
        np.testing.assert_allclose(self.fit(model)["loss"], expected, rtol=1e-3)

    def test_fits_under_a_mirrored_strategy(self, tmp_path, script):
        """Ten steps of two replicas are those of one."""
        model, rate = self.make(), 0.003  # at a high one, ten steps enlarge what rounding differs
        self.compile(model, keras.optimizers.SGD(rate))
        mixture, sources = self.batch_for_replicas(model)
        np.savez(tmp_path / "batch.npz", **{"": mixture}, **sources)
        model.save(tmp_path / "model.keras")
        script("mirrored.py")(tmp_path)
        found = json.loads((tmp_path / "found.json").read_text())
        assert found["replicas"] == 2

        self.compile(model, keras.optimizers.SGD(rate), run_eagerly=True)
        logs = model.fit(mixture, sources, batch_size=4, epochs=10, verbose=0, shuffle=False).history
        np.testing.assert_allclose(found["loss"], logs["loss"], rtol=1e-4)
        mirrored = np.load(tmp_path / "weights.npz")
        for index, weight in enumerate(model.weights):
            if "replay_buffer" not in weight.path:  # not full yet, and unused by replicas
                np.testing.assert_allclose(mirrored[f"arr_{index}"], weight, atol=1e-5, err_msg=weight.path)

    def test_reloads_from_keras_file_with_the_optimizer(self, tmp_path):
        model = self.make()
        self.compile(model, run_eagerly=True)
        self.fit(model)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        _assert_same_estimates(loaded, model, self.mixture(model))
        assert loaded.compiled
        assert loaded.loss is None
        assert len(model.optimizer.variables) > 2
        # By place: sub-networks of one kind give their variables the same names.
        for theirs, ours in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
            assert np.array_equal(theirs, ours), ours.path
        assert float(loaded.optimizer.iterations) == 1

    def test_reloads_from_weights_file(self, tmp_path):
        model = self.make()
        model.save_weights(tmp_path / "model.weights.h5")
        keras.utils.set_random_seed(1)
        other = self.model_class.from_config(model.get_config())
        mixture = self.mixture(model)
        with pytest.raises(AssertionError):
            _assert_same_estimates(other, model, mixture)
        other.load_weights(tmp_path / "model.weights.h5")
        _assert_same_estimates(other, model, mixture)

    def test_graph_of_a_window_has_what_all_formats_have(self, tmp_path):
        model = self.make()
        with pytest.raises(ValueError, match=r"must end in \.tflite"):
            model.export(tmp_path / "model", "litert", weights="float16")
        window = tf.TensorSpec((1, model.segment + 2 * model.context, model.channels))
        with real_valued():
            graph = tf.function(model.separate_window).get_concrete_function(window).graph
        tensors = [tensor for operation in graph.get_operations() for tensor in operation.outputs]
        assert not [tensor.name for tensor in tensors if tensor.dtype.is_complex]
        if self.portable:
            assert not [tensor.name for tensor in tensors if tensor.dtype == tf.float64 or len(tensor.shape) > 5]

    def test_exports_what_plain_tensorflow_runs(self, tmp_path, script):
        model = self.make()
        model.export(tmp_path / "exported")
        shapes = [(1, 1), (1, model.segment), (3, 331), (2, 2 * model.segment + 77)]
        mixtures = [self.mixture(model, *shape) for shape in shapes]
        np.savez(tmp_path / "mixtures.npz", *mixtures)
        script("plain_tensorflow.py")(tmp_path)
        found = np.load(tmp_path / "estimates.npz")
        for index, mixture in enumerate(mixtures):
            for name, estimate in model(mixture).items():
                np.testing.assert_allclose(found[f"{index} {name}"], estimate, atol=1e-5)
        with pytest.raises(FileExistsError, match="exported exists"):
            model.export(tmp_path / "exported")
        if model.context:
            window = self.mixture(model)
            expected = model.separate_window(window)
            for name, estimate in load_model(tmp_path / "exported").separate_window(window).items():
                np.testing.assert_allclose(estimate, expected[name], atol=1e-6)


class SlowToTraceCase(SeparatorCase):
    """Of networks whose layers are those of others: their steps are traced and compiled in the slow tests alone."""

    slow = frozenset({"test_fits_with_jit_compile", "test_fits_under_a_mirrored_strategy"})


class CheckpointCase(SlowToTraceCase):
    """Of networks that others have published, which `tests/checkpoints` compares with the originals.

    What `Separator` does for all of them is tested with the networks of this package.
    """

    slow = SlowToTraceCase.slow | {
        "test_exports_what_plain_tensorflow_runs",
        "test_fits_in_half_precision",
        "test_reloads_from_keras_file_with_the_optimizer",
        "test_takes_any_length",
    }


def _assert_same_estimates(model: Separator, expected: Separator, mixture: np.ndarray) -> None:
    assert type(model) is type(expected)
    estimates, wanted = model(mixture), expected(mixture)
    for name in expected.sources:
        np.testing.assert_array_equal(estimates[name], wanted[name])
