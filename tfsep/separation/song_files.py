"""Separation of audio files into files of stems and figures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypedDict

import numpy as np

from tfsep import audio
from tfsep.audio.writing import CLIPS, read_comment
from tfsep.checks import check_choice, check_number
from tfsep.datasets import FileStem, Track
from tfsep.datasets.folders import SUFFIXES
from tfsep.datasets.musdb18 import STREAMS
from tfsep.files import remove_leftovers
from tfsep.plotting import plot_spectrograms, plot_waveforms
from tfsep.separation.chunking import crop

_log = logging.getLogger("tfsep")

# Samples read from a file at a time.
_BLOCK = 1 << 18

# The comment in the files of stems, by which a later run recognises them.
_MARK = "Stem {!r}, separated by tfsep"

# Seconds of a song that a figure of spectrograms shows.
_SHOWN = 30


class FileOptions(TypedDict, total=False):
    """Options of `Separation.file`, for functions that hand them on."""

    suffix: str
    subtype: str | None
    clip: str
    start: float
    duration: float | None
    tolerant: bool
    plot: bool
    overwrite: bool


def check_file(
    path: str | Path,
    folder: str | Path,
    names: Sequence[str],
    *,
    suffix: str = ".wav",
    subtype: str | None = None,
    clip: str = "rescale",
    start: float = 0,
    duration: float | None = None,
    tolerant: bool = False,
    plot: bool = False,
    overwrite: bool = False,
) -> audio.AudioInfo:
    """Raise what `write_stems` would raise, as far as it can be known without loading a model.

    Args:
        path, folder, suffix, subtype, clip, start, duration, tolerant, plot, overwrite: see `tfsep.separate_file`.
        names: sequence of str, the stems.

    Returns:
        The `AudioInfo` of the song.
    """
    check_choice("clip", clip, CLIPS)
    check_number("start", start, least=0)
    check_number("duration", duration, above=0, optional=True)
    audio.check_format(suffix, subtype)
    info = audio.info(path, tolerant=tolerant)
    if start * info.sample_rate >= info.samples:
        seconds = info.samples / info.sample_rate
        raise ValueError(f"{path}: start must be before its end, at {seconds:.2f} s. Received: start={start}.")
    audio.check_format(suffix, subtype, info.sample_rate, info.channels)
    folder = Path(folder)
    written = {folder / f"{name}{suffix}" for name in names}
    in_the_way = [stem for stem in _audio_files(folder) if stem.stem in names]
    in_the_way += [folder / name for name in _figures(info, plot) if (folder / name).exists()]
    for existing in in_the_way:
        if not overwrite:
            raise FileExistsError(
                f"{existing}: exists already; choose another folder, or allow overwriting (overwrite=True, "
                "--overwrite)."
            )
        if existing.suffix.lower() in SUFFIXES and existing not in written and not _is_ours(existing):
            raise FileExistsError(f"{existing}: is another {existing.stem!r}, not written by tfsep; remove it.")
    return info


def write_stems(
    path: str | Path,
    folder: str | Path,
    names: Sequence[str],
    separate: Callable[..., Iterable[np.ndarray]],
    *,
    suffix: str = ".wav",
    subtype: str | None = None,
    clip: str = "rescale",
    start: float = 0,
    duration: float | None = None,
    tolerant: bool = False,
    plot: bool = False,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Separate a file into files; see `tfsep.separate_file`.

    Args:
        path, folder, suffix, subtype, clip, start, duration, tolerant, plot, overwrite: see there.
        names: sequence of str, the stems.
        separate: function from blocks of the song, its length, channels and rate to blocks `[n, stems, channels]`.

    Returns:
        dict from stem to the path of its file.
    """
    options = {"suffix": suffix, "subtype": subtype, "clip": clip, "start": start, "duration": duration}
    info = check_file(path, folder, names, tolerant=tolerant, plot=plot, overwrite=overwrite, **options)
    folder = Path(folder)
    paths = {name: folder / f"{name}{suffix}" for name in names}
    figures = [folder / name for name in _figures(info, plot)]
    created = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    try:
        with ExitStack() as stack:
            writers = []
            for stem in paths.values():
                facts = (info.sample_rate, info.channels, subtype, overwrite, clip, _MARK.format(stem.stem))
                writers.append(stack.enter_context(audio.Writer(stem, *facts)))
            first, samples = _excerpt(info, start, duration)
            blocks = crop(audio.blocks(path, _BLOCK, tolerant=tolerant), first, samples)
            for block in separate(blocks, samples, info.channels, info.sample_rate):
                for index, writer in enumerate(writers):
                    writer.write(block[:, index])
            _finish(writers, path)
    except BaseException:
        for parent in created:
            # Fails if another program has put something into it.
            with suppress(OSError):
                parent.rmdir()
        raise
    for stem in _audio_files(folder):
        if stem not in paths.values() and _is_ours(stem):
            stem.unlink()
    if plot:
        _plot(paths, info, figures[0])
    if len(figures) > 1:
        _plot_beside_references(_stem_track(path), paths, figures[1], first)
    return paths


def _excerpt(info: audio.AudioInfo, start: float, duration: float | None) -> tuple[int, int]:
    """Return the first sample and the number of samples of what is separated."""
    first = round(start * info.sample_rate)
    rest = info.samples - first
    return first, rest if duration is None else max(1, min(rest, round(duration * info.sample_rate)))


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


def _figures(info: audio.AudioInfo, plot: bool) -> tuple[str, ...]:
    if not plot:
        return ()
    return ("waveforms.png", "spectrograms.png") if info.streams == len(STREAMS) else ("waveforms.png",)


def _audio_files(folder: Path) -> list[Path]:
    """Return the audio files of a folder."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def _is_ours(stem: Path) -> bool:
    """Whether an earlier run wrote a file."""
    return read_comment(stem) == _MARK.format(stem.stem)


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
