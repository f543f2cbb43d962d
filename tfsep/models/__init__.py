"""The systems, behind one contract."""

from tfsep.models.drnn import DRNN
from tfsep.models.loading import ExportedSeparator, load_keras, load_model
from tfsep.models.mask_separator import MaskSeparator
from tfsep.models.separator import Separator
from tfsep.models.unet import UNet

__all__ = ["DRNN", "MODELS", "ExportedSeparator", "MaskSeparator", "Separator", "UNet", "load_keras", "load_model"]

# Names of the command line.
MODELS = {"drnn": DRNN, "unet": UNet}
