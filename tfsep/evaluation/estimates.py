"""Providers of estimates: a model, a folder of files, or a function."""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from tfsep import audio
from tfsep.checks import existing_folder
from tfsep.datasets import Track
from tfsep.datasets.found_stems import find_stems, known_names, listed
from tfsep.datasets.track import LEFT_OVER, track_list

_log = logging.getLogger("tfsep")

# Samples by which an estimate may be longer or shorter than its track: two frames of mp3, which encoders and decoders
# add or leave out.
TOLERANCE = 2 * 1152
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_PROBE = 10  # seconds of a track from which the sources of a function are determined


@runtime_checkable
class Estimates(Protocol):
    """Anything that gives estimates of tracks, as `tfsep.evaluate` scores them.

    Example:

    >>> class Silence:
    ...     name, sources = "silence", ("vocals",)
    ...     def read(self, track):
    ...         return {"vocals": np.zeros((track.samples, track.channels), np.float32)}
    >>> isinstance(Silence(), tfsep.evaluation.Estimates)
    True
    """

    @property
    def name(self) -> str:
        """Name in tables."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that are estimated."""

    def read(self, track: Track) -> Mapping[str, np.ndarray]:
        """Return the estimates of a track, a dict from source to float `[samples, channels]`."""


class ModelEstimates:
    """Estimates of a model, computed when they are read.

    In another process, a model that was given by path or name is loaded there; others are sent.

    Args:
        model: a model, a path or a preset's name; see `tfsep.load_model`.
        overlap: float, see `tfsep.separate`. Defaults to None, the default of `tfsep.separate`.
        trust: bool, load a SavedModel whatever its graph contains, see `tfsep.load_model`. Defaults to False.

    Example:

    >>> estimates = tfsep.evaluation.ModelEstimates("model.keras")
    >>> estimates.name, estimates.sources
    ('model.keras', ('vocals', 'drums'))
    >>> list(estimates.read(tfsep.datasets.StemsFolder("songs", split=None)[0]))
    ['vocals', 'drums']
    """

    def __init__(self, model, overlap: float | None = None, trust: bool = False):
        self._given, self._trust = model, trust
        self._options = {} if overlap is None else {"overlap": overlap}

    def __repr__(self) -> str:
        return f"ModelEstimates({self.name!r})"

    def __getstate__(self) -> dict:
        return {"_given": self._given, "_trust": self._trust, "_options": self._options}

    @property
    def name(self) -> str:
        """Name of the model in tables."""
        if isinstance(self._given, (str, Path)):
            return Path(self._given).name
        return getattr(self._given, "name", type(self._given).__name__)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that the model estimates."""
        return tuple(self._model.sources)

    @cached_property
    def weights(self) -> str | None:
        """Digest of the weights, which identifies the model in result files; None without `get_weights`."""
        if not hasattr(self._model, "get_weights"):
            return None
        content = hashlib.sha256()
        for value in self._model.get_weights():
            content.update(np.ascontiguousarray(value))
        return content.hexdigest()[:16]

    def read(self, track: Track) -> dict[str, np.ndarray]:
        """Separate a track.

        Returns:
            dict from source to float32 `[samples, channels]`.
        """
        from tfsep.separation import separate  # loads Keras

        return separate(track.read("mixture"), model=self._model, sample_rate=track.sample_rate, **self._options)

    @cached_property
    def _model(self):
        from tfsep.loading import load_model  # loads Keras

        return load_model(self._given, self._trust)


class FunctionEstimates:
    """Estimates of a plain function, such as a separator of another library.

    The sources are those that the function returns for the first seconds of the first track that can be read.

    Args:
        function: called with a mixture, float32 `[samples, channels]`, and, if it requires a second argument, its
            sample rate; returns a dict from source to float array of the mixture's shape.
        tracks: the tracks to separate.

    Raises:
        ValueError: if the function returns anything else.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split=None)
    >>> estimates = tfsep.evaluation.FunctionEstimates(lambda mixture: {"vocals": 0.5 * mixture}, tracks)
    >>> estimates.sources
    ('vocals',)
    """

    def __init__(self, function: Callable[..., Mapping[str, np.ndarray]], tracks: Iterable[Track]):
        self._function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        required = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty and parameter.kind in _POSITIONAL
        ]
        self._with_rate = len(required) > 1
        self.sources = self._probed(track_list(tracks))

    def __repr__(self) -> str:
        return f"FunctionEstimates({self.name!r}, sources={self.sources})"

    def read(self, track: Track) -> Mapping[str, np.ndarray]:
        """Separate a track.

        Returns:
            dict from source to float array `[samples, channels]`.

        Raises:
            ValueError: if the function does not return a dict.
        """
        return self._separate(track, track.samples)

    def _probed(self, tracks):
        for track in tracks:
            try:
                return tuple(self._separate(track, min(track.samples, _PROBE * track.sample_rate)))
            except (audio.AudioError, OSError):  # reported when the track is scored
                continue
        raise ValueError(f"None of {len(tracks)} tracks can be read. Expected one that {self.name} can separate.")

    def _separate(self, track, samples):
        rate = [track.sample_rate] if self._with_rate else []
        estimates = self._function(track.read("mixture", 0, samples), *rate)
        if not isinstance(estimates, Mapping) or not estimates:
            raise ValueError(f"{self.name} must return a dict from source to array. Received: {estimates!r:.200}.")
        return estimates


class FolderEstimates:
    """Estimates in a folder, as any program writes them: `track/vocals.wav`, `vocals/track.flac`, or
    `track_(Vocals)_model.mp3`, in any audio format, case and nesting.

    The sources are those of the data for which any track has an estimate. Beside one of them `accompaniment`, `other`
    or `rest` is the sum of all others; beside several it is ambiguous and skipped. Files of other names are skipped
    with one warning.

    An estimate that is up to 2304 samples longer or shorter than its track is cut or padded with zeros, as in museval,
    with one warning.

    Args:
        folder: path of the folder.
        tracks: the tracks that were separated.
        names: dict from source to its name in the files, such as `{"accompaniment": "Instrumental"}`. Defaults to none.

    Attributes:
        name: str, name of the folder.
        sources: names of the sources, in the order of the data.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it contains no track or no source of the data, or a source of a track more than once.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split=None)
    >>> estimates = tfsep.evaluation.FolderEstimates("songs", tracks)  # the true sources
    >>> estimates.sources
    ('vocals', 'drums', 'bass', 'other')
    >>> scores = tfsep.evaluate(estimates, tracks, sdr_only=True)
    """

    def __init__(self, folder: str | Path, tracks: Iterable[Track], names: Mapping[str, str] | None = None):
        tracks = track_list(tracks)
        self.folder = existing_folder(folder, "a folder of estimates")
        self.name = self.folder.resolve().name
        known = tuple(dict.fromkeys(source for track in tracks for source in track.sources))
        search = [track.name for track in tracks], known_names(known, names)
        self._files, trackless, sourceless = find_stems(self.folder, *search)
        self._check(tracks, known, trackless, sourceless)
        self.sources = self._sources(known)
        self._fitted = False

    def __repr__(self) -> str:
        return f"FolderEstimates({str(self.folder)!r}): {', '.join(self.sources)} of {len(self._files)} tracks"

    def read(self, track: Track) -> dict[str, np.ndarray]:
        """Read the estimates of a track.

        Returns:
            dict from source to float32 `[samples, channels]`.

        Raises:
            FileNotFoundError: if the track lacks an estimate.
            ValueError: if an estimate differs from the track in rate or channels, or by more than 2304 samples.
            tfsep.audio.AudioError: if a file cannot be read, or contains samples that are not finite.
        """
        if track.name not in self._files:
            raise FileNotFoundError(f"{self.folder / track.name} is missing. Expected the estimates of the track.")
        files = self._files[track.name]
        missing = [source for source in self.sources if source not in files]
        if missing:
            raise FileNotFoundError(
                f"{track.name} has no estimate of {', '.join(missing)}, which other tracks in {self.folder} have. "
                f"Expected {missing[0]}.wav, or another audio format."
            )
        return {source: self._fit(_read(files[source], track), files[source], track) for source in self.sources}

    def _fit(self, estimate: np.ndarray, path: Path, track: Track) -> np.ndarray:
        """Cut or pad an estimate to the length of its track; warn at the first one."""
        difference = len(estimate) - track.samples
        if difference and not self._fitted:
            self._fitted = True
            _log.warning(
                "%s. This and others are cut, or completed with zeros.", lengths(path, difference, "the track")
            )
        return fitted(estimate, track.samples)

    def _check(self, tracks, known, trackless, sourceless):
        if not self._files:
            place, received, needed = (
                ("a source of the data", sourceless, f"names of {', '.join(known)}")
                if sourceless
                else (f"one of {len(tracks)} tracks", trackless, "names of tracks")
            )
            first = tracks[0].name if tracks else "TRACK"
            raise ValueError(
                f"{self.folder} contains no estimate of {place}. Received: {listed(received) or 'no audio'}. Expected "
                f"{needed}, such as {first}/vocals.wav or {first}_(Vocals).wav; --map names others."
            )
        for what, names in (("tracks", trackless), ("sources", sourceless)):
            if names:
                _log.warning("%s: no %s of the data, left out: %s.", self.folder, what, listed(names))

    def _sources(self, known: Sequence[str]) -> tuple[str, ...]:
        found = {source for files in self._files.values() for source in files} - {"mixture"}
        sources = tuple(source for source in known if source in found)
        sums = [name for name in LEFT_OVER if name in found - set(known)]
        if len(sources) == 1 and sums:
            sources += (sums[0],)
        left_out = sorted(found - set(sources))
        if not sources:
            raise ValueError(
                f"{self.folder} contains no estimate of a source of the data. "
                f"Received: {listed(left_out) or 'mixtures'}. Expected names of {', '.join(known)}."
            )
        if left_out:
            _log.warning("%s: no sources of the data, left out: %s.", self.folder, listed(left_out))
        missing = [name for name in known if name not in found]
        if missing and set(sources) <= set(known):
            _log.warning("%s: no estimates of %s, not scored.", self.folder, listed(missing))
        return sources


def fitted(sound: np.ndarray, samples: int) -> np.ndarray:
    """Cut audio `[samples, channels]` to a length, or complete it with zeros."""
    return np.pad(sound[:samples], ((0, max(0, samples - len(sound))), (0, 0)))


def check_timeline(name, info, other_name, other) -> None:
    """Raise ValueError unless two things agree in `sample_rate`, and up to 2304 samples in `samples`."""
    for unit, value, expected, tolerance in (
        ("Hz", info.sample_rate, other.sample_rate, 0),
        ("samples", info.samples, other.samples, TOLERANCE),
    ):
        if abs(value - expected) > tolerance:
            raise ValueError(
                f"{name} has {value} {unit}, while {other_name} has {expected}. Expected one rate and one length."
            )


def lengths(path: str | Path, difference: int, other: str | Path) -> str:
    """Say by how many samples a file is longer than another one, or shorter."""
    return f"{path} is {abs(difference)} samples {'longer' if difference > 0 else 'shorter'} than {other}"


def _read(path: Path, track: Track) -> np.ndarray:
    info = audio.info(path)
    check_timeline(path, info, "the track", track)
    if info.channels != track.channels:
        raise ValueError(f"{path} has {info.channels} channels, the track {track.channels}. Expected as many.")
    return audio.read(path)[0]
