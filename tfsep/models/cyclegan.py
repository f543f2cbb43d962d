"""The CycleGAN on raw waveforms."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from tfsep.checks import check_choice
from tfsep.layers import ReplayBuffer
from tfsep.models.wavegan import run
from tfsep.models.wavegan_separator import WaveGANSeparator

MODES = ("paired", "cycle")
_VOICE = ("vocals", "accompaniment")


@keras.saving.register_keras_serializable(package="tfsep")
class CycleGAN(WaveGANSeparator):
    """Generators from mixtures to targets and back, trained without pairs of them.

    It separates as `WaveGANSeparator` does. In training, the target s of a mixture m is that of the next example of the
    batch. A second generator F makes mixtures of targets; one discriminator judges targets and one mixtures, and half
    of the fakes that they receive are earlier ones. G and F minimise
    `reconstruction_weight` (L1(F(G(m)), m) + L1(G(F(s)), s)) + `identity_weight` (L1(G(s), s) + L1(F(m), m)) +
    `adversarial_weight` times both adversarial losses.

    Args:
        sources: two names, of the target and of the residual. Defaults to `("vocals", "accompaniment")`.
        mode: str, `"cycle"`; or `"paired"`, which makes a `WaveGANSeparator`, as presets and recipes expect. Defaults
            to `"paired"`.
        **kwargs: see `WaveGANSeparator`.

    Raises:
        ValueError: if `mode` is unknown; see also `WaveGANSeparator`.

    Example:

    >>> model = tfsep.models.CycleGAN(mode="cycle", segment=256, filters=2, blocks=1)
    >>> model.compile()  # Adam 2e-4 (0.5, 0.9) for the generators, and one for the discriminators
    >>> len(model.generators), len(model.discriminators)
    (2, 2)

    Reference:

    - [Zhu et al., 2017, Unpaired image-to-image translation using cycle-consistent adversarial
      networks](https://arxiv.org/abs/1703.10593)
    - [ElAraby et al., 2020, S-SepGAN: GAN based music source
      separation](https://github.com/mostafaelaraby/cyclic-gan-music-source-separation)
    """

    reconstruction = "cycle"

    def __new__(cls, sources: Sequence[str] = _VOICE, mode: str = "paired", **kwargs):
        check_choice("mode", mode, MODES)
        if cls is CycleGAN and mode == "paired":
            return WaveGANSeparator(sources, **kwargs)
        return super().__new__(cls, sources, mode=mode, **kwargs)

    def __init__(self, sources: Sequence[str] = _VOICE, mode: str = "cycle", **kwargs):
        super().__init__(sources, **kwargs)
        # Made by `compile`.
        self.reverse_generator = None
        self.replay_buffers = []

    @property
    def generators(self) -> list[keras.Model]:
        return [network for network in (self.generator, self.reverse_generator) if network]

    def _make_training_networks(self) -> None:
        if self.reverse_generator is None:
            self.reverse_generator = self._make_generator()
        super()._make_training_networks(discriminators=2)
        if not self.replay_buffers:
            self.replay_buffers = [ReplayBuffer((self.segment, self.channels)) for _ in self.discriminators]

    def training_pair(self, mixture, sources: dict) -> tuple:
        if mixture.shape[0] == 1:
            raise ValueError("The CycleGAN takes each target from another example. Give batches of at least 2.")
        level, target, gain = super().training_pair(mixture, sources)
        return level, ops.roll(target, 1, axis=0), gain

    def discriminations(self, mixture, target, replay: bool = True) -> list[tuple]:
        fakes = [self._aside(self.generator, mixture), self._aside(self.reverse_generator, target)]
        fakes = [ops.stop_gradient(fake) for fake in fakes]
        if replay:
            fakes = [buffer(fake) for buffer, fake in zip(self.replay_buffers, fakes, strict=True)]
        return list(zip(self.discriminators, (target, mixture), fakes, strict=True))

    def _terms(self, mixture, target, training: bool) -> tuple:
        forward, reverse = self.generator, self.reverse_generator
        reals = target, mixture
        fakes = run(forward, mixture, training), run(reverse, target, training)

        def cycle():
            backs = self._aside(forward, fakes[1], training), self._aside(reverse, fakes[0], training)
            return sum(ops.mean(ops.abs(back - real)) for back, real in zip(backs, reals, strict=True))

        def identity():
            return sum(self._identity_loss(*pair, training) for pair in ((forward, target), (reverse, mixture)))

        def adversarial():
            triples = zip(self.discriminators, reals, fakes, strict=True)
            return sum(self._adversarial_loss(*triple) for triple in triples)

        return {"cycle": cycle, "identity": identity, "adversarial": adversarial}, fakes[0]

    def get_config(self) -> dict:
        return {**super().get_config(), "mode": "cycle"}
