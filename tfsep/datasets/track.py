"""Tracks, which are songs with their sources, and corpora, which are sequences of tracks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import overload

import numpy as np

from tfsep import audio
from tfsep.datasets.stems import Stem, digest, read_stems

_log = logging.getLogger("tfsep")

LEFT_OVER = ("accompaniment", "other", "rest")  # names of the sum of the remaining sources
RESIDUAL = "residual"  # a mixture file minus all sources


class Track:
    """A song and its sources, of which only the excerpts that are read are decoded.

    Stems shorter than the longest one are padded with silence, and a source without a stem is silence; both are logged
    once. Mono stems of a stereo song are duplicated.

    Args:
        name: str, the song's name.
        stems: dict from source to `Stem`, or to None if the song has no such stem.
        mixture: `Stem` of the mixture. Defaults to None, the sum of the stems.

    Example:

    >>> track = tfsep.datasets.embedded()[0]
    >>> track.sources
    ('vocals', 'drums', 'bass', 'other')
    >>> track.read("vocals", start=1000, samples=500).shape
    (500, 2)
    """

    def __init__(self, name: str, stems: dict[str, Stem | None], mixture: Stem | None = None):
        self.name = name
        if not isinstance(stems, dict):
            raise ValueError(f"stems must be a dict from source to stem. Received: a {type(stems).__name__}.")
        if "mixture" in stems:
            raise ValueError(f"Track {name!r} has a source 'mixture', which is reserved. Rename it.")
        for source, stem in (*stems.items(), ("mixture", mixture)):
            if stem is not None and not isinstance(stem, Stem):
                raise ValueError(
                    f"Track {name!r} has a {type(stem).__name__} as {source!r}. Expected a stem: "
                    "tfsep.datasets.ArrayStem(array, sample_rate), or tfsep.datasets.FileStem(path) for a file."
                )
        if all(stem is None for stem in stems.values()):
            raise ValueError(f"Track {name!r} has no stem. Expected one or more, such as FileStem(path).")
        self.stems = dict(stems)
        self.mixture = mixture
        self._said = set()

    def __repr__(self) -> str:
        return f"Track({self.name!r}, sources={self.sources})"

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in the corpus's order."""
        return tuple(self.stems)

    @property
    def precision(self) -> str:
        """`"int16"` if samples are rounded to 16 bits when they are read, else `"float32"`."""
        stems = (*self.stems.values(), self.mixture)
        return "int16" if any(getattr(stem, "precision", None) == "int16" for stem in stems) else "float32"

    def warn_once(self, text: str) -> None:
        """Log a warning that begins with the track's name, unless this track has logged it before."""
        if text not in self._said:
            self._said.add(text)
            _log.warning("%s%s", self.name, text)

    def digest(self) -> str:
        """Return a hash of the names and the audio of all sources and the mixture, but not of the track's name."""
        stems = (*self.stems.items(), ("mixture", self.mixture))
        return digest([(source, stem and stem.digest()) for source, stem in stems])

    @cached_property
    def _infos(self) -> dict[Stem, audio.AudioInfo]:
        stems = [stem for stem in (*self.stems.values(), self.mixture) if stem is not None]
        infos = {stem: stem.info() for stem in stems}
        rate = infos[stems[0]].sample_rate
        for stem, info in infos.items():
            if info.sample_rate != rate:
                raise audio.AudioError(
                    f"{stem.name} has {info.sample_rate} Hz, while {stems[0].name} of the same track has "
                    f"{rate} Hz. Resample one of them."
                )
        channels = max(info.channels for info in infos.values())
        for stem, info in infos.items():
            if info.channels not in (1, channels):
                raise audio.AudioError(
                    f"{stem.name} has {info.channels} channels, while {self.name} has {channels}. Expected "
                    f"{channels}, or one."
                )
        lengths = {info.samples for info in infos.values()}
        if len(lengths) > 1:
            shortest, longest = min(lengths), max(lengths)
            self.warn_once(f": stems of {shortest} to {longest} samples; the shorter ones are padded with silence.")
        return infos

    @property
    def sample_rate(self) -> int:
        """Sample rate in hertz, the same for every stem."""
        return next(iter(self._infos.values())).sample_rate

    @property
    def samples(self) -> int:
        """Length in samples, that of the longest stem."""
        return max(info.samples for info in self._infos.values())

    @property
    def channels(self) -> int:
        """Number of channels, the largest of any stem."""
        return max(info.channels for info in self._infos.values())

    def read(self, source: str, start: int = 0, samples: int | None = None) -> np.ndarray:
        """Read an excerpt of one source or of the mixture.

        Args:
            source: str, one of `sources`, or `"mixture"`.
            start: int, first sample of the excerpt. Defaults to 0.
            samples: int, length of the excerpt. Defaults to None, to the end.

        Returns:
            float32 `[samples, channels]`.

        Raises:
            ValueError: for an unknown source or an excerpt beyond the track's ends.
        """
        return self.read_all((source,), start, samples)[source]

    def read_all(self, names: Iterable[str], start: int = 0, samples: int | None = None) -> dict[str, np.ndarray]:
        """Read the same excerpt of several of `sources` and `"mixture"`, and a file that contains several once.

        Args:
            names: names of sources, and `"mixture"`.
            start, samples: see `read`.

        Returns:
            dict from name to float32 `[samples, channels]`.
        """
        samples = self.samples - start if samples is None else samples
        if start < 0 or samples < 0 or start + samples > self.samples:
            raise ValueError(f"{self.name} has {self.samples} samples. Received: start={start}, samples={samples}.")
        parts = {name: self._parts(name) for name in names}
        stems = self._read_stems({part for components in parts.values() for part in components}, start, samples)
        return {name: sum(stems[part] for part in components) for name, components in parts.items()}

    def read_sources(self, names: Iterable[str], start: int = 0, samples: int | None = None) -> dict[str, np.ndarray]:
        """Read the same excerpt of several sources, or of sums of sources; see `components`.

        Args:
            names: names of sources, `"accompaniment"`, `"other"` or `"rest"`.
            start, samples: see `read`.

        Returns:
            dict from name to float32 `[samples, channels]`, in the order of `names`.
        """
        parts = components(tuple(names), self.sources, residual=self.mixture is not None)
        needed = dict.fromkeys(part for components in parts.values() for part in components)
        with_residual = RESIDUAL in needed.keys() - set(self.sources)
        if with_residual:
            del needed[RESIDUAL]
            needed |= dict.fromkeys(("mixture", *self.sources))
        stems = self.read_all(needed, start, samples)
        if with_residual:
            stems[RESIDUAL] = stems["mixture"] - sum(stems[source] for source in self.sources)
        return {name: sum(stems[part] for part in components) for name, components in parts.items()}

    def _parts(self, name: str) -> tuple[str, ...]:
        """Return the names of the stems whose sum is a source or the mixture."""
        if name == "mixture" and self.mixture is None:
            return self.sources
        if name not in (*self.sources, "mixture"):
            raise ValueError(f"{self.name} has no source {name!r}. Expected one of {('mixture', *self.sources)}.")
        if name != "mixture" and self.stems[name] is None:
            self.warn_once(f" has no {name}: silence is used instead.")
        return (name,)

    def _read_stems(self, names: set[str], start: int, samples: int) -> dict[str, np.ndarray]:
        excerpts = {name: np.zeros((samples, self.channels), np.float32) for name in names}
        by_length = {}
        for name in names:
            stem = self.mixture if name == "mixture" else self.stems[name]
            available = 0 if stem is None else min(samples, self._infos[stem].samples - start)
            if available > 0:
                by_length.setdefault(available, {})[name] = stem
        for available, stems in by_length.items():
            read = read_stems(list(stems.values()), start, available)
            for name, excerpt in zip(stems, read, strict=True):
                excerpts[name][:available] = excerpt
        return excerpts


def components(names: Sequence[str], sources: Sequence[str], residual: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the sources whose sum is each of `names`.

    A source is itself. Other names may be `"accompaniment"`, `"other"` or `"rest"`, for the sum of all sources that
    are not in `names`, or, if there are none, for the residual: the mixture file minus all sources.

    Args:
        names: names of what to read or estimate.
        sources: names of the track's sources.
        residual: bool, the track has a mixture file. Defaults to False.

    Returns:
        dict from name to a tuple of sources.

    Raises:
        ValueError: if a name is neither a source nor one of these, if nothing is left for it, or if two names would be
            the same sum.

    Example:

    >>> tfsep.datasets.components(("vocals", "accompaniment"), ("vocals", "drums", "bass"))
    {'vocals': ('vocals',), 'accompaniment': ('drums', 'bass')}
    """
    left = tuple(source for source in sources if source not in names)
    if residual and not left:
        left = (RESIDUAL,)
    sums = [name for name in names if name in LEFT_OVER and name not in sources]
    if len(sums) > 1:
        raise ValueError(f"{' and '.join(sums)} are the same sum of sources here. Ask for one of them.")
    parts = {}
    for name in names:
        if name in sources:
            parts[name] = (name,)
        elif name in sums and left:
            parts[name] = left
        elif name in sums:
            raise ValueError(f"Nothing is left for {name!r}. Available: {', '.join(sources)}.")
        else:
            known = " or ".join(known for known in LEFT_OVER if known not in sources)
            raise ValueError(
                f"Expected sources{f', or {known} for the sum of those not asked for' if known else ''}. "
                f"No source {name!r} in the data. Available: {', '.join(sources)}."
            )
    return parts


def track_list(tracks: Iterable[Track]) -> list[Track]:
    """Return tracks as a list. An endless dataset of anything else is refused at its first element.

    Raises:
        ValueError: if `tracks` is no iterable of tracks.
    """
    received = f"a {type(tracks).__name__}"
    if isinstance(tracks, Iterable) and not isinstance(tracks, str):
        checked = []
        for track in tracks:
            if not hasattr(track, "read_sources"):
                received += f" that contains a {type(track).__name__}"
                break
            checked.append(track)
        else:
            return checked
    advice = " Write [track]." if isinstance(tracks, Track) else ""
    raise ValueError(
        f"tracks must be a corpus such as MUSDB18(root), or a list of Track. Received: {received}.{advice}"
    )


class Corpus(Sequence[Track]):
    """A sequence of tracks under one name; the base class of every corpus.

    Args:
        name: str, name in messages and results.
        tracks: the tracks.
        **arguments: arguments of a subclass, shown by `repr`.

    Raises:
        ValueError: if there is no track.

    Example:

    >>> tfsep.datasets.Corpus("first two", tfsep.datasets.StemsFolder("songs", split=None)[:2])
    Corpus(name='first two'): 2 tracks
    """

    def __init__(self, name: str, tracks: Iterable[Track], **arguments):
        self.name = name
        self._arguments = arguments or {"name": name}
        self.tracks = list(tracks)
        if not self.tracks:
            raise ValueError(f"{name} contains no tracks.")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())
        return f"{type(self).__name__}({arguments}): {len(self)} track{'s' if len(self) != 1 else ''}"

    def __len__(self) -> int:
        return len(self.tracks)

    @overload
    def __getitem__(self, index: int) -> Track: ...

    @overload
    def __getitem__(self, index: slice) -> list[Track]: ...

    def __getitem__(self, index):
        return self.tracks[index]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources of the tracks."""
        return tuple(dict.fromkeys(source for track in self.tracks for source in track.sources))
