"""The order of channels: that of WAVE_FORMAT_EXTENSIBLE, whatever a codec stores."""

from collections.abc import Sequence

# FFmpeg's names, in the order of the bits of WAVE's channel mask.
_WAVE = (
    "FL",
    "FR",
    "FC",
    "LFE",
    "BL",
    "BR",
    "FLC",
    "FRC",
    "BC",
    "SL",
    "SR",
    "TC",
    "TFL",
    "TFC",
    "TFR",
    "TBL",
    "TBC",
    "TBR",
)
# The order of Vorbis and Opus by number of channels; 1 and 2 are as in WAVE.
# https://xiph.org/vorbis/doc/Vorbis_I_spec.html#x1-810004.3.9
_VORBIS = {
    3: "FL FC FR",
    4: "FL FR BL BR",
    5: "FL FC FR BL BR",
    6: "FL FC FR BL BR LFE",
    7: "FL FC FR SL SR BC LFE",
    8: "FL FC FR SL SR BL BR LFE",
}


def to_wave(names: Sequence[str]) -> list[int] | None:
    """The indices that bring channels of these names to WAVE's order; None where they are in it or unknown."""
    if not set(names) <= set(_WAVE):
        return None
    order = sorted(range(len(names)), key=lambda index: _WAVE.index(names[index]))
    return None if order == sorted(order) else order


def vorbis_to_wave(channels: int) -> list[int] | None:
    """As `to_wave`, for channels in the order of Vorbis."""
    return to_wave(_VORBIS.get(channels, "").split())


def wave_to_vorbis(channels: int) -> list[int] | None:
    """The inverse of `vorbis_to_wave`."""
    order = vorbis_to_wave(channels)
    return order and sorted(range(channels), key=order.__getitem__)
