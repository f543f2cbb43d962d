"""Tags of songs, such as title, artist and cover, read from every format and written to those that `Writer` knows."""

import dataclasses
import os
import warnings
from pathlib import Path

from tfsep.audio import av_decoder, tag_formats
from tfsep.audio.reading import check_path

# Names that FFmpeg gives to some of them, lyrics also with a language, as in `lyrics-eng`.
_ALIASES = {"tbpm": "bpm", "tsrc": "isrc", "lyrics": "lyrics", "unsyncedlyrics": "lyrics"}


@dataclasses.dataclass(frozen=True)
class Tags:
    """What a file tells about the song in it; empty where it tells nothing.

    Attributes:
        title, artist, album, genre, comment, album_artist, composer, copyright, lyrics: str.
        date: str, mostly the year.
        track, disc: str, a number, or `"3/12"`.
        bpm: str, beats a minute.
        isrc: str, the code of the recording.
        cover: bytes, the picture as a file (jpeg, png, gif, webp or bmp); None if there is none.

    Example:

    >>> tags = tfsep.audio.Tags(title="Song", artist="Nobody", track="3/12")
    >>> tfsep.audio.write("tagged.flac", np.zeros((44100, 2)), 44100, tags=tags)
    >>> tfsep.audio.read_tags("tagged.flac").track
    '3/12'
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    date: str = ""
    track: str = ""
    genre: str = ""
    comment: str = ""
    album_artist: str = ""
    composer: str = ""
    disc: str = ""
    bpm: str = ""
    isrc: str = ""
    copyright: str = ""
    lyrics: str = ""
    cover: bytes | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, (bytes, type(None)) if field.name == "cover" else str):
                expected = "bytes or None" if field.name == "cover" else "a str"
                raise ValueError(f"{field.name} must be {expected}. Received: {field.name}={value!r:.200}.")


def read_tags(path: str | os.PathLike) -> Tags:
    """Read the tags of an audio file: ID3, Vorbis comments, the atoms of m4a, or LIST INFO of wav.

    Args:
        path: path, as in `read`.

    Returns:
        `Tags`; its cover is the front cover, or else the first picture.

    Raises:
        FileNotFoundError, AudioError, TypeError: as `read` does.

    Example:

    >>> tags = tfsep.audio.read_tags("song.stem.mp4")
    >>> tags.cover[:4]
    b'\\x89PNG'
    """
    path, _ = check_path(path)
    texts, cover = av_decoder.read_tags(path)
    names = [field.name for field in dataclasses.fields(Tags) if field.name != "cover"]
    texts = {_ALIASES.get(name.partition("-")[0], name): text for name, text in texts.items()}
    return Tags(**{name: texts.get(name, "") for name in names}, cover=cover)


def write_tags(path: Path, suffix: str, tags: Tags, shown: Path) -> None:
    """Write tags to a finished file of our own; warn, once, of those that it cannot store.

    Args:
        path: path of the file.
        suffix: str, its format.
        tags: `Tags`.
        shown: path by which a warning names the file.
    """
    texts = {
        field.name: getattr(tags, field.name).replace("\0", " ").encode(errors="replace")
        for field in dataclasses.fields(Tags)
        if field.name != "cover" and getattr(tags, field.name)
    }
    lost = tag_formats.unwritable(suffix, texts, tags.cover)
    texts = {name: text for name, text in texts.items() if name not in lost}
    cover = None if "cover" in lost else tags.cover
    try:
        if texts or cover:
            tag_formats.write(path, suffix, texts, cover)
    except (OSError, ValueError) as error:
        lost = {"all": str(getattr(error, "strerror", None) or error)}
    if lost:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in lost.items())
        warnings.warn(f"{shown}: tags are left out: {reasons}.", stacklevel=2)
