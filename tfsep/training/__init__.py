"""Training: one recipe for every model, kept in a folder that can be resumed."""

from tfsep.training.config import TrainConfig, read_config
from tfsep.training.fitting import fit
from tfsep.training.lbfgs import fit_lbfgs
from tfsep.training.run import CONFIG, train

__all__ = ["CONFIG", "TrainConfig", "fit", "fit_lbfgs", "read_config", "train"]


def __dir__() -> list[str]:
    return __all__
