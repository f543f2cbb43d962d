"""Training and test step of all models under TensorFlow."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf


class TensorFlowSteps:
    """`train_step` and `test_step` with a gradient tape, a mixin of `Separator` for the TensorFlow backend."""

    def train_step(self, data):
        mixture, sources, weights = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            estimates = self(mixture, training=True)
            loss = self.compute_loss(mixture, sources, estimates, weights)
            # Keras sums the gradients of replicas; shares of the loss make the sum an average.
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(share)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._log_loss(loss, mixture)

    def test_step(self, data):
        return self.validate(data)

    @functools.cached_property
    def compiled_separate_window(self):
        """Return `separate_window` as a TensorFlow function, traced once for each shape."""
        self.ensure_built()
        # Of methods TensorFlow counts the traces of all models together, and warns of many.
        function = functools.partial(self.separate_window)
        # AutoGraph takes half the tracing time; only user models may need it.
        return tf.function(function, autograph=not type(self).__module__.startswith("tfsep."))

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Build without a batch: drawing one, as Keras does, fails with several workers.
        if self._distribute_strategy is not None:
            with self.distribute_strategy.scope():
                self.ensure_built()
                self.optimizer.build(self.trainable_variables)

    def _make_function(self, step_function):
        if self.distribute_strategy.cluster_resolver is None:
            return super()._make_function(step_function)
        # With several workers, Keras averages logs over their first axis.
        return super()._make_function(
            lambda data: {name: tf.reshape(value, (1,)) for name, value in step_function(data).items()}
        )

    def make_train_function(self, force: bool = False):
        self._check_strategy()
        if self.distribute_strategy.num_replicas_in_sync > 1:
            self._synchronize_batch_statistics()
            if self.steps_per_execution > 1:
                raise ValueError(
                    "steps_per_execution > 1 does not work under a mirrored strategy. "
                    f"Received: steps_per_execution={self.steps_per_execution}. Compile with 1."
                )
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False):
        self._check_strategy()
        return super().make_test_function(force)

    def _check_strategy(self) -> None:
        strategy = self.distribute_strategy
        mirrored = strategy.num_replicas_in_sync > 1
        if self.jit_compile and mirrored and "CPU" in strategy.extended.worker_devices[0]:
            raise ValueError(
                "jit_compile=True does not work under a mirrored strategy of CPUs. Compile with jit_compile=False."
            )

    def _synchronize_batch_statistics(self) -> None:
        # On one device Keras's synchronized form is slower and less exact.
        for layer in self._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True

    def _assert_channels(self, mixture):
        message = f"The mixture must be [batch, samples, channels={self.channels}]."
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(mixture)[-1], self.channels, message)]):
            return tf.ensure_shape(mixture, (None, None, self.channels))
