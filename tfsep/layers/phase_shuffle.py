"""Random shifts in time of the activations of a discriminator."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.checks import check_integer
from tfsep.layers.saved_seed import SavedSeed


@keras.saving.register_keras_serializable(package="tfsep")
class PhaseShuffle(SavedSeed, keras.layers.Layer):
    """Shift each example of `[batch, samples, channels]` in time by a random number of samples in training.

    All shifts from `-radius` to `radius` are equally likely; the ends are filled by reflection. A discriminator then
    cannot recognise generated audio by the phase of its artefacts. (The original WaveGAN shifts all examples of a batch
    alike.)

    Args:
        radius: int, largest shift in samples, less than the length of the input. Defaults to 2.
        seed: int, seed of the random draws. Defaults to None, a random one.

    Example:

    >>> layer = tfsep.layers.PhaseShuffle(2, seed=0)
    >>> layer(np.ones((4, 100, 8), "float32"), training=True).shape
    TensorShape([4, 100, 8])

    Reference:

    - [Donahue et al., 2019, Adversarial audio synthesis](https://arxiv.org/abs/1802.04208)
    """

    def __init__(self, radius: int = 2, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_integer("radius", radius, least=0)
        self.radius = radius
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs, training: bool = False):
        if not training or self.radius == 0:
            return inputs
        batch, samples = ops.shape(inputs)[:2]
        if inputs.shape[1] is not None and inputs.shape[1] <= self.radius:
            raise ValueError(f"radius must be below the {inputs.shape[1]} samples. Received: radius={self.radius}.")
        padded = ops.pad(inputs, [[0, 0], [self.radius, self.radius], [0, 0]], mode="reflect")
        starts = 2 * self.radius + 1
        drawn = keras.random.randint((batch,), 0, starts, seed=self.seed_generator)
        # A sum in which one weight is 1 and all others are 0 is many times as fast as gathering.
        chosen = ops.one_hot(drawn, starts, dtype=inputs.dtype)[:, :, None, None]
        return sum(chosen[:, start] * padded[:, start : start + samples] for start in range(starts))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "radius": self.radius, "seed": self.seed}
