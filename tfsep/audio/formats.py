"""The facts about an audio file, and the errors of reading and of bitrates."""

import dataclasses
from collections.abc import Sequence


class AudioError(RuntimeError):
    """A file that exists but cannot be read as audio.

    Example:

    >>> with open("notes.wav", "w") as file:
    ...     _ = file.write("no audio")
    >>> try:
    ...     tfsep.audio.read("notes.wav")
    ... except tfsep.audio.AudioError as error:
    ...     print(error)
    notes.wav: cannot be read as audio: ...
    """


# What to do about a damaged file; with `tolerant` it is done already.
TOLERANT_ADVICE = "; replace the file, or read its decodable part with tolerant=True (tfsep separate --tolerant)."


def damaged(path: str, reason: str) -> AudioError:
    """Return the error for an audio file of which a part is missing or cannot be decoded."""
    return AudioError(f"{path}: {reason}{TOLERANT_ADVICE}")


def check_bitrate(bitrate: int, allowed: Sequence[int]) -> None:
    """Raise ValueError unless a bitrate, in bits per second, is one of a list or range."""
    if bitrate not in allowed:
        words = f"from {allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        raise ValueError(f"bitrate must be {words} bits per second. Received: bitrate={bitrate}.")


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """The facts about one audio stream of a file.

    Attributes:
        path: str, the file.
        sample_rate: int, in hertz.
        samples: int, length per channel, that of the full decode.
        channels: int.
        streams: int, number of audio streams in the file (5 in a `.stem.mp4`, else mostly 1).

    Example:

    >>> facts = tfsep.audio.info("song.wav")
    >>> facts.samples / facts.sample_rate
    1.0
    """

    path: str
    sample_rate: int
    samples: int
    channels: int
    streams: int
