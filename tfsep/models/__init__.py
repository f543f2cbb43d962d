"""The systems, behind one contract."""

from tfsep.models.loading import ExportedSeparator, load_keras, load_model
from tfsep.models.separator import Separator
from tfsep.models.unet import UNet

__all__ = ["MODELS", "ExportedSeparator", "Separator", "UNet", "load_keras", "load_model"]

# Names of the command line.
MODELS = {"unet": UNet}
