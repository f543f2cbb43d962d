"""Songs at other speeds, as additional training data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tfsep.checks import check_number
from tfsep.datasets.stems import digest
from tfsep.datasets.track import Track, track_list


def change_speed(tracks: Iterable[Track], factors: Sequence[float] = (0.9, 1.1)) -> list[Track]:
    """Change the speed of tracks; tempo and pitch change together, as on a turntable.

    The samples stay the same and are given another rate. The change takes effect, at no cost, when they are resampled
    to the rate of a model, as `tfsep.pipeline` does once for each track.

    Args:
        tracks: the tracks, a corpus or a list.
        factors: floats, speeds relative to the recording. Defaults to `(0.9, 1.1)`.

    Returns:
        A list with a `Track` for each track at each speed, without the tracks themselves.

    Raises:
        ValueError: for a factor below 0.25 or above 4, or if `tracks` are no tracks.

    Example:

    >>> tracks = list(tfsep.datasets.MIR1K("mir1k"))
    >>> tracks += tfsep.datasets.change_speed(tracks, (0.89, 1.12))
    >>> [track.name for track in tracks]
    ['abjones_1_01', 'abjones_1_01 at speed 0.89', 'abjones_1_01 at speed 1.12']
    """
    tracks = track_list(tracks)
    for factor in factors:
        check_number("speed", factor, least=0.25, most=4)
    return [_TrackAtSpeed(track, factor) for factor in factors for track in tracks]


class _TrackAtSpeed(Track):
    def __init__(self, track: Track, factor: float):
        super().__init__(f"{track.name} at speed {factor:g}", track.stems, track.mixture)
        self.track = track
        self.factor = factor

    @property
    def sample_rate(self) -> int:
        return round(self.factor * self.track.sample_rate)

    def warn_once(self, text: str) -> None:
        # Once for all copies of a song.
        self.track.warn_once(text)

    def digest(self) -> str:
        return digest(self.track.digest(), self.sample_rate)

    def _read_stems(self, names: set[str], start: int, samples: int) -> dict[str, np.ndarray]:
        return self.track._read_stems(names, start, samples)
