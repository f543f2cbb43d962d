"""Training step of the WaveGAN separators under TensorFlow."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfsep.losses import total
from tfsep.models.wavegan import run

_FLOOR = 1e-12


class WaveGANSteps:
    """`train_step` with two optimizers, a mixin of `WaveGANSeparator` for the TensorFlow backend."""

    def train_step(self, data):
        mixture, sources, weights = keras.utils.unpack_x_y_sample_weight(data)
        level, target, gain = self.training_pair(mixture, sources)
        seen = {}

        def discriminate():
            seen["discriminator_loss"] = self._discriminator_loss(level, target)
            return seen["discriminator_loss"]

        def generate():
            parts, seen["fake"] = self.generator_losses(level, target)
            seen.update({f"{part}_loss": loss for part, loss in parts.items()})
            weighted = sum(self.part_weights[part] * loss for part, loss in parts.items())
            seen["generator_loss"] = weighted + _additional(self.generators)
            return seen["generator_loss"]

        norms = {}
        if self.discriminators:
            for _ in range(self.adversarial_loss.critic_updates):
                norms["discriminator"] = self._minimize(
                    discriminate, self.discriminator_optimizer, self.discriminator_variables
                )
        norms["generator"] = self._minimize(generate, self.optimizer, self.generator_variables)
        # The error of the separation, as in validation.
        loss = self.compute_loss(mixture, sources, self.split(mixture, seen["fake"] * gain), weights)
        return self._log_loss(loss, mixture) | self._log_training(seen, norms, tf.shape(mixture)[0])

    def _minimize(self, objective, optimizer, variables):
        """Make one update and return the norm of the gradient."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            # Keras sums the gradients of replicas; shares of the loss make the sum an average.
            scaled = optimizer.scale_loss(objective() / replicas)
        gradients = tape.gradient(scaled, variables)
        norm = tf.linalg.global_norm(gradients) / optimizer.scale_loss(tf.constant(1.0 / replicas))
        optimizer.apply(gradients, variables)
        return norm

    def _discriminator_loss(self, mixture, target):
        # Replicas cannot share a replay buffer.
        replay = tf.distribute.get_strategy().num_replicas_in_sync == 1
        adversarial, value = self.adversarial_loss, 0.0
        for network, real, fakes in self.discriminations(mixture, target, replay):
            value += adversarial.discriminator(run(network, real, True), run(network, fakes, True))
            if adversarial.gradient_penalty:
                value += adversarial.gradient_penalty * self._gradient_penalty(network, real, fakes)
        return value + _additional(self.discriminators)

    def _gradient_penalty(self, network, real, fakes):
        """Penalize the discriminator's gradient between real and generated audio for a norm other than one."""
        examples = tf.shape(fakes)[0]
        real = tf.tile(real, [examples // tf.shape(real)[0], 1, 1])
        between = real + keras.random.uniform((examples, 1, 1), seed=self.seed_generator) * (fakes - real)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = run(network, between, True)
        gradient = tape.gradient(logits, between)
        norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2]) + _FLOOR)
        return tf.reduce_mean(tf.square(norm - 1.0))

    def _log_training(self, losses, norms, examples):
        values = losses | {f"{network}_gradient_norm": norm for network, norm in norms.items()}
        logs = {}
        for tracker in self.training_logs:
            if tracker.name in values:
                value = values[tracker.name]
                # A gradient that overflowed was not applied; the scale of the loss is lowered instead.
                counts = tf.math.is_finite(value) if tracker.name.endswith("norm") else True
                weight = tf.where(counts, examples, 0)
                tracker.update_state(tf.where(counts, value, 0.0), sample_weight=weight)
                logs[tracker.name] = tracker.result()
        return logs


def _additional(networks):
    """Sum the losses of the networks' regularizers and `add_loss`."""
    return total([loss for network in networks for loss in network.losses])
