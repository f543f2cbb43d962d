"""Networks on raw waveforms after WaveGAN, as functional Keras models.

Convolutions have 25 taps (21 in residual blocks), initial weights of standard deviation 0.02, and leaky ReLUs of slope
0.2. `filters` is the width at the highest time resolution and doubles with each stride.

Reference:

- [Donahue et al., 2019, Adversarial audio synthesis](https://arxiv.org/abs/1802.04208)
- [ElAraby et al., 2020, S-SepGAN: GAN based music source
  separation](https://github.com/mostafaelaraby/cyclic-gan-music-source-separation)
"""

from __future__ import annotations

import keras
from keras import layers, ops

from tfsep.layers import PhaseShuffle, UpsampleConv1D

_KERNEL = 25
_RESIDUAL_KERNEL = 21
# The residual blocks of a generator have at most 1,024 frames of a segment, and a stride of at least 16 samples.
_LEAST_STRIDE = 16
_FRAMES = 1024
# Frames before the dense layer of a discriminator.
_LAST_FRAMES = 16


def cyclic_generator(
    segment: int = 16384, channels: int = 1, filters: int = 64, blocks: int | None = None, dtype="float32"
) -> keras.Model:
    """Make a generator from audio to audio of the same length.

    Strided convolutions to at most 1,024 frames for a segment (two of stride 4 for 16,384 samples, one more of stride 2
    or 4 for 32,768 or 65,536), residual blocks, and nearest upsampling with linear convolutions.

    Args:
        segment: int, samples, a power of two of at least 256. Defaults to 16384.
        channels: int. Defaults to 1.
        filters: int. Defaults to 64.
        blocks: int, residual blocks. Defaults to 8 for segments of up to 16,384 samples, else 9.
        dtype: Keras dtype or policy.

    Returns:
        A `keras.Model` from `[batch, samples, channels]` to the same, where `total_stride(segment)` divides `samples`.
    """
    policy = keras.dtype_policies.get(dtype)
    strides = _strides(total_stride(segment))
    inputs = keras.Input((None, channels), dtype=policy.compute_dtype, name="audio")
    x = inputs
    for level, stride in enumerate(strides):
        x = _down(x, filters * 2**level, stride, f"down_{level + 1}", policy)
    for block in range(default_blocks(segment) if blocks is None else blocks):
        x = _residual(x, f"residual_{block + 1}", policy)
    for level in reversed(range(len(strides))):
        width = filters * 2 ** (level - 1) if level else channels
        x = _up(x, width, strides[level], f"up_{level + 1}", policy)
    return keras.Model(inputs, x, name="cyclic_generator")


def wavegan_discriminator(
    segment: int = 16384,
    channels: int = 1,
    filters: int = 64,
    batch_normalization: bool = False,
    phase_shuffle: int = 2,
    dtype="float32",
) -> keras.Model:
    """Make a discriminator from audio to a logit, which is high for real audio.

    Strided convolutions (five of stride 4 for 16,384 samples, one more of stride 2 or 4 for 32,768 or 65,536) down to
    16 frames, with phase shuffle between them, and a dense layer.

    Args:
        segment, channels, filters, dtype: see `cyclic_generator`.
        batch_normalization: bool, normalize after each convolution. Defaults to False.
        phase_shuffle: int, radius of `tfsep.layers.PhaseShuffle` in samples. Defaults to 2.

    Returns:
        A `keras.Model` from `[batch, segment, channels]` to `[batch, 1]`, linear.
    """
    policy = keras.dtype_policies.get(dtype)
    inputs = keras.Input((segment, channels), dtype=policy.compute_dtype, name="audio")
    x = inputs
    strides = _strides(segment // _LAST_FRAMES)
    for level, stride in enumerate(strides):
        x = _down(x, filters * 2**level, stride, f"down_{level + 1}", policy, batch_normalization)
        if level < len(strides) - 1:
            x = PhaseShuffle(phase_shuffle, dtype=policy, name=f"down_{level + 1}_shuffle")(x)
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    logit = layers.Dense(1, kernel_initializer=_normal(), dtype=policy, name="logit")(x)
    return keras.Model(inputs, logit, name="wavegan_discriminator")


def run(network: keras.Model, audio, training: bool):
    """Run a network in its own precision on float32 audio; the result is float32."""
    return ops.cast(network(ops.cast(audio, network.inputs[0].dtype), training=training), "float32")


def total_stride(segment: int) -> int:
    """Return the samples between two frames of a cyclic generator's residual blocks."""
    return max(_LEAST_STRIDE, segment // _FRAMES)


def default_blocks(segment: int) -> int:
    """Return the published number of residual blocks of a cyclic generator."""
    return 8 if segment <= _LEAST_STRIDE * _FRAMES else 9


def _strides(factor: int) -> list[int]:
    """Factorize into fours, and a two at the end if needed."""
    halvings = factor.bit_length() - 1
    return [4] * (halvings // 2) + [2] * (halvings % 2)


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02)


def _conv(filters: int, kernel: int, name: str, policy, stride: int = 1, padding: str = "same"):
    return layers.Conv1D(
        filters, kernel, stride, padding, kernel_initializer=_normal(), dtype=policy, name=f"{name}_conv"
    )


def _normalize(x, name: str, policy):
    # The constants of the original.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy, name=f"{name}_norm")(x)


def _activate(x, name: str, policy):
    return layers.LeakyReLU(negative_slope=0.2, dtype=policy, name=f"{name}_activation")(x)


def _down(x, filters: int, stride: int, name: str, policy, batch_normalization: bool = False):
    # Padded as the original: Keras's own "same" would shift by one sample.
    before = (_KERNEL - 3) // 2
    x = layers.ZeroPadding1D((before, _KERNEL - stride - before), dtype=policy, name=f"{name}_pad")(x)
    x = _conv(filters, _KERNEL, name, policy, stride, "valid")(x)
    if batch_normalization:
        x = _normalize(x, name, policy)
    return _activate(x, name, policy)


def _residual(x, name: str, policy):
    y = x
    for half in ("a", "b"):
        y = _conv(x.shape[-1], _RESIDUAL_KERNEL, f"{name}{half}", policy)(y)
        y = _normalize(y, f"{name}{half}", policy)
        y = _activate(y, f"{name}{half}", policy)
    return layers.Add(dtype=policy, name=f"{name}_add")([x, y])


def _up(x, filters: int, stride: int, name: str, policy):
    conv = UpsampleConv1D(filters, _KERNEL, stride, kernel_initializer=_normal(), dtype=policy, name=f"{name}_conv")
    return conv(x)
