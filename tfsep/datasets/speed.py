"""Songs played faster or slower, as further material to train on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfsep.checks import check_number
from tfsep.datasets.stems import digest
from tfsep.datasets.track import Track, check_tracks

# Far beyond what music sounds like.
_SLOWEST, _FASTEST = 0.25, 4.0


def change_speed(tracks: Sequence[Track], factors: Sequence[float] = (0.9, 1.1)) -> list[Track]:
    """Tracks at other speeds; tempo and pitch change together, as on a turntable.

    The samples stay as they are, and are said to have another rate: whoever resamples them to a model's rate, as
    `tfsep.pipeline` does once for each track, gets the change for nothing.

    Args:
        tracks: sequence of tracks: a corpus, or a list.
        factors: speeds, 1 being that of the recording. Defaults to a tenth slower and faster.

    Returns:
        A `Track` for each track at each speed. The tracks themselves are not among them.

    Raises:
        ValueError: for a factor below 0.25 or above 4, or for `tracks` that are no sequence of tracks.

    Example:

    >>> tracks = list(tfsep.datasets.MIR1K(root))
    >>> tracks += tfsep.datasets.change_speed(tracks, (0.89, 1.12))
    """
    check_tracks(tracks)
    for factor in factors:
        check_number("speed", factor, least=_SLOWEST, most=_FASTEST)
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
        # What is true of a song is said of the song, once for all of its copies.
        self.track.warn_once(text)

    def digest(self) -> str:
        return digest(self.track.digest(), self.sample_rate)

    def _read_stems(self, names: set[str], start: int, samples: int) -> dict[str, np.ndarray]:
        return self.track._read_stems(names, start, samples)
