"""Separation on raw waveforms by an adversarially trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import ops

from tfsep.checks import check_choice, check_integer, check_number
from tfsep.layers.saved_seed import SavedSeed
from tfsep.models.adversarial_losses import ADVERSARIAL_LOSSES, AdversarialLoss
from tfsep.models.frozen import freeze
from tfsep.models.separator import Separator
from tfsep.models.wavegan import cyclic_generator, default_blocks, run, total_stride, wavegan_discriminator

if keras.backend.backend() == "tensorflow":
    from tfsep.models.wavegan_steps import WaveGANSteps as _Steps
else:

    class _Steps:
        def make_train_function(self, force: bool = False):
            # Before a step: one that fails under JAX leaves the model without its state.
            raise NotImplementedError(
                f"{type(self).__name__} trains on the TensorFlow backend alone. Received: {keras.backend.backend()}."
            )


_LEAST_SEGMENT = 256


@keras.saving.register_keras_serializable(package="tfsep")
class WaveGANSeparator(_Steps, SavedSeed, Separator):
    """Generator from the waveform of a mixture to that of one source, trained against a discriminator.

    The generator consists of strided convolutions, residual blocks and nearest upsampling. The second source is the
    residual of the mixture. Networks work at a level of -20 dB RMS.

    With a mixture m, its target s, the generator G and the mean absolute error L1, G minimises
    `reconstruction_weight` L1(G(m), s) + `identity_weight` L1(G(s), s) + `adversarial_weight` times its adversarial
    loss. The discriminator tells s from G(m), and from m as a further fake, so that copying the mixture does not pay.
    All generated audio is computed anew in every update. To train without pairs, see `CycleGAN`.

    Presets and SavedModels contain the generator only. `compile` makes the networks and optimizers that training needs,
    and `.keras` files of a compiled model contain all of them.

    A training step logs `loss` (the error of the separation, as in validation), each term of the generator's loss
    without its weight, their weighted sum `generator_loss`, `discriminator_loss`, and the norms of both gradients. The
    losses of the networks include their regularizers.

    Args:
        sources: two names, of the target and of the residual. Defaults to `("vocals", "accompaniment")`.
        sample_rate: int, samples per second. Defaults to 16000.
        channels: int, channels of the audio. Defaults to 1.
        segment: int, samples estimated at a time, a power of two of at least 256. Published: 16384, 32768 and 65536.
            Above 16384 the generator has one more strided convolution and residual blocks of twice the width. Defaults
            to 16384.
        filters: int, filters of the first convolutions; the original advises 32 for longer segments. Defaults to 64.
        blocks: int, residual blocks. Defaults to 8, and to 9 for segments above 16,384 samples.
        adversarial: str, adversarial loss: `"ralsgan"`, `"lsgan"` or `"wgan-gp"`, which has a gradient penalty of 10
            and updates the discriminator 5 times for each batch. Defaults to `"ralsgan"`.
        adversarial_weight: float; 0 for no discriminator. Defaults to 1.0.
        reconstruction_weight: float. Defaults to 10.0.
        identity_weight: float. Defaults to 0.5.
        phase_shuffle: int, radius of the discriminator's `tfsep.layers.PhaseShuffle` in samples. Defaults to 2.
        dtype: Keras dtype or policy of the networks.

    Raises:
        ValueError: if there are not two sources, or another argument is out of range.

    Example:

    >>> model = tfsep.models.WaveGANSeparator(segment=1024, filters=4, blocks=1)
    >>> estimates = model(np.zeros((1, 5000, 1), "float32"))  # any length
    >>> estimates["vocals"].shape
    TensorShape([1, 5000, 1])

    Reference:

    - [ElAraby et al., 2020, S-SepGAN: GAN based music source
      separation](https://github.com/mostafaelaraby/cyclic-gan-music-source-separation)
    - [Donahue et al., 2019, Adversarial audio synthesis](https://arxiv.org/abs/1802.04208), WaveGAN
    """

    fixed_context = True
    adds_up = True
    overlap = 0.125
    default_learning_rate = 2e-4
    reconstruction = "reconstruction"  # name of the term that `reconstruction_weight` is for

    def __init__(
        self,
        sources: Sequence[str] = ("vocals", "accompaniment"),
        sample_rate: int = 16000,
        channels: int = 1,
        segment: int = 16384,
        filters: int = 64,
        blocks: int | None = None,
        adversarial: str = "ralsgan",
        adversarial_weight: float = 1.0,
        reconstruction_weight: float = 10.0,
        identity_weight: float = 0.5,
        phase_shuffle: int = 2,
        **kwargs,
    ):
        super().__init__(sources, sample_rate, channels, segment, **kwargs)
        if len(self.sources) != 2:
            raise ValueError(f"sources must be two names: target and residual. Received: sources={sources!r}.")
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
        check_choice("adversarial", adversarial, ADVERSARIAL_LOSSES)
        self.filters = filters
        self.blocks = default_blocks(segment) if blocks is None else blocks
        check_integer("blocks", self.blocks)
        self.adversarial = adversarial
        self.adversarial_weight = adversarial_weight
        self.reconstruction_weight = reconstruction_weight
        self.identity_weight = identity_weight
        self.phase_shuffle = phase_shuffle
        parts = (self.reconstruction, "identity", "adversarial")
        # Skip terms of zero weight.
        self.part_weights = {part: weight for part, weight in zip(parts, weights.values(), strict=True) if weight}
        self.default_loss = keras.losses.MeanAbsoluteError()
        self.seed_generator = keras.random.SeedGenerator()
        names = [f"{part}_loss" for part in (*self.part_weights, "generator", "discriminator")]
        names += ["generator_gradient_norm", "discriminator_gradient_norm"]
        self.training_logs = [keras.metrics.Mean(name=name) for name in names]
        self.generator = self._make_generator()
        self.discriminators = []  # made by `compile`
        self.built = True

    # Separation.

    def estimate(self, window, training: bool = False) -> dict:
        level, gain = self.normalize(window)
        length = ops.shape(level)[1]
        padded = ops.pad(level, [[0, 0], [0, -length % total_stride(self.segment)], [0, 0]])
        return self.split(window, run(self.generator, padded, training)[:, :length] * gain)

    def split(self, mixture, target) -> dict:
        """Return the target and the residual by their names."""
        return dict(zip(self.sources, (target, ops.cast(mixture, "float32") - target), strict=True))

    def source_weights(self) -> dict[str, list[tuple]]:
        # The other source is the residual of the mixture.
        return {self.sources[0]: [(weight, ...) for weight in self.generator.layers[-1].weights]}

    def inference_copy(self) -> WaveGANSeparator:
        copy = self.from_config(self.get_config())
        copy.generator.set_weights(self.generator.get_weights())
        return copy

    def export(self, filepath: str | Path, format: str = "tf_saved_model", **options) -> None:
        # Without the networks that only training needs.
        model = self.inference_copy() if self.compiled else self
        super(WaveGANSeparator, model).export(filepath, format, **options)

    # Training: networks and optimizers.

    def compile(self, optimizer=None, discriminator_optimizer=None, **arguments) -> None:
        """Make the model ready to train, with the networks that only training needs.

        Args:
            optimizer: Keras optimizer of the generator. Defaults to Adam of 2e-4 (0.5, 0.9).
            discriminator_optimizer: Keras optimizer of the discriminator. Defaults to one like `optimizer`.
            **arguments: see `keras.Model.compile`. A `loss` replaces L1 between G(m) and s.
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
            # Layers of the networks that only training needs may be frozen as well.
            freeze(self, self.frozen_when_saved)
        self.compile(**keras.saving.deserialize_keras_object(config))

    def get_metrics_result(self) -> dict:
        # Those of validation, which Keras reads over all replicas if the test step logs them all.
        logs = {log.name for log in self.training_logs}
        return {name: value for name, value in super().get_metrics_result().items() if name not in logs}

    def default_optimizer(self, learning_rate, **arguments) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(learning_rate, **{"beta_1": 0.5, "beta_2": 0.9, **arguments})

    @property
    def adversarial_loss(self) -> AdversarialLoss:
        """Return the adversarial loss."""
        return ADVERSARIAL_LOSSES[self.adversarial]

    @property
    def generators(self) -> list[keras.Model]:
        """Return the networks that the generators' optimizer trains."""
        return [self.generator]

    @property
    def generator_variables(self) -> list:
        """Return the variables that the generators' optimizer trains."""
        return [variable for network in self.generators for variable in network.trainable_variables]

    @property
    def discriminator_variables(self) -> list:
        """Return the variables that the discriminators' optimizer trains."""
        return [variable for network in self.discriminators for variable in network.trainable_variables]

    def _make_generator(self) -> keras.Model:
        return cyclic_generator(self.segment, self.channels, self.filters, self.blocks, self.dtype_policy)

    def _make_training_networks(self, discriminators: int = 1) -> None:
        if self.adversarial_weight and not self.discriminators:
            sizes = (self.segment, self.channels, self.filters)
            self.discriminators = [
                wavegan_discriminator(*sizes, phase_shuffle=self.phase_shuffle, dtype=self.dtype_policy)
                for _ in range(discriminators)
            ]

    def _twin(self, optimizer) -> keras.optimizers.Optimizer:
        # Averages are of the networks that separate.
        config = optimizer.get_config() | {"use_ema": False}
        updates = self.adversarial_loss.critic_updates
        if updates > 1 and isinstance(config.get("learning_rate"), dict):
            schedule = keras.optimizers.schedules.deserialize(config["learning_rate"])
            config["learning_rate"] = Stretched(schedule, updates)
        return optimizer.__class__.from_config(config)

    def _scale_losses(self, optimizer) -> keras.optimizers.Optimizer:
        # Keras wraps only `self.optimizer`; wrap this one alike.
        if self.dtype_policy.name != "mixed_float16" or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            return optimizer
        return keras.optimizers.LossScaleOptimizer(optimizer)

    # Training: losses, on audio at the level of the networks.

    def training_pair(self, mixture, sources: dict) -> tuple:
        """Bring a batch to the level of the networks: (mixtures, targets, gains to undo)."""
        level, gain = self.normalize(mixture)
        return level, ops.cast(sources[self.sources[0]], "float32") / gain, gain

    def discriminations(self, mixture, target, replay: bool = True) -> list[tuple]:
        """Return (discriminator, real, fakes) for each discriminator.

        Args:
            mixture, target: float tensors `[batch, segment, channels]`, of `training_pair`.
            replay: bool, use replay buffers, if the model has some. Defaults to True.
        """
        fakes = ops.concatenate([self._aside(self.generator, mixture), mixture])
        return [(network, target, ops.stop_gradient(fakes)) for network in self.discriminators]

    def generator_losses(self, mixture, target, training: bool = True) -> tuple:
        """Compute the terms of the generators' loss, without their weights.

        Args:
            mixture, target: float tensors `[batch, segment, channels]`, of `training_pair`.
            training: bool, normalize batches by their own statistics. Defaults to True.

        Returns:
            dict from term (of `part_weights`) to scalar, and the generated targets.
        """
        terms, fake = self._terms(mixture, target, training)
        return {part: terms[part]() for part in self.part_weights}, fake

    def _terms(self, mixture, target, training: bool) -> tuple:
        """Return a function for each term, and the generated targets."""
        fake = run(self.generator, mixture, training)
        return {
            "reconstruction": lambda: ops.mean(self._loss_values(target[:, None], fake[:, None])),
            "identity": lambda: self._identity_loss(self.generator, target, training),
            "adversarial": lambda: self._adversarial_loss(self.discriminators[0], target, fake),
        }, fake

    def _identity_loss(self, network: keras.Model, audio, training: bool):
        return ops.mean(ops.abs(self._aside(network, audio, training) - audio))

    def _adversarial_loss(self, network: keras.Model, real, fake):
        return self.adversarial_loss.generator(run(network, real, True), run(network, fake, True))

    def _aside(self, network: keras.Model, audio, training: bool = True):
        # At inference mixtures are normalised: the moving averages must not include other batches.
        with keras.StatelessScope():
            return run(network, audio, training)

    def get_config(self) -> dict:
        names = ("filters", "blocks", "adversarial", "adversarial_weight", "reconstruction_weight", "identity_weight")
        return {**super().get_config(), **{name: getattr(self, name) for name in (*names, "phase_shuffle")}}


@keras.saving.register_keras_serializable(package="tfsep")
class Stretched(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule for an optimizer that makes several updates where the schedule counts one.

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
