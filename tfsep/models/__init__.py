"""The models, with one API."""

from tfsep.models.band_split_roformer import BandSplitRoFormer
from tfsep.models.classic_wave_unet import ClassicWaveUNet
from tfsep.models.conv_sep import ConvSep
from tfsep.models.crn import CRN
from tfsep.models.cyclegan import CycleGAN
from tfsep.models.drnn import DRNN
from tfsep.models.exported import ExportedSeparator
from tfsep.models.htdemucs import HTDemucs
from tfsep.models.keras_files import load_keras
from tfsep.models.mask_separator import MaskSeparator
from tfsep.models.mel_band_roformer import MelBandRoFormer
from tfsep.models.open_unmix import OpenUnmix
from tfsep.models.separator import Separator
from tfsep.models.spleeter import Spleeter
from tfsep.models.unet import UNet
from tfsep.models.wave_unet import WaveUNet
from tfsep.models.wavegan_separator import WaveGANSeparator
from tfsep.portable.bag import Bag

__all__ = [
    "CRN",
    "DRNN",
    "MODELS",
    "Bag",
    "BandSplitRoFormer",
    "ClassicWaveUNet",
    "ConvSep",
    "CycleGAN",
    "ExportedSeparator",
    "HTDemucs",
    "MaskSeparator",
    "MelBandRoFormer",
    "OpenUnmix",
    "Separator",
    "Spleeter",
    "UNet",
    "WaveGANSeparator",
    "WaveUNet",
    "load_keras",
]


def __dir__() -> list[str]:
    return __all__


# Names for the command line.
MODELS = {
    "bs-roformer": BandSplitRoFormer,
    "convsep": ConvSep,
    "crn": CRN,
    "cyclegan": CycleGAN,
    "drnn": DRNN,
    "htdemucs": HTDemucs,
    "mel-roformer": MelBandRoFormer,
    "openunmix": OpenUnmix,
    "spleeter": Spleeter,
    "unet": UNet,
    "waveunet": WaveUNet,
    "waveunet-classic": ClassicWaveUNet,
}
