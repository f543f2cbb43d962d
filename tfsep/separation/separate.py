"""Separation of a song: any rate, channels and length in, the same out."""

from __future__ import annotations

import logging
import numbers
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from tfsep import audio
from tfsep.audio.reading import MOST_CHANNELS, RATES
from tfsep.audio.writing import check_clip, read_comment
from tfsep.datasets import FileStem, Track
from tfsep.datasets.musdb18 import STREAMS
from tfsep.datasets.stems_folder import SUFFIXES
from tfsep.files import is_file_name, remove_leftovers
from tfsep.models.loading import cached_model, model_sources
from tfsep.plotting import plot_spectrograms, plot_waveforms
from tfsep.presets import DEFAULT as DEFAULT_MODEL
from tfsep.separation.engine import check_options, separate_blocks

_log = logging.getLogger("tfsep")

# Samples read from a file at a time.
_BLOCK = 1 << 18

# The comment in a stem's file, by which a later run knows it.
_MARK = "Stem {!r}, separated by tfsep"

# Seconds of a song that a figure of spectrograms shows.
_SHOWN = 30


def separate(
    song: str | Path | np.ndarray,
    model=DEFAULT_MODEL,
    sample_rate: int | None = None,
    *,
    overlap: float | None = None,
    batch_size: int | None = None,
    residual: str | None = None,
    tolerant: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Separates a song into its sources.

    Args:
        song: path of an audio file, or float `[samples, channels]` or `[samples]` in [-1, 1], which is not
            altered.
        model: a model, a path or a preset's name; see `tfsep.load_model`. The last three that were given by path or
            name stay loaded until their files change.
        sample_rate: int, samples per second of an array; not for a path.
        overlap: float in [0, 1), share of a segment that overlaps the next. Defaults to the model's, mostly 0.25.
        batch_size: int, segments at a time. Defaults to the model's, mostly 4.
        residual: str or None. Name for one more stem: the mixture less all estimates.
        tolerant: bool. Take what is left of a damaged file, and warn of what is lost; see `tfsep.audio.read`.
            Defaults to False.
        progress: called with samples done and in all (at the model's rate).

    Returns:
        dict from source to float32 of the song's own rate, length, channels and shape, in the order of the
        model's `sources`.

    Raises:
        ValueError: for audio of another layout, empty or not finite, or a missing rate.
        FileNotFoundError, tfsep.audio.AudioError: if the file is missing or cannot be read.

    Example:

    >>> stems = tfsep.separate("song.mp3")
    >>> stems["vocals"].shape
    (7938000, 2)
    """
    check_options(overlap, batch_size)
    stem_names(model, residual)
    if isinstance(song, (str, os.PathLike)):
        if sample_rate is not None:
            raise ValueError("sample_rate belongs to an array. A file says its own.")
        array, sample_rate = audio.read(song, tolerant=tolerant)
        one_dimensional = False
    else:
        array = _checked(song, sample_rate)
        one_dimensional = np.ndim(song) == 1
    model = cached_model(model)
    names = stem_names(model, residual)
    blocks = _stream([array], len(array), array.shape[1], sample_rate, model, residual, overlap, batch_size, progress)
    stems = np.concatenate(list(blocks))
    return {
        name: np.ascontiguousarray(stems[:, index, 0] if one_dimensional else stems[:, index])
        for index, name in enumerate(names)
    }


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
    """Separates a file into files, in memory that does not grow with its length.

    Args:
        path: path of the song.
        folder: path of the folder for the stems, `<folder>/<source><suffix>`.
        suffix, subtype: format of the stems, see `tfsep.audio.Writer`. Defaults to float wav.
        clip: str, what to do in integer formats if a stem goes beyond [-1, 1]: `"rescale"` scales all stems of the
            song by one gain, which is logged, so that they still add up; `"clamp"`; `"error"`. Defaults to
            `"rescale"`.
        plot: bool. Also draw `waveforms.png`, and of a STEM file `spectrograms.png`: the first half minute of the
            true stems beside the estimates. Defaults to False.
        overwrite: bool. Replace stems that exist; stems of other names or formats that an earlier run wrote into the
            folder are removed. Files that tfsep did not write stay. Defaults to False.
        model, overlap, batch_size, residual, tolerant, progress: see `separate`.

    Returns:
        dict from source to the path of its file.

    Raises:
        FileExistsError: if a stem exists, in any format, and `overwrite` is False.
        See also `separate`.
    """
    info = check_file(
        path,
        folder,
        model,
        suffix=suffix,
        subtype=subtype,
        clip=clip,
        overlap=overlap,
        batch_size=batch_size,
        residual=residual,
        tolerant=tolerant,
        plot=plot,
        overwrite=overwrite,
    )
    model = cached_model(model)
    folder = Path(folder)
    paths = {name: folder / f"{name}{suffix}" for name in stem_names(model, residual)}
    figures = [folder / name for name in _figures(info, plot)]
    created = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    try:
        with ExitStack() as stack:
            writers = [
                stack.enter_context(
                    audio.Writer(
                        stem, info.sample_rate, info.channels, subtype, overwrite, clip, _MARK.format(stem.stem)
                    )
                )
                for stem in paths.values()
            ]
            blocks = audio.blocks(path, _BLOCK, tolerant=tolerant)
            for block in _stream(
                blocks,
                info.samples,
                info.channels,
                info.sample_rate,
                model,
                residual,
                overlap,
                batch_size,
                progress,
            ):
                for index, writer in enumerate(writers):
                    writer.write(block[:, index])
            _finish(writers, path)
    except BaseException:
        for parent in created:
            # Left where somebody else has put something into it.
            with suppress(OSError):
                parent.rmdir()
        raise
    for stem in _audio_files(folder):
        if stem not in paths.values() and _is_ours(stem):
            stem.unlink()
    if plot:
        _plot(paths, info, figures[0])
    if len(figures) > 1:
        _plot_beside_truth(_true_song(path), paths, figures[1])
    return paths


def check_file(
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
) -> audio.AudioInfo:
    """Raises what `separate_file` would raise, as far as it can be known without loading the model.

    Args:
        path, folder, model, suffix, subtype, clip, overlap, batch_size, residual, tolerant, plot, overwrite: see
            `separate_file`.

    Returns:
        The `AudioInfo` of the song.
    """
    check_options(overlap, batch_size)
    check_clip(clip)
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
            raise FileExistsError(
                f"{existing}: is another file for {existing.stem!r}, not written by tfsep; remove it."
            )
    return info


def _finish(writers: list[audio.Writer], path: str | Path) -> None:
    """Ends all files of a song, by one gain, before any of them appears."""
    peak = max(writer.peak for writer in writers)
    for writer in writers:
        writer.peak = peak
        writer.finish()
    gain = writers[0].gain
    if gain < 1:
        _log.warning(
            "%s: all stems are scaled by %.4f (%.2f dB): they reach %.4f, and this format holds 1.",
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
    """What a page of the folder would play."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


def _is_ours(stem: Path) -> bool:
    """Whether an earlier run wrote a file."""
    return read_comment(stem) == _MARK.format(stem.stem)


def stem_names(model, residual: str | None) -> tuple[str, ...]:
    """Names of the stems that a separation gives: the model's sources and the residual."""
    sources = model_sources(model)
    if residual is not None and not is_file_name(residual):
        raise ValueError(f"The residual needs a name that a file can have. Received: {residual!r}.")
    if not all(map(is_file_name, sources)):  # those of a foreign SavedModel, for one
        raise ValueError(f"The model's sources need names that files can have. Received: {list(sources)}.")
    if residual in sources:
        raise ValueError(f"The model has a source {residual!r} already. Choose another name for the residual.")
    return (*sources, residual) if residual else sources


def _checked(song: np.ndarray, sample_rate: int | None) -> np.ndarray:
    if isinstance(song, (bytes, bytearray, memoryview)) or hasattr(song, "read"):
        raise ValueError(
            f"A song is a path or an array. Received: {type(song).__name__}. Write it to a file, or decode it first."
        )
    array = np.asarray(song)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"Audio must be float in [-1, 1]. Received: dtype {array.dtype}. Divide by full scale.")
    if array.ndim not in (1, 2):
        raise ValueError(f"Audio must be [samples, channels] or [samples]. Received: shape {array.shape}.")
    if not isinstance(sample_rate, numbers.Real) or not RATES[0] <= sample_rate <= RATES[1]:
        raise ValueError(
            f"An array needs its sample_rate, from {RATES[0]} to {RATES[1]} Hz. Received: sample_rate={sample_rate!r}."
        )
    array = array.reshape(len(array), -1) if array.size else array
    if array.size == 0:
        raise ValueError(f"The audio is empty. Received: shape {array.shape}.")
    if array.shape[1] > MOST_CHANNELS:
        raise ValueError(
            f"Audio must be [samples, channels] with at most {MOST_CHANNELS} channels. Received: shape "
            f"{array.shape}. Transpose it if it is [channels, samples]."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError("The audio holds NaN or infinite samples.")
    return array


def _stream(
    blocks: Iterable[np.ndarray],
    samples: int,
    channels: int,
    sample_rate: int,
    model,
    residual: str | None,
    overlap: float | None,
    batch_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[np.ndarray]:
    """Blocks of a song at its own rate -> blocks `[n, stems, channels]` at that rate, `samples` in all."""
    if residual:
        blocks = mixture = _Delay(blocks)
    if hasattr(model, "separate_song"):
        estimates = _whole(blocks, sample_rate, model)
    else:
        estimates = _in_segments(
            blocks, samples, channels, sample_rate, model, overlap=overlap, batch_size=batch_size, progress=progress
        )
    for stems in estimates:
        if residual:
            rest = mixture.take(len(stems)) - stems.sum(axis=1)
            stems = np.concatenate([stems, rest[:, np.newaxis]], axis=1)
        yield stems


def _whole(blocks: Iterable[np.ndarray], sample_rate: int, model) -> Iterator[np.ndarray]:
    """For separators that must hear the whole song."""
    stems = model.separate_song(np.concatenate(list(blocks)), sample_rate)
    yield np.stack([stems[name] for name in model.sources], axis=1)


def _in_segments(
    blocks: Iterable[np.ndarray], samples: int, channels: int, sample_rate: int, model, **options
) -> Iterator[np.ndarray]:
    """For models, which work at a rate of their own."""
    inside = round(samples * model.sample_rate / sample_rate) or 1
    resampled = _resample(blocks, sample_rate, model.sample_rate, samples, inside)
    estimates = separate_blocks(resampled, inside, channels, model, **options)
    # Sources travel as further channels, so that one resampler serves them all.
    flat = (block.reshape(len(block), -1) for block in estimates)
    for block in _resample(flat, model.sample_rate, sample_rate, inside, samples):
        yield block.reshape(len(block), len(model.sources), channels)


def _resample(
    blocks: Iterable[np.ndarray], from_rate: int, to_rate: int, samples: int, wanted: int
) -> Iterator[np.ndarray]:
    """Resamples a stream to exactly `wanted` samples: rounding there and back may miss by a few."""
    if from_rate != to_rate:
        blocks = audio.resample_blocks(blocks, from_rate, to_rate, samples)
    done, width = 0, 1
    for block in blocks:
        block = block[: wanted - done]
        done, width = done + len(block), block.shape[1]
        if len(block):
            yield block
    if done < wanted:
        yield np.zeros((wanted - done, width), np.float32)


class _Delay:
    """Hands a stream of blocks on, and keeps of it what is still to be taken, in lengths of the taker's choice."""

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks = iter(blocks)
        self._waiting: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        block = next(self._blocks)
        self._waiting = block if self._waiting is None else np.concatenate([self._waiting, block])
        return block

    def take(self, samples: int) -> np.ndarray:
        taken, self._waiting = self._waiting[:samples], self._waiting[samples:]
        return taken


def _plot(paths: dict[str, Path], info: audio.AudioInfo, figure: Path) -> None:
    """Draws the stems from their files by the extremes of each span, whatever their length."""
    span = max(1, info.samples // 2000)
    stems = {}
    for name, path in paths.items():
        extremes = [(block.min(), block.max()) for block in audio.blocks(path, span)]
        stems[name] = np.reshape(extremes, (-1, 1))
    plot_waveforms(stems, 2 * info.sample_rate / span, figure)


def _true_song(path: str | Path) -> Track:
    """A STEM file as a track with its true sources."""
    stems = {name: FileStem(Path(path), stream) for name, stream in STREAMS.items()}
    mixture = stems.pop("mixture")
    return Track(Path(path).name, stems, mixture)


def _plot_beside_truth(song: Track, paths: dict[str, Path], figure: Path) -> None:
    names = [name for name in paths if name in (*song.sources, "accompaniment")]
    if names:
        samples = min(song.samples, _SHOWN * song.sample_rate)
        estimates = {name: audio.read(paths[name], 0, samples)[0] for name in names}
        plot_spectrograms(estimates, song.sample_rate, figure, song.read_sources(names, 0, samples))
