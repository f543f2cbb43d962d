"""Options for the files of a song's stems, and the paths of these files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tfsep import audio
from tfsep.audio.av_encoder import STEM_SUFFIXES
from tfsep.audio.writing import CLIPS
from tfsep.checks import check_choice, check_number
from tfsep.files import file_name
from tfsep.separation import marks


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Options for reading a song and writing its stems; see `tfsep.separate_file`.

    Raises:
        ValueError: for a value out of range, or a format that cannot be written.
    """

    suffix: str = ".wav"
    subtype: str | None = None
    bitrate: int | None = None
    clip: str = "rescale"
    start: float = 0
    duration: float | None = None
    name: str | None = None
    tolerant: bool = False
    plot: bool = False
    overwrite: bool = False
    keep_others: bool = False  # overwrite stems of these names and this format alone
    made_by: str = ""  # the model, as the comments of stems call it
    settings: tuple[str, ...] = ()  # its options, likewise
    formulas: Mapping[str, str] = dataclasses.field(default_factory=dict)  # of stems that are sums

    def __post_init__(self):
        check_choice("clip", self.clip, CLIPS)
        check_number("start", self.start, least=0)
        check_number("duration", self.duration, above=0, optional=True)
        audio.check_format(self.suffix, self.subtype, bitrate=self.bitrate)

    @property
    def one_file(self) -> bool:
        """Whether all stems of a song go into one STEM file."""
        return self.suffix in STEM_SUFFIXES

    def mark(self, stem: str, stems: Iterable[str], song: str) -> marks.Mark:
        """Return what the comment of a stem, or of the STEM file of all stems, tells.

        Args:
            stem: str, the stem.
            stems: iterable of str, all stems.
            song: str, checksum of the song.
        """
        what = marks.STEM_FILE if self.one_file else marks.stem_mark(stem)
        return marks.Mark(what, self._maker(stem, stems), song)

    def _maker(self, stem: str, stems: Iterable[str]) -> str:
        """Return the model and its options; nothing for a model without a name."""
        if not self.made_by:
            return ""
        if self.one_file:
            told = [f"{name}={self.formulas[name]}" if name in self.formulas else name for name in stems]
        else:
            told = [self.formulas[stem]] if stem in self.formulas else []
        chosen = {"start": self.start, "duration": self.duration, "bitrate": self.bitrate}
        told += [*self.settings, *marks.facts(chosen, {"start": 0, "duration": None, "bitrate": None})]
        if self.subtype not in (None, audio.check_format(self.suffix)):
            told.append(self.subtype)
        return f"{self.made_by} ({', '.join(told)})" if told else self.made_by


def stem_paths(
    path: str | Path, folder: str | Path, names: Sequence[str], suffix: str, name: str | None = None
) -> dict[str, Path]:
    """Return the paths of a song's stems; that of a STEM file (`.stem.mp4`, `.stem.m4a`) is the same for all.

    Args:
        path: path of the song.
        folder: path of the folder that contains them, at any depth.
        names: sequence of str, the stems.
        suffix: str, such as `".wav"`.
        name: str, pattern of the paths in the folder, with `{stem}` and, optionally, `{track}`, `{suffix}` (of the
            song's file) and `{ext}`. Defaults to `"{stem}"`, and for a STEM file to `"{track}"`.

    Raises:
        ValueError: if the pattern lacks `{stem}`, has other fields, or leads out of the folder.
    """
    return {stem: Path(folder, _filled(name, path, stem, suffix)) for stem in names}


def song_name(path: str | Path) -> str:
    """Return the name of a song as that of a folder, without the suffix of its file."""
    path = Path(path)
    suffix = next((suffix for suffix in STEM_SUFFIXES if path.name.lower().endswith(suffix)), path.suffix)
    return file_name(path.name[: len(path.name) - len(suffix)])


def _filled(name: str | None, path: str | Path, stem: str, suffix: str) -> Path:
    one_file = suffix in STEM_SUFFIXES
    if name is None:
        name = "{track}" if one_file else "{stem}"
    try:
        fields = {"track": song_name(path), "suffix": file_name(Path(path).suffix[1:] or "none")}
        filled = Path(name.format(**fields, stem=stem, ext=suffix))
    except (KeyError, IndexError, ValueError, AttributeError):
        filled = None
    if filled is None or ("{stem}" in name) == one_file or filled.is_absolute() or ".." in filled.parts:
        raise ValueError(
            "name must be a pattern of paths in the output folder, of {track}, {suffix}, {ext} and, except for STEM "
            f"files, {{stem}}, such as {{track}}/{{stem}}{{ext}}. Received: name={name!r}."
        )
    return filled if "{ext}" in name else filled.with_name(filled.name + suffix)


def stem_pattern(path: str | Path, folder: str | Path, options: FileOptions) -> re.Pattern:
    """Return the pattern of the paths of a song's stems, whatever they are called, in any format of that kind."""
    # Characters that no path contains stand for the stem and the suffix.
    suffix = options.suffix if options.one_file else ".\1"
    place = re.escape(str(Path(folder, _filled(options.name, path, "\0", suffix))))
    if options.one_file:
        return re.compile(place.removesuffix(re.escape(suffix)) + f"(?:{'|'.join(map(re.escape, STEM_SUFFIXES))})")
    return re.compile(place.replace("\0", r"(?P<stem>[^/\\]+)", 1).replace("\1", r"\w+"))


def excerpt(info: audio.AudioInfo, options: FileOptions) -> tuple[int, int]:
    """Return the first sample and the number of samples of what is separated."""
    first = round(options.start * info.sample_rate)
    rest = info.samples - first
    return first, rest if options.duration is None else max(1, min(rest, round(options.duration * info.sample_rate)))
