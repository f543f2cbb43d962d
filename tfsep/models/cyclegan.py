"""The CycleGAN on raw waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import ops

from tfsep.checks import check_choice, check_integer, check_number
from tfsep.layers import ReplayBuffer
from tfsep.layers.saved_seed import SavedSeed
from tfsep.models.adversarial_losses import ADVERSARIAL_LOSSES, AdversarialLoss
from tfsep.models.frozen import freeze
from tfsep.models.separator import Separator
from tfsep.models.wavegan import cyclic_generator, default_blocks, run, total_stride, wavegan_discriminator

if keras.backend.backend() == "tensorflow":
    from tfsep.models.cyclegan_steps import CycleGANSteps as _Steps
else:

    class _Steps:
        def make_train_function(self, force: bool = False):
            # Before a step: one that fails under JAX leaves the model without its state.
            raise NotImplementedError(
                f"CycleGAN trains on the TensorFlow backend alone. Received: {keras.backend.backend()}."
            )


MODES = ("paired", "cycle")
_LEAST_SEGMENT = 256


@keras.saving.register_keras_serializable(package="tfsep")
class CycleGAN(_Steps, SavedSeed, Separator):
    """A generator from the mixture's waveform to that of one source, trained against discriminators.

    The generator has strided convolutions, residual blocks and nearest upsampling (`cyclic_generator`); what it leaves
    of the mixture is the second source. Networks hear the mixture at a level of -20 dB RMS. There are two ways to
    train it. With m a mixture, s a target, G the generator, L1 the mean absolute error:

    - `"paired"`: a discriminator tells s from G(m), and from m itself as a further fake, so that copying does not pay.
      G minimises `reconstruction_weight` L1(G(m), s) + `identity_weight` L1(G(s), s) + `adversarial_weight` times its
      adversarial loss.
    - `"cycle"`: s is not the target of m, but that of the next example of the batch. A second generator F makes
      mixtures of targets; one discriminator knows targets, one mixtures, and both are shown earlier fakes for half of
      the new ones. G and F minimise `reconstruction_weight` (L1(F(G(m)), m) + L1(G(F(s)), s)) +
      `identity_weight` (L1(G(s), s) + L1(F(m), m)) + `adversarial_weight` times both adversarial losses.

    All generated audio is made anew in every update. Until it is compiled the model is its generator alone, which is
    what presets and SavedModels hold; `compile` makes the networks and optimisers that only training needs, and
    `.keras` files of a compiled model hold all of them.

    A training step logs `loss` (the separation's error, as in validation), each part of what the generators minimise
    before its weight, their weighted sum `generator_loss`, `discriminator_loss`, both with what regularizers of their
    networks add, and the norms of the gradients of these two.

    Args:
        sources: two names: of the target, and of what is left of the mixture. Defaults to
            `("vocals", "accompaniment")`.
        sample_rate: int. Defaults to 16000.
        channels: int. Defaults to 1.
        segment: int, samples, a power of two of at least 256. Published: 16384, 32768 and 65536. Defaults to 16384.
            Above it the generator has one more strided convolution, and twice as wide residual blocks.
        filters: int, filters of the first convolutions. Defaults to 64; for longer segments the original advises 32.
        blocks: int, residual blocks. Defaults to 8, and to 9 for segments above 16,384 samples.
        mode: `"paired"` or `"cycle"`. Defaults to `"paired"`.
        adversarial: `"ralsgan"`, `"lsgan"` or `"wgan-gp"`, which has a gradient penalty of 10 and updates its
            discriminators 5 times for each batch. Defaults to `"ralsgan"`.
        adversarial_weight: float; 0 for no discriminators. Defaults to 1.0.
        reconstruction_weight: float. Defaults to 10.0.
        identity_weight: float. Defaults to 0.5.
        phase_shuffle: int, radius in samples of the discriminators' phase shuffle; 0 for none. Defaults to 2.
        dtype: Keras dtype or policy of the networks.

    Example:

    >>> model = tfsep.models.CycleGAN(sources=("vocals", "accompaniment"))
    >>> model.compile()    # Adam 2e-4 (0.5, 0.9) for the generator, and one for the discriminator
    >>> model.fit(tfsep.pipeline.excerpts(train, model, batch_size=10), epochs=50, shuffle=False)
    >>> estimates = model(np.zeros((1, 44100, 1), "float32"))    # any length

    Reference:
        ElAraby et al., "S-SepGAN: GAN based music source separation", 2020; after Zhu et al., "Unpaired image-to-image
        translation using cycle-consistent adversarial networks", ICCV 2017, and WaveGAN.
    """

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "accompaniment"),
        sample_rate: int = 16000,
        channels: int = 1,
        segment: int = 16384,
        filters: int = 64,
        blocks: int | None = None,
        mode: str = "paired",
        adversarial: str = "ralsgan",
        adversarial_weight: float = 1.0,
        reconstruction_weight: float = 10.0,
        identity_weight: float = 0.5,
        phase_shuffle: int = 2,
        **kwargs,
    ):
        # `context` is 0 for these networks and stands in `get_config` of the base.
        super().__init__(sources, sample_rate, channels, segment, **{"context": 0, **kwargs})
        if len(self.sources) != 2:
            raise ValueError(f"sources must be two names: target and rest. Received: sources={sources!r}.")
        if segment < _LEAST_SEGMENT or segment & (segment - 1):
            raise ValueError(f"segment must be a power of two of at least 256. Received: segment={segment}.")
        check_integer("filters", filters)
        check_integer("phase_shuffle", phase_shuffle, least=0)
        weights = {
            "reconstruction_weight": reconstruction_weight,
            "identity_weight": identity_weight,
            "adversarial_weight": adversarial_weight,
        }
        for name, weight in weights.items():
            check_number(name, weight, least=0)
        if not any(weights.values()):
            raise ValueError(f"One of {', '.join(weights)} must be above 0.")
        check_choice("mode", mode, MODES)
        check_choice("adversarial", adversarial, ADVERSARIAL_LOSSES)
        self.filters = filters
        self.blocks = default_blocks(segment) if blocks is None else blocks
        check_integer("blocks", self.blocks)
        self.mode = mode
        self.adversarial = adversarial
        self.adversarial_weight = adversarial_weight
        self.reconstruction_weight = reconstruction_weight
        self.identity_weight = identity_weight
        self.phase_shuffle = phase_shuffle
        parts = ("reconstruction" if mode == "paired" else "cycle", "identity", "adversarial")
        # What weighs nothing is not computed.
        self.part_weights = {part: weight for part, weight in zip(parts, weights.values(), strict=True) if weight}
        self.default_loss = keras.losses.MeanAbsoluteError()
        self.seed_generator = keras.random.SeedGenerator()
        names = [f"{part}_loss" for part in (*self.part_weights, "generator", "discriminator")]
        names += ["generator_gradient_norm", "discriminator_gradient_norm"]
        self.training_logs = [keras.metrics.Mean(name=name) for name in names]
        self.generator = self._make_generator()
        # Made by `compile`.
        self.reverse_generator = None
        self.discriminators = []
        self.replay_buffers = []
        self.built = True

    # Separation.

    def estimate(self, window, training: bool = False) -> dict:
        level, gain = self.normalize(window)
        length = ops.shape(level)[1]
        padded = ops.pad(level, [[0, 0], [0, -length % total_stride(self.segment)], [0, 0]])
        return self.split(window, run(self.generator, padded, training)[:, :length] * gain)

    def split(self, mixture, target) -> dict:
        """Mixture and target -> target and what is left."""
        return dict(zip(self.sources, (target, ops.cast(mixture, "float32") - target), strict=True))

    def source_weights(self) -> dict[str, list[tuple]]:
        # The other source is what the target leaves.
        return {self.sources[0]: [(weight, ...) for weight in self.generator.layers[-1].weights]}

    def inference_copy(self) -> CycleGAN:
        copy = self.from_config(self.get_config())
        copy.generator.set_weights(self.generator.get_weights())
        return copy

    def export(self, filepath: str | Path, format: str = "tf_saved_model", verbose: bool = False) -> None:
        # Without the networks that only training needs.
        model = self.inference_copy() if self.compiled else self
        super(CycleGAN, model).export(filepath, format, verbose)

    # Training: the networks and optimisers.

    def compile(self, optimizer=None, discriminator_optimizer=None, **arguments) -> None:
        """Makes the model ready to train, with the networks that only training needs.

        Args:
            optimizer: Keras optimizer of the generators. Defaults to Adam of 2e-4 (0.5, 0.9).
            discriminator_optimizer: that of the discriminators. Defaults to one like `optimizer`.
            **arguments: see `keras.Model.compile`. A `loss` takes the place of L1 between G(m) and s.
        """
        optimizer = keras.optimizers.get(optimizer or self.default_optimizer(self.default_learning_rate))
        if discriminator_optimizer is None:
            discriminator_optimizer = self._twin(optimizer)
        self._make_training_networks()
        super().compile(optimizer, **arguments)
        self.discriminator_optimizer = self._scale_losses(keras.optimizers.get(discriminator_optimizer))
        self.optimizer.build(self.generator_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)

    def get_compile_config(self) -> dict:
        config = super().get_compile_config()
        if config:
            config["discriminator_optimizer"] = keras.saving.serialize_keras_object(self.discriminator_optimizer)
        return config

    def compile_from_config(self, config: dict) -> None:
        self._make_training_networks()
        if self.frozen_when_saved:
            # Those of the networks that only training needs as well.
            freeze(self, self.frozen_when_saved)
        self.compile(**keras.saving.deserialize_keras_object(config))

    default_learning_rate = 2e-4

    def default_optimizer(self, learning_rate, **arguments) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(learning_rate, **{"beta_1": 0.5, "beta_2": 0.9, **arguments})

    @property
    def adversarial_loss(self) -> AdversarialLoss:
        """The adversarial loss of the model's name for it."""
        return ADVERSARIAL_LOSSES[self.adversarial]

    @property
    def generator_variables(self) -> list:
        """What the generators' optimiser trains."""
        reverse = self.reverse_generator.trainable_variables if self.reverse_generator else []
        return self.generator.trainable_variables + reverse

    @property
    def discriminator_variables(self) -> list:
        """What the discriminators' optimiser trains."""
        return [variable for network in self.discriminators for variable in network.trainable_variables]

    def _make_generator(self) -> keras.Model:
        return cyclic_generator(self.segment, self.channels, self.filters, self.blocks, self.dtype_policy)

    def _make_training_networks(self) -> None:
        cycle = self.mode == "cycle"
        if cycle and self.reverse_generator is None:
            self.reverse_generator = self._make_generator()
        if self.adversarial_weight and not self.discriminators:
            # Of targets, and in the cycle also of mixtures.
            count = 2 if cycle else 1
            sizes = (self.segment, self.channels, self.filters)
            self.discriminators = [
                wavegan_discriminator(*sizes, phase_shuffle=self.phase_shuffle, dtype=self.dtype_policy)
                for _ in range(count)
            ]
            self.replay_buffers = [ReplayBuffer(sizes[:2]) for _ in range(count)] if cycle else []

    def _twin(self, optimizer) -> keras.optimizers.Optimizer:
        # Averages are of the networks that separate.
        config = optimizer.get_config() | {"use_ema": False}
        updates = self.adversarial_loss.critic_updates
        if updates > 1 and isinstance(config.get("learning_rate"), dict):
            schedule = keras.optimizers.schedules.deserialize(config["learning_rate"])
            config["learning_rate"] = Stretched(schedule, updates)
        return optimizer.__class__.from_config(config)

    def _scale_losses(self, optimizer) -> keras.optimizers.Optimizer:
        # As Keras does for the one that it knows of.
        if self.dtype_policy.name != "mixed_float16" or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            return optimizer
        return keras.optimizers.LossScaleOptimizer(optimizer)

    # Training: what is minimised, on audio at the networks' level.

    def training_pair(self, mixture, sources: dict) -> tuple:
        """A batch of mixtures and references -> (mixtures, targets, gains), the targets those of the mode."""
        if self.mode == "cycle" and mixture.shape[0] == 1:
            raise ValueError("The mode 'cycle' takes each target from another example. Give batches of at least 2.")
        level, gain = self.normalize(mixture)
        target = ops.cast(sources[self.sources[0]], "float32") / gain
        return level, ops.roll(target, 1, axis=0) if self.mode == "cycle" else target, gain

    def discriminations(self, mixture, target, replay: bool = True) -> list[tuple]:
        """What the discriminators are to tell apart: (discriminator, real, fakes) for each.

        Args:
            mixture, target: `[batch, segment, channels]`, of `training_pair`.
            replay: bool, exchange some fakes for earlier ones where the mode does so. Defaults to True.
        """
        fakes = [self._aside(self.generator, mixture)]
        if self.mode == "paired":
            fakes, reals = [ops.concatenate([fakes[0], mixture])], [target]
        else:
            fakes, reals = [fakes[0], self._aside(self.reverse_generator, target)], [target, mixture]
        fakes = [ops.stop_gradient(fake) for fake in fakes]
        if replay and self.replay_buffers:
            fakes = [buffer(fake) for buffer, fake in zip(self.replay_buffers, fakes, strict=True)]
        return list(zip(self.discriminators, reals, fakes, strict=True))

    def generator_losses(self, mixture, target, training: bool = True) -> tuple:
        """The parts of what the generators minimise, before their weights.

        Args:
            mixture, target: `[batch, segment, channels]`, of `training_pair`.
            training: bool, normalise batches by their own statistics. Defaults to True.

        Returns:
            dict from part (of `part_weights`) to scalar, and the generated targets.
        """
        fake = run(self.generator, mixture, training)
        if self.mode == "paired":
            fakes, parts = [fake], {"reconstruction": lambda: self._separation_loss(target, fake)}
        else:
            fakes = [fake, run(self.reverse_generator, target, training)]
            parts = {"cycle": lambda: self._cycle_loss((mixture, target), fakes, training)}
        parts["identity"] = lambda: self._identity_loss(mixture, target, training)
        parts["adversarial"] = lambda: self._adversarial_loss(mixture, target, fakes)
        return {part: parts[part]() for part in self.part_weights}, fake

    def _separation_loss(self, target, fake):
        return ops.mean(self._loss_values(target[:, None], fake[:, None]))

    def _cycle_loss(self, originals, fakes, training: bool):
        fake_target, fake_mixture = fakes
        backs = (
            self._aside(self.reverse_generator, fake_target, training),
            self._aside(self.generator, fake_mixture, training),
        )
        return sum(ops.mean(ops.abs(back - original)) for back, original in zip(backs, originals, strict=True))

    def _identity_loss(self, mixture, target, training: bool):
        pairs = [(self.generator, target)]
        if self.mode == "cycle":
            pairs.append((self.reverse_generator, mixture))
        return sum(ops.mean(ops.abs(self._aside(network, audio, training) - audio)) for network, audio in pairs)

    def _adversarial_loss(self, mixture, target, fakes):
        reals = (target, mixture)
        return sum(
            self.adversarial_loss.generator(run(network, real, True), run(network, fake, True))
            for network, real, fake in zip(self.discriminators, reals, fakes, strict=False)
        )

    def _aside(self, network: keras.Model, audio, training: bool = True):
        # What is normalised at inference are mixtures: statistics of other batches must not enter its averages.
        with keras.StatelessScope():
            return run(network, audio, training)

    def get_config(self) -> dict:
        names = ("filters", "blocks", "mode", "adversarial", "adversarial_weight", "reconstruction_weight")
        names += ("identity_weight", "phase_shuffle")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="tfsep")
class Stretched(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule for an optimiser that makes several updates where the schedule counts one.

    Args:
        schedule: the `LearningRateSchedule`.
        updates: int, updates that count as one.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, updates: int):
        self.schedule = schedule
        self.updates = updates

    def __call__(self, step):
        return self.schedule(ops.cast(step, "float32") / self.updates)

    def get_config(self) -> dict:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "updates": self.updates}

    @classmethod
    def from_config(cls, config: dict) -> Stretched:
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["updates"])
