"""Separators without training, from librosa and nussl, as baselines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Samples of a frame, and the least distance in seconds of similar frames, of the nearest-neighbour filter.
_N_FFT = 2048
_NEIGHBOUR_SECONDS = 2.0
# How much louder than the repeating part the voice must be.
_MARGIN = 5


class TrainingFree:
    """A separator of whole songs without weights.

    Args:
        name: str, its name for `tfsep.load_model`.
        sources: names of the sources that it estimates.
        function: function from a song `[samples, channels]` and its sample rate to an estimate of each source, of the
            same shape.
    """

    def __init__(self, name: str, sources: tuple[str, ...], function: Callable[[np.ndarray, int], tuple]):
        self.name = name
        self.sources = sources
        self._function = function

    def __repr__(self) -> str:
        return f"TrainingFree({self.name!r}, sources={self.sources})"

    def separate_song(self, song: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
        """Separate a song `[samples, channels]` into a dict from source to float32 audio of the same shape."""
        estimates = self._function(song, sample_rate)
        return {name: np.asarray(estimate, np.float32) for name, estimate in zip(self.sources, estimates, strict=True)}


def _hpss(song: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Separate percussive and harmonic part by median filters.

    Reference:

    - [Fitzgerald, 2010, Harmonic/percussive separation using median filtering](https://arrow.tudublin.ie/argcon/67/)
    """
    import librosa

    padded = np.pad(song, ((0, max(0, _N_FFT - len(song))), (0, 0)))
    parts = [librosa.effects.hpss(channel) for channel in padded.T]
    harmonic, percussive = (np.stack(channels, axis=1)[: len(song)] for channels in zip(*parts, strict=True))
    return percussive, harmonic


def _repet_sim(song: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Separate voice and accompaniment, which is what repeats.

    Reference:

    - [Rafii and Pardo, 2012, Music/voice separation using the similarity
      matrix](https://archives.ismir.net/ismir2012/paper/000583.pdf), REPET-SIM
    - [McFee, Vocal separation](https://librosa.org/doc/latest/auto_examples/plot_vocal_separation.html), librosa's form
    """
    parts = [_repet_sim_channel(channel, sample_rate) for channel in song.T]
    voice, accompaniment = (np.stack(channels, axis=1) for channels in zip(*parts, strict=True))
    return voice, accompaniment


def _repet_sim_channel(channel: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    import librosa

    most = len(channel) // (_N_FFT // 4) // 2 - 1
    if most < 1:  # too short for anything to recur
        return np.zeros_like(channel), channel
    spectrum = librosa.stft(channel, n_fft=_N_FFT)
    magnitude = np.abs(spectrum)
    width = min(int(librosa.time_to_frames(_NEIGHBOUR_SECONDS, sr=sample_rate)), most)
    # A silent frame resembles no other, which the cosine would divide by.
    recurring = librosa.decompose.nn_filter(
        magnitude + np.finfo(np.float32).tiny, aggregate=np.median, metric="cosine", width=width
    )
    recurring = np.minimum(magnitude, recurring)
    voice_mask = librosa.util.softmask(magnitude - recurring, _MARGIN * recurring, power=2)
    voice = librosa.istft(np.nan_to_num(voice_mask) * spectrum, length=len(channel))
    return voice, channel - voice


def _nussl(method: str, foreground: int) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """Make a function of a separator of nussl with two estimates; `foreground` is the index of the first source."""

    def separate(song: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            import nussl
        except ImportError as error:
            raise RuntimeError("This separator is nussl's: pip install 'tfsep[nussl]' (Python below 3.12).") from error
        signal = nussl.AudioSignal(audio_data_array=song.T.astype(np.float64), sample_rate=sample_rate)
        estimates = getattr(nussl.separation.primitive, method)(signal)()
        signals = [estimate.audio_data.T[: len(song)] for estimate in estimates]
        return signals[foreground], signals[1 - foreground]

    return separate


_VOICE = ("vocals", "accompaniment")
_DRUMS = ("drums", "accompaniment")

TRAINING_FREE = {
    separator.name: separator
    for separator in (
        TrainingFree("hpss", _DRUMS, _hpss),
        TrainingFree("repet-sim", _VOICE, _repet_sim),
        TrainingFree("nussl-repet", _VOICE, _nussl("Repet", 1)),
        TrainingFree("nussl-repet-sim", _VOICE, _nussl("RepetSim", 1)),
        TrainingFree("nussl-2dft", _VOICE, _nussl("FT2D", 1)),
        TrainingFree("nussl-hpss", _DRUMS, _nussl("HPSS", 1)),
    )
}
