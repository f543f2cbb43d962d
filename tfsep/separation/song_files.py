"""Separation of audio files into files of stems and figures."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.audio.av_encoder import STEM_SUFFIXES
from tfsep.audio.channels import downmix_matrix, mixed_down
from tfsep.audio.reading import checksum
from tfsep.audio.stem_files import MOST_STEMS
from tfsep.audio.writing import CLIPS
from tfsep.checks import check_choice, check_number
from tfsep.datasets import FileStem, Track
from tfsep.datasets.folders import SUFFIXES
from tfsep.datasets.musdb18 import STREAMS
from tfsep.files import file_name, remove_leftovers
from tfsep.plotting import plot_spectrograms, plot_waveforms
from tfsep.separation import marks
from tfsep.separation.chunking import crop
from tfsep.separation.song import Delay
from tfsep.separation.threads import read_ahead, write_behind

_log = logging.getLogger("tfsep")

# Samples read from a file at a time.
_BLOCK = 1 << 18

# Seconds by which stems may differ from their song: opus and mp3 have sample rates and frames of their own.
_TOLERANCE = 0.1

# Seconds of a song that a figure of spectrograms shows.
_SHOWN = 30


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

    def maker(self, stem: str, stems: Iterable[str]) -> str:
        """Return what makes a stem, or the STEM file of all stems, as its comment tells it: the model and its options.

        It is empty for a model without a name.
        """
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


def check_file(
    path: str | Path, folder: str | Path, names: Sequence[str], options: FileOptions, downmix: bool = False
) -> audio.AudioInfo:
    """Raise what `write_stems` would raise, as far as it can be known without loading a model.

    Args:
        path, folder: paths of the song and of the folder of its stems.
        names: sequence of str, the stems.
        options: `FileOptions`.
        downmix: bool, whether surround sound becomes stereo. Defaults to False.

    Returns:
        The `AudioInfo` of the song, as it is separated.
    """
    if options.one_file and (options.plot or len(names) > MOST_STEMS):
        raise ValueError(
            f"A STEM file has at most {MOST_STEMS} stems, and no figures beside it. Received: {len(names)} stems, "
            f"plot={options.plot}."
        )
    info = audio.info(path, tolerant=options.tolerant)
    if downmix and info.channels > 2:
        downmix_matrix(info.channels)  # of as many channels as can be mixed
        info = dataclasses.replace(info, channels=2)
    if options.start * info.sample_rate >= info.samples:
        seconds = info.samples / info.sample_rate
        raise ValueError(f"{path}: start must be before its end, at {seconds:.2f} s. Received: start={options.start}.")
    audio.check_format(options.suffix, options.subtype, info.sample_rate, info.channels, options.bitrate)
    paths = stem_paths(path, folder, names, options.suffix, options.name)
    in_the_way = [
        other
        for stem in dict.fromkeys(paths.values())
        for other in _audio_files(stem.parent)
        if other.stem == stem.stem
    ]
    if Path(path).resolve() in map(Path.resolve, in_the_way):
        raise ValueError(f"{path}: is the song itself, and a stem would have its name. Choose another folder or name.")
    figures = _figures(path, folder, info, options)
    in_the_way += [figure for figure in figures if figure.exists()]
    pattern = _pattern(path, folder, options)
    for existing in in_the_way:
        is_replaced = options.overwrite and (existing in (*paths.values(), *figures) or not options.keep_others)
        if not is_replaced:
            format = "" if existing in (*paths.values(), *figures) else ", in another format"
            raise FileExistsError(
                f"{existing}: exists already{format}; choose another folder, or replace it with overwrite=True "
                "(--overwrite)."
            )
        if existing.suffix.lower() in SUFFIXES and existing not in paths.values() and not _is_ours(existing, pattern):
            raise FileExistsError(f"{existing}: is another {existing.stem!r}, not written by tfsep; remove it.")
    return info


def are_done(path: str | Path, folder: str | Path, names: Sequence[str], options: FileOptions) -> bool:
    """Whether a song need not be separated again, because all of its stems exist.

    Args:
        path, folder, names, options: see `check_file`.

    Raises:
        FileExistsError: if a stem exists that something else made: another model or other options, another program,
            or tfsep of another song, or of this one before it changed. Files that are empty, or that cannot be read
            but tell that these options made them, count as missing.
    """
    paths = stem_paths(path, folder, names, options.suffix, options.name)
    info = audio.info(path, tolerant=options.tolerant)
    seconds = excerpt(info, options)[1] / info.sample_rate
    files = {place: stem for stem, place in paths.items()}  # a STEM file once
    song = checksum(path) if any(place.is_file() for place in files) else ""
    # All are looked at, as separating the song replaces all.
    return all(
        [
            _is_done(place, marks.Mark(_what(stem, options), options.maker(stem, paths), song), seconds)
            for place, stem in files.items()
        ]
    )


def _what(stem: str, options: FileOptions) -> str:
    """Return what a file of stems is called in its comment."""
    return marks.STEM_FILE if options.one_file else marks.stem_mark(stem)


def _is_done(path: Path, expected: marks.Mark, seconds: float) -> bool:
    """Whether a stem is there; see `are_done`."""
    if not path.is_file() or not path.stat().st_size:
        return False
    mark = marks.read_mark(path)
    wrong = None
    if mark is None or mark.what != expected.what:
        wrong = "is damaged, or was not written by tfsep as this stem"
    elif mark.made_by not in ("", expected.made_by):
        wrong = f"was made by {mark.made_by}, not by {expected.made_by or 'this model'}"
    elif mark.song not in ("", expected.song):
        wrong = "is of another song of this name, or of this one before it changed"
    elif (found := _seconds(path)) is not None and abs(found - seconds) > _TOLERANCE:
        wrong = f"is cut, or of another song: it has {found:.2f} s, not {seconds:.2f} s"
    if wrong:
        raise FileExistsError(f"{path}: {wrong}; overwrite=True (--overwrite) replaces it.")
    return found is not None


def _seconds(path: Path) -> float | None:
    """Return the length of an audio file; None if it cannot be read."""
    try:
        info = audio.info(path)
    except (audio.AudioError, OSError):
        return None
    return info.samples / info.sample_rate


def write_stems(
    path: str | Path,
    folder: str | Path,
    names: Sequence[str],
    separate: Callable[..., Iterable[np.ndarray]],
    options: FileOptions,
    downmix: bool = False,
) -> dict[str, Path]:
    """Separate a file into files; see `tfsep.separate_file`.

    Args:
        path, folder: paths of the song and of the folder of its stems.
        names: sequence of str, the stems.
        separate: function from blocks of the song, its length, channels and rate to blocks `[n, stems, channels]`.
        options: `FileOptions`.
        downmix: bool, whether surround sound becomes stereo. Defaults to False.

    Returns:
        dict from stem to the path of its file.
    """
    info = check_file(path, folder, names, options, downmix)
    paths = stem_paths(path, folder, names, options.suffix, options.name)
    figures = _figures(path, folder, info, options)
    folders = {stem.parent for stem in paths.values()}
    parents = {parent for place in folders for parent in (place, *place.parents) if not parent.exists()}
    created = sorted(parents, key=lambda parent: len(parent.parts), reverse=True)
    for place in folders:
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place)
    try:
        with ExitStack() as stack:
            first, samples = excerpt(info, options)
            blocks = crop(audio.blocks(path, _BLOCK, tolerant=options.tolerant), first, samples)
            if (channels := audio.info(path, tolerant=options.tolerant).channels) != info.channels:
                blocks = mixed_down(blocks, channels)
            blocks = song = Delay(read_ahead(blocks)) if options.one_file else read_ahead(blocks)
            writers = [stack.enter_context(writer) for writer in _writers(path, paths, info, options)]
            stems = (np.moveaxis(block, 1, 0) for block in separate(blocks, samples, info.channels, info.sample_rate))
            if options.one_file:
                with_song = ([song.take(parts.shape[1]), *parts] for parts in stems)
                write_behind(with_song, writers[0].write)
            else:
                write_behind(stems, partial(_write, writers))
            _finish(writers, path)
    except BaseException:
        for parent in created:
            # Fails if another program has put something into it.
            with suppress(OSError):
                parent.rmdir()
        raise
    if options.overwrite and not options.keep_others:
        _remove_others(path, folder, paths, options)
    if options.plot:
        _plot(paths, info, figures[0])
    if len(figures) > 1:
        _plot_beside_references(_stem_track(path), paths, figures[1], first)
    return paths


def _remove_others(path: str | Path, folder: str | Path, paths: dict[str, Path], options: FileOptions) -> None:
    """Remove the stems of a song that earlier runs wrote under other names or in other formats."""
    pattern = _pattern(path, folder, options)
    for other in (other for place in {stem.parent for stem in paths.values()} for other in _audio_files(place)):
        if other not in paths.values() and other.resolve() != Path(path).resolve() and _is_ours(other, pattern):
            other.unlink()


def excerpt(info: audio.AudioInfo, options: FileOptions) -> tuple[int, int]:
    """Return the first sample and the number of samples of what is separated."""
    first = round(options.start * info.sample_rate)
    rest = info.samples - first
    return first, rest if options.duration is None else max(1, min(rest, round(options.duration * info.sample_rate)))


def _writers(path, paths: dict[str, Path], info: audio.AudioInfo, options: FileOptions) -> list[audio.Writer]:
    """Return the writer of a STEM file, or one for each stem."""
    settings = {"overwrite": options.overwrite, "clip": options.clip, "bitrate": options.bitrate, "tags": _tags(path)}
    song = checksum(path)
    comments = {
        stem: marks.comment(marks.Mark(_what(stem, options), options.maker(stem, paths), song)) for stem in paths
    }
    if options.one_file:
        (place,), (comment,) = set(paths.values()), set(comments.values())
        return [audio.StemFileWriter(place, info.sample_rate, tuple(paths), info.channels, comment=comment, **settings)]
    facts = info.sample_rate, info.channels, options.subtype
    return [audio.Writer(place, *facts, comment=comments[stem], **settings) for stem, place in paths.items()]


def _write(writers: list[audio.Writer], parts: Iterable[np.ndarray]) -> None:
    for writer, part in zip(writers, parts, strict=True):
        writer.write(part)


def _finish(writers: list[audio.Writer], path: str | Path) -> None:
    """Finish all files of a song, with one gain, before any of them appears."""
    peak = max(writer.peak for writer in writers)
    for writer in writers:
        writer.peak = peak
        writer.finish()
    gain = writers[0].gain
    if gain < 1:
        _log.warning(
            "%s: all stems are scaled by %.4f (%.2f dB): they reach %.4f, and this format stores up to 1.",
            Path(path).name,
            gain,
            20 * np.log10(gain),
            peak,
        )


def _figures(path: str | Path, folder: str | Path, info: audio.AudioInfo, options: FileOptions) -> list[Path]:
    if not options.plot:
        return []
    names = ("waveforms", "spectrograms") if info.streams == len(STREAMS) else ("waveforms",)
    return list(stem_paths(path, folder, names, ".png", options.name).values())


def _audio_files(folder: Path) -> list[Path]:
    """Return the audio files of a folder."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def _pattern(path: str | Path, folder: str | Path, options: FileOptions) -> re.Pattern:
    """Return the pattern of the paths of a song's stems, whatever they are called, in any format of that kind."""
    # Characters that no path contains stand for the stem and the suffix.
    suffix = options.suffix if options.one_file else ".\1"
    place = re.escape(str(Path(folder, _filled(options.name, path, "\0", suffix))))
    if options.one_file:
        return re.compile(place.removesuffix(re.escape(suffix)) + f"(?:{'|'.join(map(re.escape, STEM_SUFFIXES))})")
    return re.compile(place.replace("\0", r"(?P<stem>[^/\\]+)", 1).replace("\1", r"\w+"))


def _tags(path: str | Path) -> audio.Tags | None:
    """Return the tags of a song without its comment; None where they cannot be read."""
    try:
        return dataclasses.replace(audio.read_tags(path), comment="")
    except (OSError, ValueError, RuntimeError):
        return None


def _is_ours(path: Path, pattern: re.Pattern) -> bool:
    """Whether an earlier run wrote a file as a stem, or the STEM file, of this song."""
    match = pattern.fullmatch(str(path))
    if match is None:
        return False
    mark = marks.read_mark(path)
    what = marks.stem_mark(match["stem"]) if "stem" in pattern.groupindex else marks.STEM_FILE
    return mark is not None and mark.what == what


def _plot(paths: dict[str, Path], info: audio.AudioInfo, figure: Path) -> None:
    """Draw the stems from their files, of which only the extremes of each span are kept in memory."""
    span = max(1, info.samples // 2000)
    stems = {}
    for name, path in paths.items():
        extremes = [(block.min(), block.max()) for block in audio.blocks(path, span)]
        stems[name] = np.reshape(extremes, (-1, 1))
    plot_waveforms(stems, 2 * info.sample_rate / span, figure)


def _stem_track(path: str | Path) -> Track:
    stems = {name: FileStem(Path(path), stream) for name, stream in STREAMS.items()}
    mixture = stems.pop("mixture")
    return Track(Path(path).name, stems, mixture)


def _plot_beside_references(song: Track, paths: dict[str, Path], figure: Path, first: int) -> None:
    names = [name for name in paths if name in (*song.sources, "accompaniment")]
    if names:
        samples = min(audio.info(paths[names[0]]).samples, _SHOWN * song.sample_rate)
        estimates = {name: audio.read(paths[name], 0, samples)[0] for name in names}
        plot_spectrograms(estimates, song.sample_rate, figure, song.read_sources(names, first, samples))
