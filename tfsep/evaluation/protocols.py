"""The protocols of the field: measures, windows, and how scores of a corpus are aggregated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tfsep.evaluation.bsseval import bss_eval, bss_eval_sources, sdr
from tfsep.evaluation.energy_ratio import usdr
from tfsep.evaluation.scale_invariant import si_bss_eval
from tfsep.evaluation.spectra import bleedless_fullness, l1_freq
from tfsep.evaluation.stft import SISEC_STFT, Stft
from tfsep.evaluation.weighted_error import log_wmse

DEFAULT_PROTOCOL = "bsseval_v4"


@dataclass(frozen=True)
class Protocol:
    """How separations are scored.

    Args:
        name: str, name in results.
        measure: function from references and estimates `[sources, samples, channels]`, the mixture
            `[samples, channels]`, their rate, whether only SDR is needed, and the `noise` of
            `tfsep.evaluation.bss_eval`, to a dict from measure to `[sources, windows]`.
        columns: dict from the measures that a table shows to their titles; the first is the main measure.
        aggregate: str, how scores of tracks, which are medians over windows, become that of a corpus: `"median"`,
            `"mean"`, or `"weighted mean"` by the length of the tracks. Defaults to `"median"`.
        window: float, length of a window in seconds, `math.inf` for whole tracks.
        hop: float, distance between the starts of windows in seconds, `math.inf` for whole tracks.
        improvements: dict from a further measure to the measure of which it is the improvement over the mixture.
            Defaults to none.
        mono: bool, whether only mono tracks can be scored. Defaults to False.
        unit: str, of all measures, or an empty string. Defaults to `"dB"`.
        stft: the STFT of the oracles. Defaults to SiSEC's.
    """

    name: str
    measure: Callable[..., dict[str, np.ndarray]]
    columns: Mapping[str, str]
    aggregate: str = "median"
    window: float = math.inf
    hop: float = math.inf
    improvements: Mapping[str, str] = field(default_factory=dict)
    mono: bool = False
    unit: str = "dB"
    stft: Stft = SISEC_STFT

    @property
    def main(self) -> str:
        """The measure that is used by default."""
        return next(iter(self.columns))

    @property
    def unit_after(self) -> str:
        """The unit as it follows a number, such as `" dB"`."""
        return f" {self.unit}".rstrip()

    @property
    def aggregation(self) -> str:
        """How scores of windows become that of a corpus, in words."""
        if self.aggregate == "weighted mean":
            return "mean over tracks, weighted by their length"
        return f"{self.aggregate} over tracks" if math.isinf(self.window) else "median over frames, then over tracks"


def protocol(name: str) -> Protocol:
    """Return the protocol of a name, one of `PROTOCOLS`.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"Unknown protocol {name!r}. Expected one of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _bsseval_v4(references, estimates, mixture, sample_rate, sdr_only, noise=0.0):
    return bss_eval(references, estimates, sample_rate, sdr_only=sdr_only, noise=noise)


def _bsseval_v3(references, estimates, mixture, sample_rate, sdr_only, noise=0.0):
    return _columns(bss_eval_sources(references, estimates, noise=noise))


def _si_sdr(references, estimates, mixture, sample_rate, sdr_only):
    # Source by source: a silent one does not affect the others.
    pairs = [(references[index : index + 1], estimates[index : index + 1]) for index in range(len(references))]
    whole = [sdr(*pair, sample_rate, window=math.inf)[0, 0] for pair in pairs]
    return _columns(si_bss_eval(references, estimates) | {"SDR": np.array(whole)})


def _mdx(references, estimates, mixture, sample_rate, sdr_only):
    return _columns({"uSDR": usdr(references, estimates)})


def _msst(references, estimates, mixture, sample_rate, sdr_only):
    spectral = bleedless_fullness(references, estimates, sample_rate)
    return _columns(spectral | {"L1-freq": l1_freq(references, estimates)})


def _log_wmse(references, estimates, mixture, sample_rate, sdr_only):
    return _columns({"log-WMSE": log_wmse(references, estimates, mixture, sample_rate)})


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
            window=1.0,
            hop=1.0,
        ),
        Protocol(
            "bsseval_v3",
            _bsseval_v3,
            {"NSDR": "GNSDR", "SIR": "GSIR", "SAR": "GSAR"},
            aggregate="weighted mean",
            improvements={"NSDR": "SDR"},
            mono=True,
            # The STFT of Huang et al. on MIR-1K.
            stft=Stft("sine", 1024),
        ),
        Protocol(
            "si_sdr",
            _si_sdr,
            {name: name for name in ("SI-SDR", "SI-SDRi", "SI-SIR", "SI-SAR", "SDR")},
            improvements={"SI-SDRi": "SI-SDR"},
        ),
        Protocol("mdx", _mdx, {"uSDR": "uSDR"}, "mean"),
        Protocol("msst", _msst, {name: name for name in ("bleedless", "fullness", "L1-freq")}, "mean", unit=""),
        Protocol("log_wmse", _log_wmse, {"log-WMSE": "log-WMSE"}, "mean", unit=""),
    )
}
