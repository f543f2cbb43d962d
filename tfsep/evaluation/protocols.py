"""The protocols of the field: measures, windows, and how scores of a corpus are aggregated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tfsep.evaluation.bsseval import bss_eval, bss_eval_sources, sdr
from tfsep.evaluation.scale_invariant import si_sdr
from tfsep.evaluation.stft import SISEC_STFT, Stft

DEFAULT_PROTOCOL = "bsseval_v4"


@dataclass(frozen=True)
class Protocol:
    """How separations are scored.

    Args:
        name: str, name in results.
        measure: function from references and estimates `[sources, samples, channels]`, their rate, whether only SDR
            is needed, and the `noise` of `tfsep.evaluation.bss_eval`, to a dict from measure to `[sources, windows]`
            in dB.
        columns: dict from the measures that a table shows to their titles; the first is the main measure.
        aggregation: str, in words, how scores of windows become that of a corpus.
        window: float, length of a window in seconds, `math.inf` for whole tracks.
        hop: float, distance between the starts of windows in seconds, `math.inf` for whole tracks.
        improvements: dict from a further measure to the measure of which it is the improvement over the mixture.
            Defaults to none.
        mono: bool, whether only mono tracks can be scored. Defaults to False.
        weighted_mean: bool, aggregate by the mean over tracks, weighted by length, instead of the median over windows,
            then over tracks. Defaults to False.
        stft: the STFT of the oracles. Defaults to SiSEC's.
    """

    name: str
    measure: Callable[..., dict[str, np.ndarray]]
    columns: Mapping[str, str]
    aggregation: str
    window: float = math.inf
    hop: float = math.inf
    improvements: Mapping[str, str] = field(default_factory=dict)
    mono: bool = False
    weighted_mean: bool = False
    stft: Stft = SISEC_STFT

    @property
    def main(self) -> str:
        """The measure that is used by default."""
        return next(iter(self.columns))


def protocol(name: str) -> Protocol:
    """Return the protocol of a name: `"bsseval_v4"`, `"bsseval_v3"` or `"si_sdr"`.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {name!r}. Expected one of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _bsseval_v4(references, estimates, sample_rate, sdr_only, noise=0.0):
    return bss_eval(references, estimates, sample_rate, sdr_only=sdr_only, noise=noise)


def _bsseval_v3(references, estimates, sample_rate, sdr_only, noise=0.0):
    return _columns(bss_eval_sources(references, estimates, noise=noise))


def _si_sdr(references, estimates, sample_rate, sdr_only):
    # Source by source: a silent one does not affect the others.
    pairs = [(references[index : index + 1], estimates[index : index + 1]) for index in range(len(references))]
    whole = [sdr(*pair, sample_rate, window=math.inf)[0, 0] for pair in pairs]
    return _columns({"SI-SDR": si_sdr(references, estimates), "SDR": np.array(whole)})


def _columns(values):
    """Treat the whole track as one window."""
    return {name: value[:, np.newaxis] for name, value in values.items()}


PROTOCOLS = {
    made.name: made
    for made in (
        Protocol(
            "bsseval_v4",
            _bsseval_v4,
            {"SDR": "SDR"},
            "median over frames, then over tracks",
            window=1.0,
            hop=1.0,
        ),
        Protocol(
            "bsseval_v3",
            _bsseval_v3,
            {"NSDR": "GNSDR", "SIR": "GSIR", "SAR": "GSAR"},
            "mean over tracks, weighted by their length",
            improvements={"NSDR": "SDR"},
            mono=True,
            weighted_mean=True,
            # The STFT of Huang et al. on MIR-1K.
            stft=Stft("sine", 1024),
        ),
        Protocol(
            "si_sdr",
            _si_sdr,
            {"SI-SDR": "SI-SDR", "SI-SDRi": "SI-SDRi", "SDR": "SDR"},
            "median over tracks",
            improvements={"SI-SDRi": "SI-SDR"},
        ),
    )
}
