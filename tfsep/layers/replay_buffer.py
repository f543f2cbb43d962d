"""Earlier generated audio, for a discriminator not to forget."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.layers.saved_seed import SavedSeed


@keras.saving.register_keras_serializable(package="tfsep")
class ReplayBuffer(SavedSeed, keras.layers.Layer):
    """Keeps generated examples and gives, for half of those that come in, an earlier one in exchange.

    Until it is full it keeps all that comes and gives it back as it is. What it holds is saved with the model.

    Args:
        shape: tuple of int, shape of one example.
        capacity: int, number of examples that it holds. Defaults to 50.
        seed: int or None, of Keras's seed generator. Defaults to None.

    Reference:
        Shrivastava et al., "Learning from simulated and unsupervised images through adversarial training",
        CVPR 2017; of 50 in Zhu et al., "CycleGAN", ICCV 2017.
    """

    def __init__(self, shape: tuple[int, ...], capacity: int = 50, seed: int | None = None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.shape = tuple(shape)
        self.capacity = capacity
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.stored = self.add_weight(
            shape=(capacity, *self.shape), initializer="zeros", trainable=False, name="stored"
        )
        self.count = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="count")
        self.built = True

    def call(self, examples):
        """`[batch, ...]` -> the same shape, some of it from earlier calls."""
        batch = ops.shape(examples)[0]
        full = self.count >= self.capacity
        drawn = keras.random.randint((batch,), 0, self.capacity, seed=self.seed_generator)
        slots = ops.where(full, drawn, (self.count + ops.arange(batch, dtype="int32")) % self.capacity)
        earlier = ops.take(self.stored, slots, axis=0)
        exchanged = keras.random.uniform((batch,), seed=self.seed_generator) < 0.5
        column = (batch, *(1 for _ in self.shape))
        kept = ops.where(ops.reshape(ops.logical_or(exchanged, ~full), column), examples, earlier)
        given = ops.where(ops.reshape(ops.logical_and(exchanged, full), column), earlier, examples)
        self.stored.assign(ops.scatter_update(self.stored, slots[:, None], kept))
        self.count.assign(ops.minimum(self.count + batch, self.capacity))
        return given

    def get_config(self) -> dict:
        return {**super().get_config(), "shape": list(self.shape), "capacity": self.capacity, "seed": self.seed}
