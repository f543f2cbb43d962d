"""Separators that need no training, from librosa and nussl: the floor under every trained model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# STFT of the nearest-neighbour filter, in samples, and how far apart in seconds similar frames must be.
_N_FFT = 2048
_NEIGHBOUR_SECONDS = 2.0
# How much louder than what recurs a part must be to count as voice.
_MARGIN = 5


class TrainingFree:
    """A separator that hears a whole song at once and has no weights.

    Args:
        name: str, by which `tfsep.load_model` knows it.
        sources: names of the sources that it estimates.
        function: from a song's channel or channels `[samples, channels]` and its rate to an estimate a source, of
            the same shape.
    """

    def __init__(self, name: str, sources: tuple[str, ...], function: Callable[[np.ndarray, int], tuple]):
        self.name = name
        self.sources = sources
        self._function = function

    def __repr__(self) -> str:
        return f"TrainingFree({self.name!r}, sources={self.sources})"

    def separate_song(self, song: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
        """Song `[samples, channels]` -> dict from source to float32 of the same shape."""
        estimates = self._function(song, sample_rate)
        return {name: np.asarray(estimate, np.float32) for name, estimate in zip(self.sources, estimates, strict=True)}


def _hpss(song: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Percussive and harmonic part, by median filters (Fitzgerald, "Harmonic/percussive separation", DAFx 2010)."""
    import librosa

    padded = np.pad(song, ((0, max(0, _N_FFT - len(song))), (0, 0)))
    parts = [librosa.effects.hpss(channel) for channel in padded.T]
    harmonic, percussive = (np.stack(channels, axis=1)[: len(song)] for channels in zip(*parts, strict=True))
    return percussive, harmonic


def _repet_sim(song: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Voice and accompaniment: what recurs is accompaniment (Rafii and Pardo, REPET-SIM, ISMIR 2012)."""
    parts = [_repet_sim_channel(channel, sample_rate) for channel in song.T]
    voice, rest = (np.stack(channels, axis=1) for channels in zip(*parts, strict=True))
    return voice, rest


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
    """A primitive separator of nussl, whose estimates are two; `foreground` is the place of the first source."""

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
