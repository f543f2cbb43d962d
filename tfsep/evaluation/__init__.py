"""How good a separation is: BSS Eval, the museval protocol, bounds above and below, the report."""

from tfsep.evaluation.bss_eval import MEASURES, bss_eval, bss_eval_sources, sdr
from tfsep.evaluation.evaluate import evaluate
from tfsep.evaluation.leakage import leakage
from tfsep.evaluation.oracles import ideal_ratio_mask, mixture_estimates
from tfsep.evaluation.scores import PROTOCOL, Scores, table

__all__ = [
    "MEASURES",
    "PROTOCOL",
    "Scores",
    "bss_eval",
    "bss_eval_sources",
    "evaluate",
    "ideal_ratio_mask",
    "leakage",
    "mixture_estimates",
    "sdr",
    "table",
]
