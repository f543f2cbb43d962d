"""Weights of other projects: files that are read as data, and conversion to models of tfsep."""

from tfsep.checkpoints.checkpoint import Checkpoint, CheckpointError
from tfsep.checkpoints.configuration import read_configuration
from tfsep.checkpoints.conversion import build_model, convert
from tfsep.checkpoints.fetching import fetch
from tfsep.checkpoints.hub import fetch_hub
from tfsep.checkpoints.pickles import Call, Name
from tfsep.checkpoints.reading import check_hash, read
from tfsep.checkpoints.safetensors_files import read_safetensors
from tfsep.checkpoints.tensorflow_files import read_tensorflow
from tfsep.checkpoints.torch_files import read_torch

__all__ = [
    "Call",
    "Checkpoint",
    "CheckpointError",
    "Name",
    "build_model",
    "check_hash",
    "convert",
    "fetch",
    "fetch_hub",
    "read",
    "read_configuration",
    "read_safetensors",
    "read_tensorflow",
    "read_torch",
]


def __dir__() -> list[str]:
    return __all__
