"""Random draws that go on after a reload where they had stopped."""

from __future__ import annotations

_NAME = "seed"


class SavedSeed:
    """Saves the state of a layer's `seed_generator` with its weights, which Keras does not.

    Mixed into a layer before `keras.layers.Layer`, it makes a resumed training the very one that was interrupted.
    Files without the state load as well.
    """

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        store[_NAME] = self.seed_generator.state

    def load_own_variables(self, store) -> None:
        super().load_own_variables({name: store[name] for name in store.keys() if name != _NAME})  # noqa: SIM118
        if _NAME in store.keys():  # noqa: SIM118  an entry of Keras's store is no mapping
            self.seed_generator.state.assign(store[_NAME])
