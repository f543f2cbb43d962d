import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from separator_case import SlowToTraceCase
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfsep import presets
from tfsep.datasets import StemsFolder
from tfsep.models import CycleGAN, WaveGANSeparator
from tfsep.models.adversarial_losses import ADVERSARIAL_LOSSES
from tfsep.models.preset_files import load_preset
from tfsep.models.wavegan import run
from tfsep.models.wavegan_separator import Stretched
from tfsep.training import checkpoint, fit

SMALL = {"sample_rate": 8000, "segment": 256, "filters": 2, "blocks": 1}
SMALL_CYCLE = {**SMALL, "mode": "cycle"}
EVERY = [(mode, adversarial) for mode in ("paired", "cycle") for adversarial in ADVERSARIAL_LOSSES]


class TestPaired(SlowToTraceCase):
    model_class = WaveGANSeparator
    options = SMALL
    parameters = 1_221
    parts = ("reconstruction_loss", "identity_loss", "adversarial_loss")

    def test_fits(self):
        model = self.make()
        self.compile(model, run_eagerly=True)
        expected = self.loss(model)
        # Biases that a normalisation or the loss takes away again have no gradient.
        weights = [weight for weight in model.trainable_weights if not weight.path.endswith("bias")]
        before = [weight.numpy() for weight in weights]
        penalties = [self.regularize(model), 0.0]
        if model.discriminators:
            kernel = model.discriminator_variables[0]
            kernel.regularizer = keras.regularizers.L1(0.01)
            penalties[1] = 0.01 * np.sum(np.abs(kernel))
        logs = self.fit(model)
        assert logs.keys() == {
            "loss",
            "vocals_loss",
            "accompaniment_loss",
            *self.parts,
            "generator_loss",
            "discriminator_loss",
            "generator_gradient_norm",
            "discriminator_gradient_norm",
        }
        assert np.isfinite(list(logs.values())).all()
        # What is logged as the loss is the separation's error before the step.
        assert logs["vocals_loss"] + logs["accompaniment_loss"] == pytest.approx(float(expected), rel=1e-4)
        total = sum(weight * logs[part] for weight, part in zip((10.0, 0.5, 1.0), self.parts, strict=True))
        assert logs["generator_loss"] == pytest.approx(total + penalties[0], rel=1e-5)
        assert logs["loss"] == pytest.approx(float(expected) + sum(penalties), rel=1e-2)
        for weight, old in zip(weights, before, strict=True):
            assert np.any(weight.numpy() != old), weight.path

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_fits_in_half_precision(self, policy):
        full, half = self.make(phase_shuffle=0), self.make(dtype=policy, phase_shuffle=0)
        self.compile(half)
        for optimizer in (half.optimizer, half.discriminator_optimizer):
            assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
        self.compile(full, keras.optimizers.SGD(0.01), run_eagerly=True)
        optimizers = [keras.optimizers.SGD(0.01) for _ in range(2)]
        if policy == "mixed_float16":
            # Scales at which nothing overflows in the first step, and which differ.
            optimizers = [
                keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
                for optimizer, scale in zip(optimizers, (512.0, 64.0), strict=True)
            ]
        self.compile(half, optimizers[0], discriminator_optimizer=optimizers[1], run_eagerly=True)
        half.set_weights(full.get_weights())
        mixture = self.mixture(full)
        expected, estimates = full(mixture), half(mixture)
        for name in full.sources:
            assert estimates[name].dtype == "float32"
            peak = np.abs(expected[name]).max()
            np.testing.assert_allclose(estimates[name], expected[name], atol=0.05 * peak)
            assert not np.array_equal(estimates[name], expected[name]), "the network does not run in half precision"

        before = {id(variable): variable.numpy() for variable in half.trainable_weights}
        logs, wanted = self.fit(half), self.fit(full)
        for name, value in wanted.items():
            assert logs[name] == pytest.approx(value, rel=0.1, abs=0.02), name
        # A loss scaled by the other optimiser, or on one side alone, would change the step by that factor.
        for network in ("generator", "discriminator"):
            moved = [variable - before[id(variable)] for variable in getattr(half, f"{network}_variables")]
            assert np.sqrt(sum(np.sum(np.square(move)) for move in moved)) == pytest.approx(
                0.01 * wanted[f"{network}_gradient_norm"], rel=0.1
            )

    def test_fits_under_a_mirrored_strategy(self, tmp_path, script, monkeypatch):
        # Replicas draw shifts of their own, which one device cannot repeat, and compare real with generated examples
        # among their own where the loss is relativistic.
        monkeypatch.setattr(type(self), "options", {**self.options, "phase_shuffle": 0, "adversarial": "lsgan"})
        super().test_fits_under_a_mirrored_strategy(tmp_path, script)

    def test_reloads_from_keras_file_with_the_optimizer(self, tmp_path):
        model = self.make(adversarial="wgan-gp")
        optimizers = (keras.optimizers.Adam(1e-3), keras.optimizers.RMSprop(1e-4))
        # One step takes less than to trace it.
        self.compile(model, optimizers[0], discriminator_optimizer=optimizers[1], run_eagerly=True)
        self.fit(model)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert loaded.loss is None
        assert isinstance(loaded.discriminator_optimizer, keras.optimizers.RMSprop)
        assert float(loaded.discriminator_optimizer.iterations) == 5
        assert float(loaded.optimizer.iterations) == 1
        assert_same_state(loaded, model)
        # Also what is drawn next is the same.
        for step in (model, loaded):
            self.fit(step)
        assert_same_state(loaded, model)


@pytest.mark.slow
class TestCycle(TestPaired):
    model_class = CycleGAN
    options = SMALL_CYCLE
    parts = ("cycle_loss", "identity_loss", "adversarial_loss")

    def batch_for_replicas(self, model):
        # A replica takes each target from another one of its own examples.
        mixture, sources = super().batch_for_replicas(model)
        return mixture[[0, 1, 0, 1]], {name: audio[[0, 1, 0, 1]] for name, audio in sources.items()}


def assert_same_state(model, expected):
    variables = zip(state(model), state(expected), strict=True)
    for found, wanted in variables:
        np.testing.assert_array_equal(found, wanted, err_msg=wanted.path)


def state(model) -> list:
    """All that a step changes: weights, random states, replay buffers, optimisers."""
    metrics = {id(variable) for variable in model.metrics_variables}
    kept = [variable for variable in model.variables if id(variable) not in metrics]
    return [*kept, *model.optimizer.variables, *model.discriminator_optimizer.variables]


@pytest.fixture
def make():
    def make(**options) -> WaveGANSeparator:
        keras.utils.set_random_seed(0)
        model = CycleGAN(**{**SMALL, **options})
        # One step takes less than to trace it.
        model.compile(run_eagerly=True)
        return model

    return make


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    sources = {name: generator.normal(0, 0.1, (4, 256, 1)).astype("float32") for name in ("vocals", "accompaniment")}
    return sum(sources.values()), sources


def gradients(model, loss, batch, variables):
    """The gradient of a part of the generators' losses."""
    with tf.GradientTape() as tape:
        mixture, target, _ = model.training_pair(*batch)
        # Without batch statistics, under which the gradient of a bias before batch normalisation is zero.
        parts, _ = model.generator_losses(mixture, target, training=False)
    return zip(variables, tape.gradient(parts[loss], variables), strict=True)


class TestGradients:
    @pytest.mark.parametrize(("mode", "adversarial"), EVERY)
    def test_adversarial_loss_reaches_every_generator_weight(self, make, batch, mode, adversarial):
        model = make(mode=mode, adversarial=adversarial)
        assert len(model.generator_variables) == (2 if mode == "cycle" else 1) * len(model.generator.trainable_weights)
        for weight, gradient in gradients(model, "adversarial", batch, model.generator_variables):
            assert gradient is not None, weight.path
            assert np.isfinite(gradient).all(), weight.path
            assert np.any(gradient), weight.path

    @pytest.mark.parametrize("part", ["cycle", "identity"])
    def test_cycle_and_identity_reach_every_weight_of_both_generators(self, make, batch, part):
        model = make(mode="cycle")
        for weight, gradient in gradients(model, part, batch, model.generator_variables):
            assert gradient is not None, weight.path
            assert np.any(gradient), weight.path

    @pytest.mark.parametrize(("mode", "adversarial"), EVERY)
    def test_a_step_of_the_adversarial_loss_alone_moves_the_generators(self, make, batch, mode, adversarial):
        model = make(mode=mode, adversarial=adversarial, reconstruction_weight=0, identity_weight=0)
        before = [weight.numpy() for weight in model.generator_variables]
        logs = model.fit(*batch, verbose=0).history
        assert "identity_loss" not in logs
        assert logs["generator_gradient_norm"][0] > 0
        for weight, old in zip(model.generator_variables, before, strict=True):
            if not weight.path.endswith("conv/bias"):
                assert np.any(weight != old), weight.path

    @pytest.mark.parametrize("frozen", ["optimizer", "discriminator_optimizer"])
    def test_each_optimizer_moves_its_own_networks(self, make, batch, frozen):
        model = make()
        optimizers = {"optimizer": "adam", "discriminator_optimizer": "adam", frozen: keras.optimizers.SGD(0.0)}
        model.compile(**optimizers, run_eagerly=True)
        own = {"optimizer": model.generator_variables, "discriminator_optimizer": model.discriminator_variables}
        before = {name: [weight.numpy() for weight in weights] for name, weights in own.items()}
        model.fit(*batch, verbose=0)
        for name, weights in own.items():
            pairs = [pair for pair in zip(weights, before[name], strict=True) if not pair[0].path.endswith("bias")]
            moved = [np.any(weight != old) for weight, old in pairs]
            assert not any(moved) if name == frozen else all(moved), name

    def test_fakes_give_the_discriminators_no_gradient_to_the_generators(self, make, batch):
        model = make(mode="cycle")
        with tf.GradientTape() as tape:
            mixture, target, _ = model.training_pair(*batch)
            loss = sum(tf.reduce_sum(fakes) for _, _, fakes in model.discriminations(mixture, target))
        assert all(gradient is None for gradient in tape.gradient(loss, model.generator_variables))


class TestBatches:
    def test_networks_receive_all_mixtures_at_one_level(self, make, batch):
        mixture, sources = batch
        quiet = {name: 0.01 * audio for name, audio in sources.items()}
        pairs = [make().training_pair(*pair) for pair in (batch, (0.01 * mixture, quiet))]
        for loud, soft in zip(pairs[0][:2], pairs[1][:2], strict=True):
            np.testing.assert_allclose(loud, soft, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(np.sqrt(np.mean(np.square(pairs[0][0]), axis=(1, 2))), 0.1, rtol=1e-4)
        np.testing.assert_allclose(pairs[0][1] * pairs[0][2], sources["vocals"], atol=1e-6)

    def test_targets_of_the_cycle_are_those_of_the_next_example(self, make, batch):
        targets = {mode: make(mode=mode).training_pair(*batch)[1] for mode in ("paired", "cycle")}
        np.testing.assert_array_equal(targets["cycle"], np.roll(targets["paired"], 1, axis=0))

    def test_one_example_has_no_other_to_take_a_target_from(self, make, batch):
        mixture, sources = batch
        one = (mixture[:1], {name: audio[:1] for name, audio in sources.items()})
        make().training_pair(*one)
        with pytest.raises(
            ValueError, match=r"The CycleGAN takes each target from another example\. Give batches of at least 2"
        ):
            make(mode="cycle").training_pair(*one)

    def test_the_mixture_is_a_fake_of_the_paired_mode(self, make, batch):
        model = make()
        mixture, target, _ = model.training_pair(*batch)
        ((network, real, fakes),) = model.discriminations(mixture, target)
        assert network is model.discriminators[0]
        np.testing.assert_array_equal(real, target)
        np.testing.assert_allclose(fakes[:4], run(model.generator, mixture, True), atol=1e-6)
        np.testing.assert_array_equal(fakes[4:], mixture)

    def test_both_discriminators_of_the_cycle_have_earlier_fakes(self, make, batch):
        model = make(mode="cycle")
        mixture, target, _ = model.training_pair(*batch)
        for _ in range(20):
            pairs = model.discriminations(mixture, target)
        assert [network for network, _, _ in pairs] == model.discriminators
        for (_, found, _), wanted in zip(pairs, (target, mixture), strict=True):
            np.testing.assert_array_equal(found, wanted)
        sources = {"vocals": batch[1]["vocals"][::-1], "accompaniment": batch[1]["accompaniment"][::-1]}
        other = model.training_pair(sum(sources.values()), sources)[:2]
        new = [fakes for _, _, fakes in model.discriminations(*other, replay=False)]
        assert [int(buffer.count) for buffer in model.replay_buffers] == [50, 50]
        # In all of five steps no fake was exchanged by chance: once in a million.
        given = [[fakes for _, _, fakes in model.discriminations(*other)] for _ in range(5)]
        for network in range(2):
            same = [np.abs(fakes[network] - new[network]).max(axis=(1, 2)) < 1e-6 for fakes in given]
            assert 0 < np.mean(same) < 1

    def test_moving_averages_are_of_mixtures_alone_and_of_one_pass_a_step(self, make, batch):
        model = make(mode="cycle", adversarial="wgan-gp")
        mixture, _, _ = model.training_pair(*batch)
        inner = model.generator.get_layer("residual_1a_conv")
        activations = keras.Model(model.generator.input, inner.output)(mixture)
        model.fit(*batch, verbose=0, shuffle=False)
        expected = 0.1 * np.mean(activations, axis=(0, 1))
        np.testing.assert_allclose(model.generator.get_layer("residual_1a_norm").moving_mean, expected, rtol=1e-3)

    def test_gradient_penalty_of_a_linear_discriminator(self, make):
        model = make(adversarial="wgan-gp")
        inputs = keras.Input((256, 1))
        network = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(inputs)))
        weights = np.random.default_rng(0).normal(size=(256, 1)).astype("float32")
        network.set_weights([weights, np.zeros(1)])
        audio = tf.constant(np.random.default_rng(1).normal(size=(4, 256, 1)).astype("float32"))
        penalty = model._gradient_penalty(network, audio[:2], audio)
        assert float(penalty) == pytest.approx((np.linalg.norm(weights) - 1) ** 2, rel=1e-4)


class TestCompile:
    def test_defaults(self, make):
        model = make()
        for optimizer in (model.optimizer, model.discriminator_optimizer):
            assert isinstance(optimizer, keras.optimizers.Adam)
            assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.9)
            assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert model.optimizer is not model.discriminator_optimizer

    @pytest.mark.parametrize(("mode", "networks"), [("paired", 1), ("cycle", 2)])
    def test_makes_the_networks_of_training_once(self, make, mode, networks):
        model = make(mode=mode)
        assert len(model.discriminators) == networks
        assert len(model.generators) == networks
        weights = model.get_weights()
        model.compile("sgd")
        for ours, theirs in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_no_adversaries_without_weight(self, make, batch):
        model = make(adversarial_weight=0.0, identity_weight=0.0)
        assert not model.discriminators
        logs = model.fit(*batch, verbose=0).history
        losses = {"loss", "vocals_loss", "accompaniment_loss", "reconstruction_loss", "generator_loss"}
        assert logs.keys() == losses | {"generator_gradient_norm"}
        assert logs["generator_loss"][0] == pytest.approx(10 * logs["reconstruction_loss"][0], rel=1e-5)

    def test_a_loss_takes_the_place_of_the_absolute_error(self, make, batch):
        model = make()
        parts = {}
        for loss in (None, "mse"):
            model.compile("sgd", loss=loss)
            mixture, target, _ = model.training_pair(*batch)
            parts[loss], fake = model.generator_losses(mixture, target)
            error = np.asarray(fake - target)
            expected = np.mean(error**2) if loss else np.mean(np.abs(error))
            assert float(parts[loss]["reconstruction"]) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(
        ("adversarial", "updates"), [("ralsgan", 1), pytest.param("wgan-gp", 5, marks=pytest.mark.slow)]
    )
    def test_a_schedule_ends_for_both_optimizers_at_once(self, make, batch, adversarial, updates):
        model = make(adversarial=adversarial)
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 10)), run_eagerly=True)
        reloaded = WaveGANSeparator.from_config(model.get_config())
        reloaded.compile_from_config(json.loads(json.dumps(model.get_compile_config())))
        for trained in (model, reloaded):
            trained.fit(*batch, epochs=3, verbose=0)
            assert float(trained.discriminator_optimizer.iterations) == 3 * updates
            rates = [float(each.learning_rate) for each in (trained.optimizer, trained.discriminator_optimizer)]
            assert rates == pytest.approx([rates[0]] * 2)
            assert 0 < rates[0] < 1e-3

    def test_averages_are_those_of_the_generators(self, make):
        model = make()
        model.compile(keras.optimizers.Adam(1e-3, use_ema=True))
        assert not model.discriminator_optimizer.use_ema

    def test_stretched_schedule_round_trips(self):
        schedule = Stretched(keras.optimizers.schedules.CosineDecay(1.0, 100), 5)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
        assert float(again(250)) == pytest.approx(0.5, abs=1e-6)


class TestInference:
    def test_second_source_is_the_rest_of_the_mixture(self, make, batch):
        estimates = make()(batch[0])
        np.testing.assert_allclose(estimates["vocals"] + estimates["accompaniment"], batch[0], atol=1e-6)

    def test_batch_normalization_uses_moving_statistics(self, make, batch):
        model = make()
        first = model(batch[0])["vocals"]
        model.generator.get_layer("residual_1b_norm").moving_mean.assign(np.ones(4))
        assert np.abs(model(batch[0])["vocals"] - first).max() > 1e-5

    def test_preset_holds_the_generator_alone(self, make, batch, tmp_path):
        model = make(mode="cycle")
        model.fit(*batch, verbose=0)
        model.save_to_preset(tmp_path / "preset")
        loaded = load_preset(tmp_path / "preset")
        assert loaded.count_params() == model.generator.count_params() == 1_221
        assert type(loaded) is CycleGAN
        np.testing.assert_allclose(loaded(batch[0])["vocals"], model(batch[0])["vocals"], atol=1e-3)
        loaded.compile(run_eagerly=True)
        assert np.isfinite(loaded.fit(*batch, verbose=0).history["loss"][0])

    def test_preset_of_the_published_width_is_small(self, tmp_path):
        CycleGAN().save_to_preset(tmp_path / "preset")
        # Two bytes a weight of the generator, and what the file format needs.
        size = (tmp_path / "preset" / presets.WEIGHTS).stat().st_size
        assert size < 2 * 5_928_321 + 250_000

    @pytest.mark.parametrize("mode", ["paired", "cycle"])
    def test_saved_model_holds_the_generator_alone(self, make, batch, tmp_path, mode):
        model = make(mode=mode)
        model.export(tmp_path / "exported")
        variables = tf.train.list_variables(str(tmp_path / "exported" / "variables" / "variables"))
        held = sum(int(np.prod(shape)) for name, shape in variables if shape)
        # Keras stores weights twice; two further numbers are the random state.
        assert held == 2 * model.generator.count_params() + 2
        exported = tf.saved_model.load(str(tmp_path / "exported"))
        np.testing.assert_allclose(exported.separate(batch[0])["vocals"], model(batch[0])["vocals"], atol=1e-5)


@pytest.mark.usefixtures("eagerly")
class TestRun:
    @pytest.fixture
    def train(self, songs, monkeypatch):
        # Drawing takes longer than training here.
        monkeypatch.setattr(checkpoint, "plot_losses", lambda history, path: path.touch())

        def train(output, **arguments):
            keras.utils.set_random_seed(0)
            model = CycleGAN(**SMALL_CYCLE)
            tracks = list(StemsFolder(songs, split=None))
            settings = {"epochs": 2, "batch_size": 4, "steps_per_epoch": 2, "learning_rate": 2e-4, "verbose": 0}
            return fit(model, tracks[:3], tracks[3:], output, **{**settings, **arguments})

        return train

    def test_two_epochs_are_one_and_a_resumed_one_with_all_optimizers(self, train, tmp_path):
        whole = train(tmp_path / "whole")
        assert (whole.optimizer.beta_1, float(whole.optimizer.learning_rate)) == (0.5, pytest.approx(2e-4))
        train(tmp_path / "run", epochs=1)
        assert_same_state(train(tmp_path / "run", resume=True), whole)

    def test_the_published_learning_rate_is_the_default(self, train, tmp_path):
        model = train(tmp_path / "run", epochs=1, steps_per_epoch=1, learning_rate=None)
        assert float(model.optimizer.learning_rate) == pytest.approx(2e-4)

    @pytest.mark.slow
    def test_keeps_averages_as_the_best_model_and_logs_everything(self, train, tmp_path):
        train(tmp_path / "run", average=0.9)
        assert load_preset(tmp_path / "run" / "best").count_params() == 1_221

        accumulator = EventAccumulator(str(tmp_path / "run" / "logs" / "train"), size_guidance={"tensors": 0})
        accumulator.Reload()
        logs = {"loss", "cycle_loss", "identity_loss", "adversarial_loss", "generator_loss", "discriminator_loss"}
        logs |= {"generator_gradient_norm", "discriminator_gradient_norm"}
        assert {f"epoch_{name}" for name in logs} <= set(accumulator.Tags()["tensors"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": ("vocals",)}, r"sources must be two names: target and residual. Received: sources=\('vocals',\)"),
        ({"sources": ("a", "b", "c")}, "sources must be two names"),
        ({"segment": 16000}, "segment must be a power of two of at least 256. Received: segment=16000"),
        ({"segment": 128}, "segment must be a power of two of at least 256"),
        ({"filters": 0}, "filters must be an integer of at least 1. Received: filters=0"),
        ({"blocks": -1}, "blocks must be an integer of at least 1"),
        ({"phase_shuffle": -1}, "phase_shuffle must be an integer of at least 0"),
        ({"adversarial_weight": -1}, "adversarial_weight must be a number of at least 0. Received.*=-1"),
        ({"identity_weight": float("nan")}, "identity_weight must be a number of at least 0"),
        ({"reconstruction_weight": "1"}, "reconstruction_weight must be a number of at least 0"),
        (
            {"reconstruction_weight": 0, "identity_weight": 0, "adversarial_weight": 0},
            "One of reconstruction_weight, identity_weight, adversarial_weight must be above 0",
        ),
        ({"mode": "unpaired"}, r"mode must be 'paired' or 'cycle'. Received: mode='unpaired'"),
        (
            {"adversarial": "gan"},
            "adversarial must be one of 'ralsgan', 'lsgan', .* Received: adversarial='gan'",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        CycleGAN(**{**SMALL, **arguments})
    assert "\n" not in str(error.value)


def test_the_paired_form_by_its_earlier_name():
    model = CycleGAN(**SMALL, identity_weight=0.25)
    assert type(model) is WaveGANSeparator
    stored = keras.saving.serialize_keras_object(model)
    stored.update(class_name="CycleGAN", registered_name="tfsep>CycleGAN", module="tfsep.models.cyclegan")
    stored["config"]["mode"] = "paired"
    loaded = keras.saving.deserialize_keras_object(stored)
    assert type(loaded) is WaveGANSeparator
    assert loaded.get_config() == model.get_config()


@pytest.mark.slow
def test_one_step_of_the_published_width(batch):
    keras.utils.set_random_seed(0)
    model = CycleGAN()
    assert model.get_config()["segment"] == 16384
    model.compile(run_eagerly=True)
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 1, 16384, 1)).astype("float32")
    logs = model.fit(audio.sum(axis=0), dict(zip(model.sources, audio, strict=True)), verbose=0).history
    assert np.isfinite([values[0] for values in logs.values()]).all()
    assert sum(weight.numpy().size for weight in model.discriminator_variables) == 17_427_969
