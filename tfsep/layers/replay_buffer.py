"""A buffer of generated examples, so that a discriminator does not forget earlier ones."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.layers.saved_seed import SavedSeed


@keras.saving.register_keras_serializable(package="tfsep")
class ReplayBuffer(SavedSeed, keras.layers.Layer):
    """Store generated examples, and exchange half of the new ones for stored ones.

    Until the buffer is full, it stores all examples and returns them unchanged. Its content is saved with the model.

    Args:
        shape: tuple of int, shape of one example.
        capacity: int, number of stored examples. Defaults to 50.
        seed: int, seed of the random draws. Defaults to None, a random one.

    Example:

    >>> buffer = tfsep.layers.ReplayBuffer((100, 1), capacity=2)
    >>> buffer(np.zeros((4, 100, 1), "float32")).shape
    TensorShape([4, 100, 1])
    >>> int(buffer.count)
    2

    Reference:

    - [Shrivastava et al., 2017, Learning from simulated and unsupervised images through adversarial
      training](https://arxiv.org/abs/1612.07828)
    - [Zhu et al., 2017, Unpaired image-to-image translation using cycle-consistent adversarial
      networks](https://arxiv.org/abs/1703.10593), with a buffer of 50
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
        """Return a batch of the same shape, some of its examples from earlier calls."""
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
