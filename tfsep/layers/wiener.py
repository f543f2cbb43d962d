"""The multichannel Wiener filter, refined by expectation-maximisation."""

from __future__ import annotations

from keras import ops

# Louder mixtures are scaled down to this magnitude.
PEAK = 10


def wiener_filter(magnitudes, mixture: tuple, iterations: int = 1, softmask: bool = False, eps: float = 1e-10) -> tuple:
    """Separate the channels of a mixture jointly, given estimates of the sources' magnitudes.

    The initial sources are the magnitudes with the mixture's phase, or fractions of the mixture. Each iteration fits a
    local Gaussian model to them (for each source a power `p` of each bin and frame, and a spatial covariance `R` of
    each bin) and sets each source to `p R C^-1 x`, where `x` is the mixture and `C` its covariance, the sum of `p R`
    over the sources. Computed in float64.

    Args:
        magnitudes: float tensor `[batch, source, frames, bins, channels]`, not negative, with 1 or 2 channels.
        mixture: real and imaginary part of the mixture, `[batch, frames, bins, channels]` each.
        iterations: int. With 0, the initial sources are returned. Defaults to 1.
        softmask: bool. True: the initial sources are fractions of the mixture, in proportion to the magnitudes. False:
            they are the magnitudes with the mixture's phase. Defaults to False.
        eps: float, added to denominators; its root is added to the mixture's covariance. Defaults to 1e-10.

    Returns:
        Real and imaginary part of the sources, float32 `[batch, source, frames, bins, channels]` each.

    Raises:
        ValueError: if there are more than 2 channels.

    Example:

    >>> magnitudes = np.ones((1, 2, 5, 9, 2), "float32")
    >>> mixture = np.ones((1, 5, 9, 2), "float32"), np.zeros((1, 5, 9, 2), "float32")
    >>> real, imaginary = tfsep.layers.wiener_filter(magnitudes, mixture)
    >>> real.shape
    TensorShape([1, 2, 5, 9, 2])

    Reference:

    - [Nugraha et al., 2016, Multichannel music separation with deep neural networks](https://hal.science/hal-01334614)
    - norbert and `openunmix.filtering`, whose results it gives
    """
    channels = magnitudes.shape[-1]
    if channels not in (1, 2):
        raise ValueError(f"The Wiener filter takes 1 or 2 channels. Received: channels={channels}.")
    magnitudes = ops.cast(magnitudes, "float64")
    real, imaginary = (ops.expand_dims(ops.cast(part, "float64"), 1) for part in mixture)
    # Divisions in float64 take long: one is made for all sources.
    if softmask:
        shares = magnitudes * (1 / (ops.sum(magnitudes, axis=1, keepdims=True) + eps))
        sources = shares * real, shares * imaginary
    else:
        size = ops.sqrt(real**2 + imaginary**2)
        silent = ops.cast(size == 0, "float64")  # has the phase 0
        sources = magnitudes * (real + silent) / (size + silent), magnitudes * imaginary / (size + silent)
    if iterations:
        peak = ops.sqrt(ops.max(real**2 + imaginary**2, axis=(1, 2, 3, 4), keepdims=True))
        scale = ops.maximum(peak / PEAK, 1)
        factor = (1 / scale)[..., 0]
        x = [_Complex(real[..., c] * factor, imaginary[..., c] * factor) for c in range(channels)]
        y = [_Complex(*(part[..., c] * factor for part in sources)) for c in range(channels)]
        update = _update_mono if channels == 1 else _update_stereo
        for _ in range(iterations):
            y = update(y, x, eps)
        sources = (scale * ops.stack([channel[part] for channel in y], axis=-1) for part in (0, 1))
    return tuple(ops.cast(part, "float32") for part in sources)


class _Complex(tuple):
    """A pair of real tensors: Keras has no complex arithmetic for all backends."""

    def __new__(cls, real, imaginary):
        return super().__new__(cls, (real, imaginary))

    def times(self, other: _Complex) -> _Complex:
        (a, b), (c, d) = self, other
        return _Complex(a * c - b * d, a * d + b * c)

    def scaled(self, factor) -> _Complex:
        return _Complex(self[0] * factor, self[1] * factor)

    def plus(self, other: _Complex) -> _Complex:
        return _Complex(self[0] + other[0], self[1] + other[1])

    def conjugate(self) -> _Complex:
        return _Complex(self[0], -self[1])

    def power(self):
        return self[0] ** 2 + self[1] ** 2


def _sum_of_sources(values):
    return ops.sum(values, axis=1, keepdims=True)


def _update_mono(y: list[_Complex], x: list[_Complex], eps: float) -> list[_Complex]:
    """Run one iteration on `[batch, source, frames, bins]`."""
    (y,), (x,) = y, x
    power = y.power()
    total = ops.sum(power, axis=2, keepdims=True)
    variance = power * total / (total + eps)
    return [x.scaled(variance / (_sum_of_sources(variance) + eps**0.5 + eps))]


def _update_stereo(y: list[_Complex], x: list[_Complex], eps: float) -> list[_Complex]:
    left, right = y
    powers = left.power(), right.power()
    power = (powers[0] + powers[1]) / 2
    weight = 1 / (ops.sum(power, axis=2, keepdims=True) + eps)
    # Spatial covariances [[r11, r12], [conj(r12), r22]], the same for all frames.
    r11, r22 = (ops.sum(part, axis=2, keepdims=True) * weight for part in powers)
    cross = left.times(right.conjugate())
    r12 = _Complex(*(ops.sum(part, axis=2, keepdims=True) * weight for part in cross))
    # The mixture's covariance, inverted in closed form.
    c11, c22 = (_sum_of_sources(power * part) + eps**0.5 for part in (r11, r22))
    c12 = _Complex(*(_sum_of_sources(power * part) for part in r12))
    inverted = 1 / (c11 * c22 - c12.power())
    whitened_left = x[0].scaled(c22).plus(c12.times(x[1]).scaled(-1)).scaled(inverted)
    whitened_right = x[1].scaled(c11).plus(c12.conjugate().times(x[0]).scaled(-1)).scaled(inverted)
    return [
        whitened_left.scaled(r11).plus(r12.times(whitened_right)).scaled(power),
        r12.conjugate().times(whitened_left).plus(whitened_right.scaled(r22)).scaled(power),
    ]
