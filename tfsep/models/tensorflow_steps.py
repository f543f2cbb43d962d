"""Training and test step of every model under TensorFlow."""

from __future__ import annotations

from functools import cached_property

import keras
import tensorflow as tf

from tfsep.metrics import SISDR, SilentReferences


class TensorFlowSteps:
    """`train_step` and `test_step` with a gradient tape; mixed into `Separator` where TensorFlow is the backend."""

    def _make_validation_metrics(self) -> None:
        self.source_si_sdrs = [SISDR(name=f"{name}_si_sdr") for name in self.sources]
        self.source_improvements = [SISDR(name=f"{name}_si_sdr_improvement") for name in self.sources]
        self.silent_references = SilentReferences(name="silent_references")

    def train_step(self, data):
        mixture, sources, weights = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            estimates = self(mixture, training=True)
            loss = self.compute_loss(mixture, sources, estimates, weights)
            # Keras adds up the gradients of the replicas: their mean is wanted.
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(share)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._log_losses(loss, mixture)

    def test_step(self, data):
        mixture, sources, weights = keras.utils.unpack_x_y_sample_weight(data)
        estimates = self.estimate(mixture, training=False)
        loss = self.compute_loss(mixture, sources, estimates, weights, training=False)
        logs = self._log_losses(loss, mixture)
        waveforms = self.synthesize(estimates, mixture)
        return logs | self._log_si_sdr(self.centre(mixture), sources, waveforms)

    @cached_property
    def compiled_separate_window(self):
        """`separate_window` as a TensorFlow function, traced once for each shape."""
        return tf.function(self.separate_window)

    def make_train_function(self, force: bool = False):
        self._check_compiled()
        if self.steps_per_execution > 1 and self.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "steps_per_execution > 1 does not work under a mirrored strategy. "
                f"Received: steps_per_execution={self.steps_per_execution}. Compile with 1."
            )
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False):
        self._check_compiled()
        return super().make_test_function(force)

    def _check_compiled(self) -> None:
        given = self.get_compile_config()
        for name in ("loss_weights", "metrics", "weighted_metrics"):
            if given.get(name):
                raise ValueError(
                    f"Separators take no {name}: they report the loss and SI-SDR of each source. Received: "
                    f"{name}={given[name]!r}. Compile without it."
                )
        strategy = self.distribute_strategy
        mirrored = strategy.num_replicas_in_sync > 1
        if self.jit_compile and mirrored and "CPU" in strategy.extended.worker_devices[0]:
            raise ValueError(
                "jit_compile=True does not work under a mirrored strategy of CPUs. Compile with jit_compile=False."
            )

    def _log_losses(self, loss, mixture) -> dict:
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(mixture)[0])
        trackers = (self._loss_tracker, *self.source_losses)
        return {tracker.name: tracker.result() for tracker in trackers}

    def _log_si_sdr(self, mixture, sources, waveforms) -> dict:
        for index, name in enumerate(self.sources):
            reference = self.centre(sources[name])
            self.source_si_sdrs[index].update_state(reference, waveforms[name])
            self.source_improvements[index].update_state(reference, waveforms[name], mixture)
            self.silent_references.update_state(reference)
        trackers = (*self.source_si_sdrs, *self.source_improvements, self.silent_references)
        return {tracker.name: tracker.result() for tracker in trackers}
