"""Adversarial losses by name, on logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from keras import ops


class AdversarialLoss(NamedTuple):
    """An adversarial loss and its training.

    Attributes:
        discriminator: function from the logits of real and of generated examples, of any numbers, to a scalar.
        generator: the same for the generator.
        gradient_penalty: float, weight of the penalty on the discriminator's gradient. Defaults to 0.0.
        critic_updates: int, updates of the discriminator for each of the generator. Defaults to 1.
    """

    discriminator: Callable
    generator: Callable
    gradient_penalty: float = 0.0
    critic_updates: int = 1


def _relativistic_discriminator(real, fake):
    above, below = real - ops.mean(fake), fake - ops.mean(real)
    return 0.5 * (ops.mean(ops.square(above - 1)) + ops.mean(ops.square(below + 1)))


def _relativistic_generator(real, fake):
    return _relativistic_discriminator(fake, real)


def _least_squares_discriminator(real, fake):
    return 0.5 * (ops.mean(ops.square(real - 1)) + ops.mean(ops.square(fake)))


def _least_squares_generator(real, fake):
    return 0.5 * ops.mean(ops.square(fake - 1))


def _wasserstein_discriminator(real, fake):
    return ops.mean(fake) - ops.mean(real)


def _wasserstein_generator(real, fake):
    return -ops.mean(fake)


# ralsgan: Jolicoeur-Martineau, 2019, The relativistic discriminator, https://arxiv.org/abs/1807.00734
# lsgan: Mao et al., 2017, Least squares generative adversarial networks, https://arxiv.org/abs/1611.04076
# wgan-gp: Gulrajani et al., 2017, Improved training of Wasserstein GANs, https://arxiv.org/abs/1704.00028
ADVERSARIAL_LOSSES = {
    "ralsgan": AdversarialLoss(_relativistic_discriminator, _relativistic_generator),
    "lsgan": AdversarialLoss(_least_squares_discriminator, _least_squares_generator),
    "wgan-gp": AdversarialLoss(_wasserstein_discriminator, _wasserstein_generator, 10.0, 5),
}
