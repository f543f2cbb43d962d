"""Augmentations of a batch of stems, as TensorFlow ops of the tf.data graph.

Each is called with stems, float32 `[batch, sources, samples, channels]` whose last source is the residual, and a
seed, int32 `[2]`, and returns stems of the same shape. The mixture is made from the result, so that it is always
the sum of what the model is to find.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfsep.checks import check_integer, check_number


class Augmentation:
    """Base of the augmentations, which keep their arguments under the same names."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class Remix(Augmentation):
    """Takes each source from another example of the batch, which makes songs that nobody recorded.

    The others of a batch of one are itself, so it stays as it is.

    Args:
        probability: float, share of the examples that are remixed; the others stay real songs. Defaults to 0.7.

    Reference:
        Uhlich et al., "Improving music source separation based on deep neural networks through data augmentation
        and network blending", ICASSP 2017.
    """

    def __init__(self, probability: float = 0.7):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        batch, sources = tf.shape(stems)[0], stems.shape[1]
        # A roll along the batch by another distance for each source: no source stays where it was.
        shift_seed, chance_seed = _split(seed)
        shifts = _integers([sources], shift_seed, 1, tf.maximum(batch, 2))
        rows = (tf.range(batch)[:, tf.newaxis] + shifts) % batch
        columns = tf.broadcast_to(tf.range(sources), tf.shape(rows))
        rolled = tf.gather_nd(stems, tf.stack([rows, columns], axis=-1))
        chance = _uniform([batch, 1, 1, 1], chance_seed)
        return tf.where(chance < self.probability, rolled, stems)


class Gain(Augmentation):
    """Scales each source of each example by a random gain.

    Args:
        low: float, smallest gain (linear). Defaults to 0.5.
        high: float, largest gain. Defaults to 1.2.
    """

    def __init__(self, low: float = 0.5, high: float = 1.2):
        if not 0 <= low <= high:
            raise ValueError(f"Gains need 0 <= low <= high. Received: low={low}, high={high}.")
        self.low = low
        self.high = high

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = [tf.shape(stems)[0], stems.shape[1], 1, 1]
        return stems * _uniform(shape, seed, self.low, self.high)


class Ratio(Augmentation):
    """Mixes the first source and the others at a random ratio: `(1 - r) * first + r * others`, `r` in U(0, 1).

    Reference:
        ElAraby et al., "S-SepGAN", 2020, which mixes piano and other instruments so.
    """

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        ratio = _uniform([tf.shape(stems)[0], 1, 1, 1], seed)
        return tf.concat([(1 - ratio) * stems[:, :1], ratio * stems[:, 1:]], axis=1)


class Shift(Augmentation):
    """Rotates one source of each example in time against the others, by a random multiple of `step`.

    Args:
        step: int, samples. Windows that are no longer stay as they are. Defaults to 10000.

    Reference:
        Huang et al., "Singing-voice separation from monaural recordings using deep recurrent neural networks",
        ISMIR 2014.
    """

    def __init__(self, step: int = 10000):
        check_integer("step", step)
        self.step = step

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        batch, sources, samples = tf.shape(stems)[0], stems.shape[1], stems.shape[2]
        source_seed, shift_seed = _split(seed)
        # The residual is no source.
        chosen = _integers([batch], source_seed, 0, sources - 1)
        turns = _integers([batch], shift_seed, 0, -(-samples // self.step))
        shifts = tf.one_hot(chosen, sources, dtype=tf.int32) * (turns * self.step)[:, tf.newaxis]
        places = (tf.range(samples) - shifts[:, :, tf.newaxis]) % samples
        return tf.gather(stems, places, axis=2, batch_dims=2)


class Mute(Augmentation):
    """Silences each source with some probability, but never all sources of an example.

    Args:
        probability: float. Defaults to 0.1.
        channels: bool. Silence each channel of a source by itself, but never all of an example. Defaults to False.

    Reference:
        J. Grau, "Stereo source separation with convolutional networks" (PytorchConvSep), 2018.
    """

    def __init__(self, probability: float = 0.1, channels: bool = False):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability
        self.channels = bool(channels)

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        sources, channels = stems.shape[1], stems.shape[3] if self.channels else 1
        chances = _uniform([tf.shape(stems)[0], (sources - 1) * channels], seed)
        kept = (chances >= self.probability) | (chances == tf.reduce_max(chances, axis=1, keepdims=True))
        # What belongs to no source stays.
        kept = tf.pad(tf.cast(kept, stems.dtype), [[0, 0], [0, channels]], constant_values=1.0)
        return stems * tf.reshape(kept, [-1, sources, 1, channels])


class Swap(Augmentation):
    """Exchanges left and right of each source of each example with some probability.

    Args:
        probability: float. Defaults to 0.5.

    Reference:
        Uhlich et al., 2017 (see `Remix`).
    """

    def __init__(self, probability: float = 0.5):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        chances = _uniform([tf.shape(stems)[0], stems.shape[1], 1, 1], seed)
        return tf.where(chances < self.probability, tf.reverse(stems, [-1]), stems)


class Polarity(Augmentation):
    """Changes the sign of each source of each example with some probability.

    Args:
        probability: float. Defaults to 0.5.

    Reference:
        Défossez et al., "Music source separation in the waveform domain", 2019.
    """

    def __init__(self, probability: float = 0.5):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        chances = _uniform([tf.shape(stems)[0], stems.shape[1], 1, 1], seed)
        return tf.where(chances < self.probability, -stems, stems)


class Equalize(Augmentation):
    """Gives each source of each example another tone colour: a random smooth gain over frequency.

    Gains are drawn at frequencies from 0 to half the sampling rate, equally far apart, and run straight between
    them, in dB.

    Args:
        decibels: float, largest gain and largest loss. Defaults to 6.0.
        points: int, frequencies at which a gain is drawn, at least 2. Defaults to 8.
    """

    def __init__(self, decibels: float = 6.0, points: int = 8):
        check_number("decibels", decibels, least=0)
        check_integer("points", points, least=2)
        self.decibels = decibels
        self.points = points

    def __call__(self, stems: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        samples = stems.shape[2]
        gains = _uniform([tf.shape(stems)[0], stems.shape[1], self.points], seed, -self.decibels, self.decibels)
        places = np.linspace(0, self.points - 1, samples // 2 + 1)
        below = np.minimum(places.astype(int), self.points - 2)
        share = (places - below).astype(np.float32)
        curve = (1 - share) * tf.gather(gains, below, axis=2) + share * tf.gather(gains, below + 1, axis=2)
        # Real and imaginary part alike: the phase stays.
        response = tf.cast(tf.pow(10.0, curve / 20), tf.complex64)[:, :, tf.newaxis]
        spectra = tf.signal.rfft(tf.transpose(stems, (0, 1, 3, 2)))
        return tf.transpose(tf.signal.irfft(spectra * response, [samples]), (0, 1, 3, 2))


# The same seed is to give the same numbers on every device and under XLA. So the algorithm is named, which TensorFlow
# would select by the device, and real numbers are made of integers, from which XLA makes others.
_STEPS = 2**24


def _integers(shape: list, seed: tf.Tensor, low: int, high: int | tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, low, high, tf.int32, alg="philox")


def _uniform(shape: list, seed: tf.Tensor, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    return low + (high - low) * tf.cast(_integers(shape, seed, 0, _STEPS), tf.float32) / _STEPS


def _split(seed: tf.Tensor) -> list[tf.Tensor]:
    return tf.unstack(tf.random.split(seed, 2, alg="philox"))


AUGMENTATIONS = {
    "remix": Remix,
    "gain": Gain,
    "ratio": Ratio,
    "shift": Shift,
    "mute": Mute,
    "swap": Swap,
    "polarity": Polarity,
    "equalize": Equalize,
}
