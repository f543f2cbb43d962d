"""Orders of channels: audio is in that of WAVE_FORMAT_EXTENSIBLE, whatever a codec stores."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

# FFmpeg's names, in the order of the bits of WAVE's channel mask.
_WAVE = [
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
]
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
# The orders of Core Audio's layout tags 113 to 128, in the chunk `chan` of caf and aiff.
# https://developer.apple.com/documentation/coreaudiotypes/audio-channel-layout-tags
_CORE_AUDIO = (
    *("FL FR FC", "FC FL FR", "FL FR FC BC", "FC FL FR BC"),
    *("FL FR FC BL BR", "FL FR BL BR FC", "FL FC FR BL BR", "FC FL FR BL BR"),
    *("FL FR FC LFE BL BR", "FL FR BL BR FC LFE", "FL FC FR BL BR LFE", "FC FL FR BL BR LFE"),
    *("FL FR FC LFE BL BR BC", "FL FR FC LFE BL BR FLC FRC", "FC FLC FRC FL FR BL BR LFE", "FL FR FC LFE SL SR BL BR"),
)
_CORE_AUDIO_LABELS = {**{label + 1: name for label, name in enumerate(_WAVE)}, 33: "BL", 34: "BR"}

# The layouts of WAVE by number of channels, above stereo, and their shares of left and right in stereo.
_SURROUND = {
    3: "FL FR FC",
    4: "FL FR BL BR",
    5: "FL FR FC BL BR",
    6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR",
    8: "FL FR FC LFE BL BR SL SR",
}
_STEREO_SHARES = {
    "FL": (1, 0),
    "FR": (0, 1),
    "FC": (0.5**0.5, 0.5**0.5),
    "LFE": (0, 0),
    **dict.fromkeys(("BL", "SL"), (0.5**0.5, 0)),
    **dict.fromkeys(("BR", "SR"), (0, 0.5**0.5)),
    "BC": (0.5, 0.5),
}


def downmix_matrix(channels: int) -> np.ndarray:
    """Return the float32 matrix `[channels, 2]` from surround sound in WAVE's order to stereo, by ITU-R BS.775.

    Centre and surround channels go into the front at -3 dB; LFE is left out.

    Raises:
        ValueError: unless there are 3 to 8 channels.
    """
    if channels not in _SURROUND:
        raise ValueError(f"Surround sound of 3 to 8 channels can be mixed to stereo. Received: {channels} channels.")
    return np.array([_STEREO_SHARES[name] for name in _SURROUND[channels].split()], np.float32)


def mixed_down(blocks: Iterable[np.ndarray], channels: int) -> Iterator[np.ndarray]:
    """Mix blocks `[n, channels]` of surround sound to stereo, see `downmix_matrix`."""
    matrix = downmix_matrix(channels)
    return (block @ matrix for block in blocks)


def to_wave(names: Sequence[str]) -> list[int] | None:
    """Return the indices that bring channels of these names to WAVE's order; None for unknown names or none."""
    if not names or len(set(names)) < len(names) or not set(names) <= set(_WAVE):
        return None
    return sorted(range(len(names)), key=lambda index: _WAVE.index(names[index]))


def vorbis_to_wave(channels: int) -> list[int] | None:
    """Return the indices that bring channels from the order of Vorbis to that of WAVE, as `to_wave`."""
    return to_wave(_VORBIS.get(channels, "").split())


def wave_to_vorbis(channels: int) -> list[int] | None:
    """Return the indices that bring channels from the order of WAVE to that of Vorbis."""
    order = vorbis_to_wave(channels)
    return order and sorted(range(channels), key=order.__getitem__)


def core_audio_to_wave(tag: int, labels: Sequence[int]) -> list[int] | None:
    """Return the indices, as `to_wave`, for a layout tag of Core Audio; with tag 0 each channel has a label."""
    if tag == 0:
        return to_wave([_CORE_AUDIO_LABELS.get(label, "") for label in labels])
    number, channels = divmod(tag, 65536)
    names = _CORE_AUDIO[number - 113].split() if 113 <= number <= 128 else []
    return to_wave(names) if len(names) == channels else None


def needs_core_audio(tag: int, labels: Sequence[int]) -> bool:
    """Whether a layout states, or may state, another order of channels than WAVE's."""
    if tag >> 16 in (1, 100, 101, 147, 0xFFFF):  # a mask as in WAVE, mono, stereo, in no order, unknown
        return False
    order = core_audio_to_wave(tag, labels)
    return order is None or order != sorted(order)
