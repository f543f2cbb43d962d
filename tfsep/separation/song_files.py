"""Separation of audio files into files of stems and figures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.audio.writing import CLIPS, read_comment
from tfsep.checks import check_choice
from tfsep.datasets import FileStem, Track
from tfsep.datasets.folders import SUFFIXES
from tfsep.datasets.musdb18 import STREAMS
from tfsep.files import remove_leftovers
from tfsep.loading import cached_model
from tfsep.plotting import plot_spectrograms, plot_waveforms
from tfsep.presets import DEFAULT as DEFAULT_MODEL
from tfsep.separation.engine import check_options
from tfsep.separation.song import separate_stream, stem_names

_log = logging.getLogger("tfsep")

# Samples read from a file at a time.
_BLOCK = 1 << 18

# The comment in the files of stems, by which a later run recognises them.
_MARK = "Stem {!r}, separated by tfsep"

# Seconds of a song that a figure of spectrograms shows.
_SHOWN = 30


def separate_file(
    path: str | Path,
    folder: str | Path,
    model=DEFAULT_MODEL,
    *,
    suffix: str = ".wav",
    subtype: str | None = None,
    clip: str = "rescale",
    overlap: float | None = None,
    batch_size: int | None = None,
    residual: str | None = None,
    tolerant: bool = False,
    plot: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Separate a file into files of stems, in memory that does not grow with its length.

    Args:
        path: path of the song.
        folder: path of the folder for the stems, `<folder>/<source><suffix>`.
        suffix, subtype: str, format of the stems, see `tfsep.audio.Writer`. Default to `".wav"` and float.
        clip: str, treatment of stems beyond [-1, 1] in integer formats: `"rescale"` scales all stems of the song by
            one gain, which is logged, so that their sum stays the mixture; `"clamp"`; `"error"`. Defaults to
            `"rescale"`.
        plot: bool, also draw `waveforms.png`, and for a STEM file `spectrograms.png`, the first half minute of the
            references beside the estimates. Defaults to False.
        overwrite: bool, replace existing stems, and remove those of other names or formats that an earlier run wrote
            into the folder. Files that tfsep did not write are kept. Defaults to False.
        model, overlap, batch_size, residual, tolerant, progress: see `tfsep.separate`.

    Returns:
        dict from source to the path of its file.

    Raises:
        FileExistsError: if a stem exists, in any format, and `overwrite` is False. See also `tfsep.separate`.

    Example:

    >>> paths = tfsep.separate_file("song.wav", "stems", "model.keras", suffix=".flac")
    >>> [str(path) for path in paths.values()]
    ['stems/vocals.flac', 'stems/drums.flac']
    """
    options = (suffix, subtype, clip, overlap, batch_size, residual, tolerant, plot, overwrite)
    info = check_file(path, folder, model, *options)
    model = cached_model(model)
    folder = Path(folder)
    paths = {name: folder / f"{name}{suffix}" for name in stem_names(model, residual)}
    figures = [folder / name for name in _figures(info, plot)]
    created = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    try:
        with ExitStack() as stack:
            writers = []
            for stem in paths.values():
                options = (info.sample_rate, info.channels, subtype, overwrite, clip, _MARK.format(stem.stem))
                writers.append(stack.enter_context(audio.Writer(stem, *options)))
            blocks = audio.blocks(path, _BLOCK, tolerant=tolerant)
            options = (info.samples, info.channels, info.sample_rate, model, residual, overlap, batch_size, progress)
            for block in separate_stream(blocks, *options):
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
        _plot_beside_references(_stem_track(path), paths, figures[1])
    return paths


def check_file(
    path: str | Path,
    folder: str | Path,
    model,
    suffix: str,
    subtype: str | None,
    clip: str,
    overlap: float | None,
    batch_size: int | None,
    residual: str | None,
    tolerant: bool,
    plot: bool,
    overwrite: bool,
) -> audio.AudioInfo:
    """Raise the errors of `separate_file` that can be found without loading the model, and return the song's facts."""
    check_options(overlap, batch_size)
    check_choice("clip", clip, CLIPS)
    audio.check_format(suffix, subtype)
    names = stem_names(model, residual)
    info = audio.info(path, tolerant=tolerant)
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


def _plot_beside_references(song: Track, paths: dict[str, Path], figure: Path) -> None:
    names = [name for name in paths if name in (*song.sources, "accompaniment")]
    if names:
        samples = min(song.samples, _SHOWN * song.sample_rate)
        estimates = {name: audio.read(paths[name], 0, samples)[0] for name in names}
        plot_spectrograms(estimates, song.sample_rate, figure, song.read_sources(names, 0, samples))
