"""Recordings of one source mixed with other recordings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfsep.checks import check_choice, existing_folder
from tfsep.datasets.folders import SPLITS, SUFFIXES, visible
from tfsep.datasets.splits import divide
from tfsep.datasets.stems import Concatenation, FileStem
from tfsep.datasets.track import Corpus, Track


class Mixing(Corpus):
    """Mix a folder of recordings of a target with a folder of other recordings.

    Each recording of the target is a track. Its accompaniment consists of other recordings in random order, one after
    another until they are as long. The mixture is `(1 - r) * target + r * others` with a random `r` between 0 and 1
    for each track. In training, the augmentation `remix` draws further pairs, and `ratio` further ratios. All
    recordings must have the same sample rate.

    Args:
        targets: path of the folder of target recordings, in folders of any depth.
        others: path of the folder of the other recordings.
        split: str, `"train"`, `"valid"`, `"test"` or None. A split is the folder `<split>` in both if it exists;
            otherwise `"valid"` is every seventh recording by name and `"train"` the others. None selects all. Defaults
            to `"train"`.
        source: str, name of the target. Defaults to the name of its folder. The others are `"accompaniment"`.
        seed: int, seed of the order and the ratios. Defaults to 0.

    Raises:
        FileNotFoundError: if a folder does not exist.
        ValueError: if a folder contains no recording of the split, or the two overlap.

    Example:

    >>> tfsep.datasets.Mixing("piano", "speech", split=None)[0]
    Track('song.wav', sources=('piano', 'accompaniment'))

    Reference:

    - [ElAraby et al., 2020, S-SepGAN: GAN based music source
      separation](https://github.com/mostafaelaraby/cyclic-gan-music-source-separation), the mixing at a random ratio
    """

    def __init__(
        self,
        targets: str | Path,
        others: str | Path,
        split: str | None = "train",
        source: str | None = None,
        seed: int = 0,
    ):
        check_choice("split", split, (*SPLITS, None))
        targets, others = (existing_folder(root, "a folder of recordings").absolute() for root in (targets, others))
        _check_apart(targets.resolve(), others.resolve())
        source = targets.name if source is None else source
        if source in ("accompaniment", "mixture", ""):
            raise ValueError(f"source must not be {source!r}, which is reserved. Give another name.")
        stems = divide(targets, split, _recordings)
        recordings = list(divide(others, split, _recordings).values())
        order = np.random.default_rng((seed, 0)).permutation(len(recordings))
        supply = itertools.cycle([recordings[place] for place in order])
        ratios = np.random.default_rng((seed, 1)).uniform(size=len(stems))
        tracks = []
        for (name, stem), ratio in zip(stems.items(), ratios, strict=True):
            samples = stem.info().samples
            accompaniment = Concatenation(tuple(_enough(supply, samples)), samples, float(ratio))
            tracks.append(Track(name, {source: replace(stem, gain=1 - float(ratio)), "accompaniment": accompaniment}))
        name = f"{source} mixed with {others.name}"
        super().__init__(name, tracks, targets=str(targets), others=str(others), split=split)


def _visible_below(folder: Path) -> Iterator[Path]:
    for path in visible(folder):
        yield from _visible_below(path) if path.is_dir() else (path,)


def _recordings(folder: Path) -> dict[str, FileStem]:
    recordings = {}
    for path in _visible_below(folder):
        if path.suffix.lower() not in SUFFIXES:
            continue
        # Slashes would make folders among the results.
        name = "-".join(path.relative_to(folder).parts)
        if name in recordings:
            raise ValueError(f"{path} and {recordings[name].name} would both be named {name!r}. Rename one of them.")
        recordings[name] = FileStem(path)
    if not recordings:
        raise ValueError(f"No recordings in {folder}. Expected audio files, in folders of any depth.")
    return recordings


def _check_apart(targets: Path, others: Path) -> None:
    if targets in (others, *others.parents) or others in targets.parents:
        raise ValueError(f"{others} and {targets} overlap: a recording would be mixed with itself. Keep them apart.")


def _enough(supply: Iterator[FileStem], samples: int) -> Iterator[FileStem]:
    while samples > 0:
        stem = next(supply)
        samples -= stem.info().samples
        yield stem
