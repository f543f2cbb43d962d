"""Measure separations: the measures and protocols of the field, oracles, tables of scores."""

from tfsep.evaluation.bsseval import MEASURES, bss_eval, bss_eval_sources, bss_eval_sources_framewise, sdr
from tfsep.evaluation.comparison import Difference, compare, comparison_table
from tfsep.evaluation.energy_ratio import usdr
from tfsep.evaluation.estimates import Estimates, FolderEstimates, FunctionEstimates, ModelEstimates
from tfsep.evaluation.evaluator import evaluate
from tfsep.evaluation.leaked_energy import leakage
from tfsep.evaluation.oracles import ORACLES, mixture_estimates, oracle
from tfsep.evaluation.pairs import score_files
from tfsep.evaluation.protocols import PROTOCOLS
from tfsep.evaluation.result_files import read_results, result_groups
from tfsep.evaluation.scale_invariant import si_bss_eval, si_sdr
from tfsep.evaluation.scores import Scores
from tfsep.evaluation.spectra import bleedless_fullness, l1_freq
from tfsep.evaluation.tables import check_comparable, csv_text, table
from tfsep.evaluation.weighted_error import log_wmse

__all__ = [
    "MEASURES",
    "ORACLES",
    "PROTOCOLS",
    "Difference",
    "Estimates",
    "FolderEstimates",
    "FunctionEstimates",
    "ModelEstimates",
    "Scores",
    "bleedless_fullness",
    "bss_eval",
    "bss_eval_sources",
    "bss_eval_sources_framewise",
    "check_comparable",
    "compare",
    "comparison_table",
    "csv_text",
    "evaluate",
    "l1_freq",
    "leakage",
    "log_wmse",
    "mixture_estimates",
    "oracle",
    "read_results",
    "result_groups",
    "score_files",
    "sdr",
    "si_bss_eval",
    "si_sdr",
    "table",
    "usdr",
]


def __dir__() -> list[str]:
    return __all__
