"""Scores of one file against another."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.evaluation import windows
from tfsep.evaluation.aggregation import nanmedian
from tfsep.evaluation.estimates import TOLERANCE, fitted, lengths
from tfsep.evaluation.protocols import protocol

_log = logging.getLogger("tfsep")

# Measures that need no other sources.
_MEASURES = {
    "bsseval_v4": ("SDR", "ISR", "SAR"),
    "si_sdr": ("SI-SDR", "SDR"),
    "mdx": ("uSDR",),
    "msst": ("bleedless", "fullness", "L1-freq"),
    "log_wmse": ("log-WMSE",),
}


def score_files(
    reference: str | Path, estimate: str | Path, mixture: str | Path | None = None
) -> dict[str, dict[str, float | None]]:
    """Score the estimate of one source by every measure that needs no other sources.

    A file that is up to 2304 samples longer or shorter than the reference is cut or completed with zeros, with a
    warning, as by `tfsep.evaluation.FolderEstimates`. A warning says why scores are undefined: of a silent file, or of
    a perfect estimate.

    Args:
        reference: path of the true source.
        estimate: path of its estimate, of the same rate and channels.
        mixture: path of the mixture, which log-WMSE needs. Defaults to None, without log-WMSE.

    Returns:
        dict from protocol to measure to score, the median over windows; None if undefined or infinite.

    Raises:
        ValueError: if the files differ in rate, in channels, or by more than 2304 samples.
        tfsep.audio.AudioError: if a file cannot be read.

    Example:

    >>> scores = tfsep.evaluation.score_files("song.wav", "song.mp3")
    >>> list(scores)
    ['bsseval_v4', 'si_sdr', 'mdx', 'msst']
    """
    paths = [reference, estimate, *([] if mixture is None else [mixture])]
    sounds, sample_rate = _read(paths)
    references, estimates = (sound[np.newaxis] for sound in sounds[:2])
    scores, reasons = {}, {}
    for name, measures in _MEASURES.items():
        if name == "log_wmse" and mixture is None:
            continue
        values = protocol(name).measure(references, estimates, sounds[-1], sample_rate, False)
        found = {measure: float(nanmedian(values[measure][0])) for measure in measures}
        scores[name] = {measure: round(value, 5) if math.isfinite(value) else None for measure, value in found.items()}
        for measure, value in found.items():
            if not math.isfinite(value):
                reasons.setdefault(_reason(value, paths, (references, estimates)), []).append(measure)
    for reason, measures in reasons.items():
        _log.warning("No %s: %s.", ", ".join(dict.fromkeys(measures)), reason)
    return scores


def _read(paths):
    read = [audio.read(path) for path in paths]
    first, sample_rate = read[0]
    for path, (sound, rate) in zip(paths[1:], read[1:], strict=True):
        found, expected = (rate, sound.shape[1]), (sample_rate, first.shape[1])
        if found != expected or abs(len(sound) - len(first)) > TOLERANCE:
            raise ValueError(
                f"{path} has {rate} Hz, {sound.shape[1]} channels and {len(sound)} samples, {paths[0]} {sample_rate}, "
                f"{first.shape[1]} and {len(first)}. Expected files alike."
            )
        if len(sound) != len(first):
            words = lengths(path, len(sound) - len(first), paths[0])
            _log.warning("%s. It is cut, or completed with zeros.", words)
    return [fitted(sound, len(first)) for sound, _ in read], sample_rate


def _reason(value, paths, sounds):
    """Return why a score is NaN or infinite."""
    if value > 0:
        return f"{paths[1]} is perfect"
    if value < 0:
        return f"{paths[1]} contains nothing of {paths[0]}"
    silent = [str(path) for path, sound in zip(paths, sounds, strict=False) if windows.any_silent(sound)]
    if not silent:
        return "one of the files is silent in each window"
    return f"{' and '.join(silent)} {'is' if len(silent) == 1 else 'are'} silent"
