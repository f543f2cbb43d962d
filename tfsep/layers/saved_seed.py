"""Random draws that continue after a reload where they stopped."""

from __future__ import annotations

_NAME = "seed"


class SavedSeed:
    """Save the state of a layer's `seed_generator` with its weights, which Keras does not.

    A mixin, before `keras.layers.Layer`, so that a resumed training repeats the interrupted one. Files without the
    state load as well.
    """

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        store[_NAME] = self.seed_generator.state

    def load_own_variables(self, store) -> None:
        super().load_own_variables({name: store[name] for name in store.keys() if name != _NAME})  # noqa: SIM118
        if _NAME in store.keys():  # noqa: SIM118  an entry of Keras's store is not a mapping
            self.seed_generator.state.assign(store[_NAME])
