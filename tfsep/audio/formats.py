"""What an audio file is: the facts that are known before decoding, and the errors for what cannot be read."""

import dataclasses


class AudioError(RuntimeError):
    """A file that exists but cannot be read as audio."""


def damaged(path: str, reason: str) -> AudioError:
    """The error for a file that is audio, of which a part is missing or undecodable."""
    return AudioError(f"{path}: {reason}; replace the file, or read what is left with tolerant=True (--tolerant).")


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """The facts about one audio stream of a file.

    Attributes:
        path: str, the file.
        sample_rate: int, in hertz.
        samples: int, length per channel; what decoding the whole stream gives.
        channels: int.
        streams: int, number of audio streams in the file (5 in a `.stem.mp4`, else mostly 1).
    """

    path: str
    sample_rate: int
    samples: int
    channels: int
    streams: int
