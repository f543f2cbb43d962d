"""Test step of all models under JAX, where steps take and return all state."""

from __future__ import annotations

import keras


class JAXSteps:
    """`test_step` without side effects, a mixin of `Separator` for the JAX backend."""

    def test_step(self, state, data):
        trainable, non_trainable, metrics = state
        variables = (*self.trainable_variables, *self.non_trainable_variables, *self.metrics_variables)
        mapping = list(zip(variables, (*trainable, *non_trainable, *metrics), strict=True))
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            logs = self.validate(data)
        metrics = [scope.get_current_value(variable) for variable in self.metrics_variables]
        return logs, (trainable, non_trainable, metrics)

    def _assert_channels(self, mixture):
        # Shapes are always known.
        return mixture
