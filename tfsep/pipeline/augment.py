"""Augmentations of a batch of stems, in `keras.ops`.

An augmentation is called with stems, float32 `[batch, sources, samples, channels]` whose last source is the residual,
and a seed, two integers, and returns stems of the same shape. The mixture is computed from the result, so that it is
always the sum of the sources and the residual.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from tfsep.checks import check_integer, check_number
from tfsep.layers import STFT
from tfsep.pipeline.random_numbers import integers, split, uniform

# In which an envelope rises from the mean of partials and what is between them to the partials.
_ROUNDS = 6
# Of a bin's power, so that silence stays silent.
_SILENT = 1e-20
# Of a bin's gain, in nepers (20 dB): noise above the band of a recording would become a sound.
_MOST_CHANGE = 2.3


class Augmentation:
    """Base class. Augmentations store their arguments under the same names."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class Remix(Augmentation):
    """Combine sources of different examples of the batch.

    A batch of one example is not changed.

    Args:
        probability: float, share of the examples that are remixed; the others stay real songs. Defaults to 0.7.

    Example:

    >>> stems = np.array([[1, 10], [2, 20]], "float32").reshape(2, 2, 1, 1)
    >>> tfsep.pipeline.Remix(1.0)(stems, seed=(0, 0)).numpy().ravel()
    array([ 2., 20.,  1., 10.], dtype=float32)

    Reference:

    - [Uhlich et al., 2017, Improving music source separation based on deep neural networks through data augmentation
      and network blending](https://doi.org/10.1109/ICASSP.2017.7952158)
    """

    def __init__(self, probability: float = 0.7):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability

    def __call__(self, stems, seed):
        batch, sources = ops.shape(stems)[0], stems.shape[1]
        # Roll each source along the batch by a distance of its own, so that none stays in its example.
        shift_seed, chance_seed = split(seed)
        shifts = integers([sources], shift_seed, 1, ops.maximum(batch, 2))
        rows = (ops.arange(batch)[:, None] + shifts) % batch
        rolled = _rows(stems, rows * sources + ops.arange(sources), first_axes=2)
        chance = uniform([batch, 1, 1, 1], chance_seed)
        return ops.where(chance < self.probability, rolled, stems)


class Gain(Augmentation):
    """Scale each source of each example by a random gain.

    Args:
        low: float, smallest gain (linear). Defaults to 0.5.
        high: float, largest gain. Defaults to 1.2.

    Example:

    >>> scaled = tfsep.pipeline.Gain(0.5, 1.2)(ops.ones((16, 5, 1000, 2)), seed=(0, 0))
    >>> bool(ops.all((scaled >= 0.5) & (scaled <= 1.2)))
    True
    """

    def __init__(self, low: float = 0.5, high: float = 1.2):
        if not 0 <= low <= high:
            raise ValueError(f"Gains need 0 <= low <= high. Received: low={low}, high={high}.")
        self.low = low
        self.high = high

    def __call__(self, stems, seed):
        shape = [ops.shape(stems)[0], stems.shape[1], 1, 1]
        return stems * uniform(shape, seed, self.low, self.high)


class Ratio(Augmentation):
    """Mix the first source and the others at a random ratio: `(1 - r) * first + r * others`, `r` in U(0, 1).

    Example:

    >>> first, second, _ = tfsep.pipeline.Ratio()(ops.ones((1, 3, 1, 1)), seed=(0, 0)).numpy().ravel()
    >>> bool(np.isclose(first + second, 1))
    True

    Reference:

    - [ElAraby et al., 2020, S-SepGAN: GAN based music source
      separation](https://github.com/mostafaelaraby/cyclic-gan-music-source-separation), for piano and other instruments
    """

    def __call__(self, stems, seed):
        ratio = uniform([ops.shape(stems)[0], 1, 1, 1], seed)
        return ops.concatenate([(1 - ratio) * stems[:, :1], ratio * stems[:, 1:]], axis=1)


class Shift(Augmentation):
    """Shift one source of each example circularly in time, by a random multiple of `step`.

    Args:
        step: int, in samples. Windows that are not longer are not changed. Defaults to 10000.

    Example:

    >>> stems = ops.ones((16, 5, 1000, 2))
    >>> tfsep.pipeline.Shift(step=100)(stems, seed=(0, 0)).shape == stems.shape
    True

    Reference:

    - [Huang et al., 2014, Singing-voice separation from monaural recordings using deep recurrent neural
      networks](https://posenhuang.github.io/papers/DRNN_ISMIR2014.pdf)
    - [Huang et al., 2015, Joint optimization of masks and deep recurrent neural networks for monaural source
      separation](https://arxiv.org/abs/1502.04149)
    """

    def __init__(self, step: int = 10000):
        check_integer("step", step)
        self.step = step

    def __call__(self, stems, seed):
        batch, sources, samples = ops.shape(stems)[0], stems.shape[1], stems.shape[2]
        source_seed, shift_seed = split(seed)
        # Never the residual.
        chosen = integers([batch], source_seed, 0, sources - 1)
        turns = integers([batch], shift_seed, 0, -(-samples // self.step))
        shifts = ops.one_hot(chosen, sources, dtype="int32") * (turns * self.step)[:, None]
        places = (ops.arange(samples) - shifts[:, :, None]) % samples
        songs = ops.reshape(ops.arange(batch * sources), (batch, sources, 1))
        return _rows(stems, songs * samples + places, first_axes=3)


class Mute(Augmentation):
    """Silence each source with some probability, but never all sources of an example.

    Args:
        probability: float. Defaults to 0.1.
        channels: bool, silence each channel of a source independently, but never all of an example. Defaults to False.

    Example:

    >>> muted = tfsep.pipeline.Mute(1.0)(ops.ones((1, 4, 1, 1)), seed=(0, 0)).numpy().ravel()
    >>> muted.sum(), muted[-1]  # one source and the residual are left
    (np.float32(2.0), np.float32(1.0))

    Reference:

    - [Grau, 2018, Stereo source separation with convolutional networks](https://github.com/joangro/PytorchConvSep)
    """

    def __init__(self, probability: float = 0.1, channels: bool = False):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability
        self.channels = bool(channels)

    def __call__(self, stems, seed):
        sources, channels = stems.shape[1], stems.shape[3] if self.channels else 1
        chances = uniform([ops.shape(stems)[0], (sources - 1) * channels], seed)
        kept = (chances >= self.probability) | (chances == ops.max(chances, axis=1, keepdims=True))
        # The residual is kept.
        kept = ops.pad(ops.cast(kept, stems.dtype), [[0, 0], [0, channels]], constant_values=1.0)
        return stems * ops.reshape(kept, [-1, sources, 1, channels])


class Swap(Augmentation):
    """Exchange left and right of each source of each example with some probability.

    Args:
        probability: float. Defaults to 0.5.

    Example:

    >>> stems = np.array([1, 2], "float32").reshape(1, 1, 1, 2)
    >>> tfsep.pipeline.Swap(1.0)(stems, seed=(0, 0)).numpy().ravel()
    array([2., 1.], dtype=float32)

    Reference:

    - [Uhlich et al., 2017, Improving music source separation based on deep neural networks through data augmentation
      and network blending](https://doi.org/10.1109/ICASSP.2017.7952158)
    """

    def __init__(self, probability: float = 0.5):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability

    def __call__(self, stems, seed):
        chances = uniform([ops.shape(stems)[0], stems.shape[1], 1, 1], seed)
        return ops.where(chances < self.probability, ops.flip(stems, axis=-1), stems)


class Polarity(Augmentation):
    """Change the sign of each source of each example with some probability.

    Args:
        probability: float. Defaults to 0.5.

    Example:

    >>> stems = np.array([1, 2], "float32").reshape(1, 1, 1, 2)
    >>> tfsep.pipeline.Polarity(1.0)(stems, seed=(0, 0)).numpy().ravel()
    array([-1., -2.], dtype=float32)

    Reference:

    - [Défossez et al., 2019, Music source separation in the waveform domain](https://arxiv.org/abs/1911.13254)
    """

    def __init__(self, probability: float = 0.5):
        check_number("probability", probability, least=0, most=1)
        self.probability = probability

    def __call__(self, stems, seed):
        chances = uniform([ops.shape(stems)[0], stems.shape[1], 1, 1], seed)
        return ops.where(chances < self.probability, -stems, stems)


class Equalize(Augmentation):
    """Filter each source of each example by a random smooth gain over frequency.

    Gains are drawn at equally spaced frequencies from 0 to half the sampling rate, and interpolated linearly in dB.

    Args:
        decibels: float, largest gain and largest attenuation in dB. Defaults to 6.0.
        points: int, number of frequencies at which a gain is drawn, at least 2. Defaults to 8.

    Example:

    >>> stems = ops.ones((16, 5, 1000, 2))
    >>> tfsep.pipeline.Equalize(decibels=6.0)(stems, seed=(0, 0)).shape == stems.shape
    True
    """

    def __init__(self, decibels: float = 6.0, points: int = 8):
        check_number("decibels", decibels, least=0)
        check_integer("points", points, least=2)
        self.decibels = decibels
        self.points = points

    def __call__(self, stems, seed):
        samples = stems.shape[2]
        gains = uniform([ops.shape(stems)[0], stems.shape[1], self.points], seed, -self.decibels, self.decibels)
        places = np.linspace(0, self.points - 1, samples // 2 + 1)
        below = np.minimum(places.astype(int), self.points - 2)
        share = (places - below).astype(np.float32)
        curve = (1 - share) * ops.take(gains, below, axis=2) + share * ops.take(gains, below + 1, axis=2)
        # A real gain does not change the phase.
        response = ops.power(10.0, curve / 20)[:, :, None]
        real, imaginary = ops.rfft(ops.transpose(stems, (0, 1, 3, 2)))
        filtered = ops.irfft((response * real, response * imaginary), samples)
        return ops.transpose(filtered, (0, 1, 3, 2))


class Formants(Augmentation):
    """Move the formants of each source of each example by a random factor, and leave its pitch.

    The spectral envelope of each frame is stretched over frequency: a sum of `order` cosines that follows the peaks of
    the log-spectrum. So voices become those of larger and smaller singers, whereas other speeds move pitch and formants
    together.

    Args:
        low: float, smallest factor. Defaults to 0.8.
        high: float, largest factor. Defaults to 1.25.
        order: int, number of cosines, at least 2. About a thousandth of the sampling rate keeps the envelope from
            following the partials of high voices. Defaults to 40.

    Example:

    >>> stems = keras.random.normal((2, 5, 4000, 2))
    >>> tfsep.pipeline.Formants(0.8, 1.25)(stems, seed=(0, 0)).shape == stems.shape
    True

    Reference:

    - [Jaitly and Hinton, 2013, Vocal tract length perturbation (VTLP) improves speech
      recognition](https://www.cs.toronto.edu/~hinton/absps/perturb.pdf), for spectrograms of speech
    - [Röbel and Rodet, 2005, Efficient spectral envelope estimation and its application to pitch shifting and envelope
      preservation](https://hal.science/hal-01161334), for the envelope
    """

    def __init__(self, low: float = 0.8, high: float = 1.25, order: int = 40):
        if not 0 < low <= high:
            raise ValueError(f"Factors need 0 < low <= high. Received: low={low}, high={high}.")
        check_integer("order", order, least=2)
        self.low = low
        self.high = high
        self.order = order

    def __call__(self, stems, seed):
        batch, sources, samples, channels = ops.shape(stems)[0], *stems.shape[1:]
        stft = STFT(1024, 512, "sine")
        real, imaginary = stft.transform(ops.reshape(stems, (-1, samples, channels)))
        # One gain for all channels leaves the places of sounds between the speakers.
        power = ops.mean(ops.square(real) + ops.square(imaginary), axis=1)
        levels = 0.5 * ops.log(power + 1e-6 * ops.max(power, axis=-1, keepdims=True) + _SILENT)
        frequencies, numbers = np.linspace(0, 1, stft.bins), np.arange(self.order)
        cosines = np.cos(np.pi * np.outer(numbers, frequencies)).astype("float32")
        weights = _true_envelope(levels, cosines)
        factors = ops.exp(uniform([batch * sources, 1], seed, np.log(self.low), np.log(self.high)))
        stretched = ops.minimum(frequencies.astype("float32") / factors, 1.0)[:, None]
        moved = ops.cos(np.pi * numbers.astype("float32")[:, None] * stretched)
        change = ops.matmul(weights, moved - cosines)
        gain = ops.exp(ops.clip(change, -_MOST_CHANGE, _MOST_CHANGE))[:, None]
        return ops.reshape(stft.inverse_transform(gain * real, gain * imaginary, samples), ops.shape(stems))


def _true_envelope(levels, cosines):
    """Return the weights of cosines `[order, bins]` whose sum follows the peaks of levels `[..., bins]`."""
    fit = np.linalg.pinv(cosines)
    weights = ops.matmul(levels, fit)
    for _ in range(_ROUNDS):
        levels = ops.maximum(levels, ops.matmul(weights, cosines))
        weights = ops.matmul(levels, fit)
    return weights


def _rows(stems, places, first_axes: int):
    """Return rows of stems whose first axes are one; one gather is several times as fast as `take_along_axis`."""
    return ops.take(ops.reshape(stems, (-1, *stems.shape[first_axes:])), places, axis=0)


AUGMENTATIONS = {
    kind.__name__.lower(): kind for kind in (Remix, Gain, Ratio, Shift, Mute, Swap, Polarity, Equalize, Formants)
}
