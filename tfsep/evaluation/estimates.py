"""Estimates that lie on disk, of any separator, in the place of a model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.checks import existing_folder
from tfsep.datasets import Track
from tfsep.datasets.folders import SPLITS, audio_files
from tfsep.datasets.track import LEFT_OVER, track_list
from tfsep.files import file_name, song_folder

_log = logging.getLogger("tfsep")

# Samples by which an estimate may be longer or shorter than its track: two frames of mp3, which encoders and decoders
# add or leave out.
_TOLERANCE = 2 * 1152
_NAMED = 5  # names that a message lists


class Estimates:
    """Folders of estimates, `FOLDER/<track>/<source>.<suffix>`, as `tfsep separate -o` and musdb write them.

    Between `FOLDER` and the track there may be a folder named after the split, as museval has it. The sources are
    those of the data for which any track has an estimate. Beside one of them `accompaniment`, `other` or `rest` is the
    sum of all others; beside several it is left out, since it is not said of which it is the sum. So are files and
    folders of other names, and what is left out is said once.

    An estimate that is up to 2304 samples longer or shorter than its track is cut, or completed with zeros, as in
    museval, and the first one is named.

    Args:
        folder: path of the folder.
        tracks: the tracks that were separated.

    Attributes:
        name: str, the folder's name.
        sources: names of the sources, in the order of the data.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it holds no track of the data, or no source of them.

    Example:

    >>> tracks = tfsep.datasets.MUSDB18(root, split="test")
    >>> scores = tfsep.evaluate(tfsep.evaluation.Estimates("stems/", tracks), tracks)
    """

    def __init__(self, folder: str | Path, tracks: Iterable[Track]):
        tracks = track_list(tracks)
        self.folder = existing_folder(folder, "a folder with one folder of estimates a track")
        self.name = self.folder.resolve().name
        self._files = {track.name: audio_files(place) for track in tracks if (place := _place(self.folder, track.name))}
        self._check_tracks(tracks)
        self.sources = self._sources(tracks)
        self._fitted = False

    def __repr__(self) -> str:
        return f"Estimates({str(self.folder)!r}): {', '.join(self.sources)} of {len(self._files)} tracks"

    def read(self, track: Track) -> dict[str, np.ndarray]:
        """Reads the estimates of a track.

        Returns:
            dict from source to float32 `[samples, channels]`.

        Raises:
            FileNotFoundError: if the track has no estimates, or not of all sources.
            ValueError: if an estimate differs from the track in rate or channels, or by more in length.
            tfsep.audio.AudioError: if a file cannot be read, or holds samples that are not finite.
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
        """Cuts an estimate to the length of its track, or completes it with zeros, and says so of the first one."""
        difference = len(estimate) - track.samples
        if difference and not self._fitted:
            self._fitted = True
            _log.warning(
                "%s is %d samples %s than the track. This and others are cut, or completed with zeros.",
                path,
                abs(difference),
                "longer" if difference > 0 else "shorter",
            )
        return np.pad(estimate[: track.samples], ((0, max(0, -difference)), (0, 0)))

    def _check_tracks(self, tracks: Sequence[Track]) -> None:
        if not self._files:
            first = tracks[0].name if tracks else "TRACK"
            raise ValueError(
                f"{self.folder} holds no folder named after one of {len(tracks)} tracks. Expected TRACK/SOURCE.wav, "
                f"for example {first}/vocals.wav."
            )
        places = [self.folder, *(self.folder / split for split in SPLITS)]
        folders = [path.name for place in places if place.is_dir() for path in place.iterdir() if path.is_dir()]
        unknown = sorted(set(folders) - set(SPLITS) - self._files.keys() - {file_name(track) for track in self._files})
        if unknown:
            _log.warning("%s: no tracks of the data, left out: %s.", self.folder, _listed(unknown))

    def _sources(self, tracks: Sequence[Track]) -> tuple[str, ...]:
        known = tuple(dict.fromkeys(source for track in tracks for source in track.sources))
        found = {source for files in self._files.values() for source in files} - {"mixture"}
        sources = tuple(source for source in known if source in found)
        sums = [name for name in LEFT_OVER if name in found - set(known)]
        if len(sources) == 1 and sums:
            sources += (sums[0],)
        left_out = sorted(found - set(sources))
        if not sources:
            raise ValueError(
                f"{self.folder} holds no estimate of a source of the data. Received: {_listed(left_out) or 'no audio'}."
                f" Expected file names of: {', '.join(known)}."
            )
        if left_out:
            _log.warning("%s: no sources of the data, left out: %s.", self.folder, _listed(left_out))
        return sources


def _place(folder: Path, track: str) -> Path | None:
    places = [song_folder(folder, track), *(song_folder(folder / split, track) for split in SPLITS)]
    return next((place for place in places if place.is_dir()), None)


def _read(path: Path, track: Track) -> np.ndarray:
    info = audio.info(path)
    for unit, value, expected, tolerance in (
        ("Hz", info.sample_rate, track.sample_rate, 0),
        ("samples", info.samples, track.samples, _TOLERANCE),
        ("channels", info.channels, track.channels, 0),
    ):
        if abs(value - expected) > tolerance:
            raise ValueError(f"{path} has {value} {unit}, the track {expected}. Expected estimates like the track.")
    return audio.read(path)[0]


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
