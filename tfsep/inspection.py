"""Descriptions of files, datasets and models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tfsep import audio, datasets
from tfsep.plotting import plot_sources

# A longer excerpt shows no more in a figure of this size.
_SECONDS = 30


def inspect_audio(path: str, figure: str | Path, track: int = 0) -> Iterator[str]:
    """Draw the sources of a file or of a track of a dataset, and yield lines of text with counts and durations.

    Args:
        path: str, an audio file, or a dataset in the notation of `tfsep.datasets.from_spec`.
        figure: path of the figure, which shows the first 30 seconds.
        track: int, number of the track that is drawn. Defaults to 0.

    Raises:
        FileNotFoundError, tfsep.audio.AudioError: if a file is missing or cannot be read.
        ValueError: for an unknown dataset, or a track that it does not have.
    """
    if Path(path).is_file():
        yield from _inspect_file(path, figure)
    elif path == "embedded" or ":" in path:
        yield from _inspect_corpus(path, figure, track)
    else:
        raise FileNotFoundError(f"{path}: no such file. A dataset is named as musdb18:PATH or stems:PATH.")


def print_layers(model) -> None:
    """Print the layers of a model's network with output shapes and parameters."""
    print(f"{type(model).__name__}: " + ", ".join(f"{key} {value}" for key, value in model.describe().items()))
    getattr(model, "network", model).summary()


def _inspect_file(path: str, figure: str | Path) -> Iterator[str]:
    info = audio.info(path)
    yield f"{path}: {_extent(info)}, {info.streams} stream{'s' if info.streams > 1 else ''}"
    samples = min(info.samples, _SECONDS * info.sample_rate)
    stems = {f"stream {n}": audio.read(path, 0, samples, n)[0] for n in range(info.streams)}
    plot_sources(stems, info.sample_rate, figure, Path(path).name)
    yield f"figure: {figure}"


def _inspect_corpus(spec: str, figure: str | Path, track: int) -> Iterator[str]:
    splits = ("test",) if spec == "embedded" else ("train", "valid", "test")
    chosen = first_error = None
    for split in splits:
        try:
            corpus = datasets.from_spec(spec, split)
        except ValueError as error:
            first_error = first_error or error
            continue
        seconds = sum(song.samples / song.sample_rate for song in corpus)
        yield f"{split:6} {len(corpus)} tracks, {seconds / 60:.1f} min, sources {', '.join(corpus.sources)}"
        chosen = chosen or corpus
    if chosen is None:
        raise first_error
    if not 0 <= track < len(chosen):
        raise ValueError(f"{chosen.name} has {len(chosen)} tracks. Received: track={track}.")
    song = chosen[track]
    samples = min(song.samples, _SECONDS * song.sample_rate)
    stems = {name: song.read(name, 0, samples) for name in ("mixture", *song.sources)}
    plot_sources(stems, song.sample_rate, figure, song.name)
    yield f"{song.name}: {_extent(song)}; figure: {figure}"


def _extent(audio) -> str:
    seconds = audio.samples / audio.sample_rate
    return f"{audio.samples} samples ({seconds:.2f} s) at {audio.sample_rate} Hz, {audio.channels} channels"
