"""Bounds beside a table of scores: the mixture as estimate, and oracles that know the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from tfsep.datasets import components
from tfsep.evaluation.stft import SISEC_STFT, Stft
from tfsep.evaluation.wiener import wiener_filter

_EPSILON = np.finfo(np.float64).eps
_MAJORITY = 0.5


def mixture_estimates(mixture: np.ndarray, targets: Sequence[str], sources: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the mixture as estimate of every target: SiSEC 2018's MIX, a lower bound.

    Args:
        mixture: float array `[samples, channels]`.
        targets: names to estimate. `"accompaniment"` is the sum of all sources that are not in `targets`.
        sources: names of the track's stems.

    Returns:
        dict from target to the mixture times (stems in the target / stems in the track).

    Raises:
        ValueError: if a target is neither a source nor accompaniment.

    Example:

    >>> mixture = np.ones((4, 1), np.float32)
    >>> sources = ("vocals", "drums", "bass", "other")
    >>> estimates = tfsep.evaluation.mixture_estimates(mixture, ("vocals", "accompaniment"), sources)
    >>> estimates["accompaniment"][0]
    array([0.75], dtype=float32)

    Reference:

    - [Stöter et al., 2018, The 2018 Signal Separation Evaluation Campaign](https://arxiv.org/abs/1804.06267)
    """
    parts = components(targets, sources)
    return {target: mixture * np.float32(len(parts[target]) / len(sources)) for target in targets}


def oracle(
    name: str,
    mixture: np.ndarray,
    stems: Mapping[str, np.ndarray],
    targets: Sequence[str] | None = None,
    stft: Stft = SISEC_STFT,
) -> dict[str, np.ndarray]:
    """Separate a mixture with knowledge of its true sources, as the oracles of SiSEC 2018: an upper bound.

    `S` and `X` are the STFTs of a stem and of the mixture, in one channel. The estimate is the inverse STFT of a mask
    times `X`. The estimate of a target of several stems is the sum of theirs.

    - `IBM1`, `IBM2`: binary mask, 1 where `|S|^a > (|X|^a + eps) / 2`, with a = 1 or 2. A bin may belong to several
      stems, or to none.
    - `IRM1`, `IRM2`: ratio mask `|S|^a / (eps + sum of |S|^a over all stems)`, with a = 1 or 2.
    - `MWF`: multichannel Wiener filter over all channels; see `tfsep.evaluation.wiener`.

    Args:
        name: str, `"IBM1"`, `"IBM2"`, `"IRM1"`, `"IRM2"` or `"MWF"`.
        mixture: float array `[samples, channels]`.
        stems: dict from the name of each of the track's stems to its audio, shaped as the mixture.
        targets: names to estimate. `"accompaniment"` is the sum of all stems that are not in `targets`. Defaults to
            the stems.
        stft: the transform. Defaults to SiSEC's: 2048 samples, hop 1024, a Hann window.

    Returns:
        dict from target to float32 `[samples, channels]`.

    Raises:
        ValueError: for an unknown oracle, or a target that is neither a stem nor accompaniment.

    Example:

    >>> song = tfsep.datasets.embedded()[0]
    >>> audio = song.read_all(("mixture", *song.sources), samples=44100)
    >>> estimates = tfsep.evaluation.oracle("IRM1", audio.pop("mixture"), audio)
    >>> list(estimates)
    ['vocals', 'drums', 'bass', 'other']

    Reference:

    - [Stöter et al., 2018, The 2018 Signal Separation Evaluation Campaign](https://arxiv.org/abs/1804.06267)
    - [Liutkus and Badeau, 2015, Generalized Wiener filtering with fractional power
      spectrograms](https://hal.science/hal-01110028)
    """
    check_oracle(name)
    targets = tuple(stems) if targets is None else tuple(targets)
    parts = components(targets, tuple(stems))
    return ORACLES[name](mixture, stems, parts, stft)


def check_oracle(name: str) -> None:
    """Raise ValueError unless there is an oracle of that name."""
    if name not in ORACLES:
        raise ValueError(f"Unknown oracle {name!r}. Expected one of: {', '.join(ORACLES)}.")


def _masked(
    mask: Callable[[np.ndarray, dict[str, np.ndarray]], dict[str, np.ndarray]], mixture, stems, parts, stft: Stft
) -> dict[str, np.ndarray]:
    """Apply masks. `mask` computes that of each stem from the magnitudes of the mixture and the stems."""
    estimates = {target: np.empty(mixture.shape, np.float32) for target in parts}
    for channel in range(mixture.shape[1]):  # one at a time, to save memory
        spectrum = stft.forward(mixture[:, channel].astype(np.float64))
        magnitudes = {name: np.abs(stft.forward(stem[:, channel].astype(np.float64))) for name, stem in stems.items()}
        masks = mask(np.abs(spectrum), magnitudes)
        for target, names in parts.items():
            masked = sum(masks[name] for name in names) * spectrum
            estimates[target][:, channel] = stft.inverse(masked, len(mixture))
    return estimates


def _binary(exponent, mixture, stems):
    threshold = _MAJORITY * (_EPSILON + mixture**exponent)
    return {name: (magnitude**exponent > threshold).astype(np.float64) for name, magnitude in stems.items()}


def _ratio(exponent, mixture, stems):
    powers = {name: magnitude**exponent for name, magnitude in stems.items()}
    total = _EPSILON + sum(powers.values())
    return {name: power / total for name, power in powers.items()}


ORACLES = {
    "IBM1": partial(_masked, partial(_binary, 1)),
    "IBM2": partial(_masked, partial(_binary, 2)),
    "IRM1": partial(_masked, partial(_ratio, 1)),
    "IRM2": partial(_masked, partial(_ratio, 2)),
    "MWF": wiener_filter,
}
