"""What an audio file is: the facts that are known before decoding, and the error for what cannot be read."""

import dataclasses


class AudioError(RuntimeError):
    """A file that exists but cannot be read as audio."""


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """The facts about one audio stream of a file.

    Attributes:
        path: string, the file.
        sample_rate: integer, in hertz.
        samples: integer, length per channel; what decoding the whole stream gives.
        channels: integer.
        streams: integer, number of audio streams in the file (5 in a `.stem.mp4`, else mostly 1).
    """

    path: str
    sample_rate: int
    samples: int
    channels: int
    streams: int
