"""Keras layers that the models share."""

from tfsep.layers.activations import gelu
from tfsep.layers.bidirectional import Bidirectional
from tfsep.layers.centred_stft import CentredSTFT
from tfsep.layers.conv_block import ConvBlock1D
from tfsep.layers.cross_transformer import CrossTransformerLayer
from tfsep.layers.dconv import DConv
from tfsep.layers.dual_path import DualPath
from tfsep.layers.fourier import frame, irfft, overlap_add, real_valued, rfft
from tfsep.layers.frequency_embedding import FrequencyEmbedding
from tfsep.layers.improved_transformer import ImprovedTransformer
from tfsep.layers.masks import binary_masks, ratio_masks
from tfsep.layers.midpoint_upsampling import MidpointUpsampling1D
from tfsep.layers.phase_shuffle import PhaseShuffle
from tfsep.layers.replay_buffer import ReplayBuffer
from tfsep.layers.segment_stft import SegmentSTFT
from tfsep.layers.sinc_resampling import SincDownsampling1D, SincUpsampling1D
from tfsep.layers.spectrogram_conv import SpectrogramConv2D, SpectrogramConv2DTranspose
from tfsep.layers.spectrogram_masking import FrequencyMasking, TimeMasking
from tfsep.layers.stft import STFT, magnitude
from tfsep.layers.subpixel_conv import SubpixelConv2DTranspose
from tfsep.layers.upsample_conv import UpsampleConv1D
from tfsep.layers.wiener import wiener_filter

__all__ = [
    "STFT",
    "Bidirectional",
    "CentredSTFT",
    "ConvBlock1D",
    "CrossTransformerLayer",
    "DConv",
    "DualPath",
    "FrequencyEmbedding",
    "FrequencyMasking",
    "ImprovedTransformer",
    "MidpointUpsampling1D",
    "PhaseShuffle",
    "ReplayBuffer",
    "SegmentSTFT",
    "SincDownsampling1D",
    "SincUpsampling1D",
    "SpectrogramConv2D",
    "SpectrogramConv2DTranspose",
    "SubpixelConv2DTranspose",
    "TimeMasking",
    "UpsampleConv1D",
    "binary_masks",
    "frame",
    "gelu",
    "irfft",
    "magnitude",
    "overlap_add",
    "ratio_masks",
    "real_valued",
    "rfft",
    "wiener_filter",
]


def __dir__() -> list[str]:
    return __all__
