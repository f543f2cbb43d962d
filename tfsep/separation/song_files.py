"""Separation of audio files into files of stems and figures."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.audio.channels import downmix_matrix, mixed_down
from tfsep.audio.reading import checksum
from tfsep.audio.stem_files import MOST_STEMS
from tfsep.datasets import FileStem, Track
from tfsep.datasets.musdb18 import STREAMS
from tfsep.files import remove_leftovers
from tfsep.plotting import plot_spectrograms, plot_waveforms
from tfsep.separation import marks
from tfsep.separation.chunking import crop
from tfsep.separation.existing_stems import check_in_the_way, remove_others
from tfsep.separation.file_options import FileOptions, excerpt, stem_paths
from tfsep.separation.song import Delay
from tfsep.separation.threads import read_ahead, write_behind

_log = logging.getLogger("tfsep")

# Samples read from a file at a time.
_BLOCK = 1 << 18

# Seconds of a song that a figure of spectrograms shows.
_SHOWN = 30


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
    check_in_the_way(path, folder, paths, _figures(path, folder, info, options), options)
    return info


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
        remove_others(path, folder, paths, options)
    if options.plot:
        _plot(paths, info, figures[0])
    if len(figures) > 1:
        _plot_beside_references(_stem_track(path), paths, figures[1], first)
    return paths


def _writers(path, paths: dict[str, Path], info: audio.AudioInfo, options: FileOptions) -> list[audio.Writer]:
    """Return the writer of a STEM file, or one for each stem."""
    settings = {"overwrite": options.overwrite, "clip": options.clip, "bitrate": options.bitrate, "tags": _tags(path)}
    song = checksum(path)
    comments = {stem: marks.comment(options.mark(stem, paths, song)) for stem in paths}
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


def _tags(path: str | Path) -> audio.Tags | None:
    """Return the tags of a song without its comment; None where they cannot be read."""
    try:
        return dataclasses.replace(audio.read_tags(path), comment="")
    except (OSError, ValueError, RuntimeError):
        return None


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
