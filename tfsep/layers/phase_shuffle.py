"""Random shifts in time of a discriminator's activations."""

from __future__ import annotations

import keras
from keras import ops

from tfsep.checks import check_integer
from tfsep.layers.saved_seed import SavedSeed


@keras.saving.register_keras_serializable(package="tfsep")
class PhaseShuffle(SavedSeed, keras.layers.Layer):
    """Shifts `[batch, samples, channels]` in time by a random number of samples, in training only.

    All shifts from `-radius` to `radius` are equally likely. What a shift leaves open at an end is filled by
    reflection. So a discriminator cannot tell real from generated audio by the phase of the latter's artefacts.

    Args:
        radius: int, samples; more samples than that are wanted. 0 shifts nothing. Defaults to 2.
        per_example: bool. Each example has a shift of its own; False gives all of a batch the same, as the
            published WaveGAN does. Defaults to True.
        seed: int or None, of Keras's seed generator. Defaults to None.

    Reference:
        Donahue et al., "Adversarial audio synthesis" (WaveGAN), ICLR 2019. https://arxiv.org/abs/1802.04208
    """

    def __init__(self, radius: int = 2, per_example: bool = True, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_integer("radius", radius, least=0)
        self.radius = radius
        self.per_example = per_example
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
        drawn = keras.random.randint((batch if self.per_example else 1,), 0, starts, seed=self.seed_generator)
        # A weighted sum, all weights but one zero: many times as fast as gathering, forward and backward.
        chosen = ops.one_hot(drawn, starts, dtype=inputs.dtype)[:, :, None, None]
        return sum(chosen[:, start] * padded[:, start : start + samples] for start in range(starts))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        config = super().get_config()
        return {**config, "radius": self.radius, "per_example": self.per_example, "seed": self.seed}
