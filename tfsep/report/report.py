"""The report: scores of models beside their bounds, and their sound, in one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfsep.checks import existing_folder
from tfsep.datasets import Track
from tfsep.datasets.found_stems import find_stems, known_names
from tfsep.evaluation import Scores, check_comparable, read_results
from tfsep.evaluation.estimates import check_timeline
from tfsep.evaluation.protocols import protocol
from tfsep.report.page import check_output, write_page
from tfsep.report.score_sections import headline, mean_of_medians, score_sections, shared_in_words
from tfsep.report.songs import Song, Sound, Version, check_excerpt, excerpt_words
from tfsep.report.stem_files import open_stems

REFERENCE = "reference"


def write_report(
    results: str | Path | Scores | Sequence[str | Path | Scores],
    output: str | Path,
    tracks: Sequence[str] | None = None,
    estimates: Mapping[str, str | Path] | None = None,
    *,
    data: Iterable[Track] | None = None,
    names: Mapping[str, str] | None = None,
    seconds: float | None = 30.0,
    start: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write an HTML file with box plots and tables of scores and, if there is sound, a synchronous player of stems.

    The file includes the sound as Opus (for Chrome, Edge, Firefox, and Safari from version 18.4 on) and opens from
    disk, without server or network.

    Args:
        results: `Scores`, or the path of a results folder, as `tfsep evaluate --output` writes it; or several to
            compare.
        output: path of the folder for the page, `OUTPUT/index.html`.
        tracks: names of the tracks to listen to. Defaults to the best, the middle and the worst track of the first
            model if `data` or `estimates` are given, else to none.
        estimates: dict from a model's name to the folder of its estimates, in any layout, see
            `tfsep.evaluation.FolderEstimates`. Scores are shown beside the sound for names that are in the results.
            Defaults to None.
        data: the tracks with the true sources, usually the evaluated dataset. Defaults to None.
        names: dict from source to its name in the files of estimates, such as `{"accompaniment": "Instrumental"}`.
            Defaults to none.
        seconds: float, maximum length of the excerpt of each track; None for whole tracks. Defaults to 30.0.
        start: float, start of the excerpt in seconds. Defaults to None, an excerpt from the middle of each track.
        overwrite: bool, replace an existing page. Defaults to False.

    Returns:
        Path of the page.

    Raises:
        FileNotFoundError: if a folder or a file is missing.
        FileExistsError: if the page exists and `overwrite` is False.
        ValueError: if results are damaged, not comparable or of one name, a track is unknown, or sources and estimates
            differ in rate, or by more than 2304 samples in length.
        tfsep.audio.AudioError: if a file cannot be read.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split=None)[:1]
    >>> scores = tfsep.evaluate("model.keras", tracks, output="scores", sdr_only=True)
    >>> page = tfsep.report.write_report("scores", "report", data=tracks)  # or write_report(scores, ...)
    >>> page.name
    'index.html'
    """
    output = Path(output) / "index.html"
    check_excerpt(seconds, start)
    check_output(output, overwrite)
    scores = _read([results] if isinstance(results, (str, Path, Scores)) else list(results))
    references = None if data is None else {track.name: track for track in data}
    chosen = _chosen(scores, tracks, references, estimates)
    found = {model: _found(folder, scores, names) for model, folder in (estimates or {}).items()}
    songs = [_song(name, scores, references, found) for name in chosen]
    sounds = [Sound(song, seconds, start) for song in songs]
    listening = f" Sound: {excerpt_words(seconds, start)}, as Opus." if songs else ""
    count = f"{len(scores[0].tracks)} track{'s' if len(scores[0].tracks) > 1 else ''}"
    parts = (shared_in_words(scores), count, scores[0].protocol, scores[0].windows_in_words)
    summary = f"{', '.join(part for part in parts if part)}.{listening}"
    sections = score_sections(scores, [song.name for song in songs])
    write_page(output, "Separation report", summary, sounds, heading=headline(scores), **sections)
    return output


def _read(results) -> list[Scores]:
    """Return the results of folders and objects, in their order."""
    read = iter(read_results([result for result in results if not isinstance(result, Scores)]))
    scores = [result if isinstance(result, Scores) else next(read) for result in results]
    check_comparable(scores)
    name, count = Counter(result.model for result in scores).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} results are of a model {name!r}. Give their Scores names that differ.")
    return scores


def _found(folder: str | Path, scores: list[Scores], names) -> dict[str, dict[str, Path]]:
    """Return the estimates of the targets in a folder, a dict from track to target to path."""
    folder = existing_folder(folder, "a folder of estimates")
    targets = dict.fromkeys(target for result in scores for target in result.targets)
    found, _, _ = find_stems(folder, scores[0].tracks, known_names(targets, names))
    return {track: {name: paths[name] for name in targets if name in paths} for track, paths in found.items()}


def _chosen(scores, tracks, references, estimates) -> list[str]:
    """Return the names of the tracks to listen to."""
    known = scores[0].tracks
    if tracks is None:
        return _best_middle_worst(scores[0]) if references or estimates else []
    tracks = list(dict.fromkeys(tracks))
    for name in tracks:
        if name not in known:
            raise ValueError(f"No track {name!r} in the results. Expected one of: {', '.join(known)}.")
    if tracks and not (references or estimates):
        raise ValueError("tracks to listen to need data with the true sources, or estimates. Received neither.")
    return tracks


def _best_middle_worst(result: Scores) -> list[str]:
    means = mean_of_medians(result, result.targets, result.measures()[0])
    order = [result.tracks[place] for place in np.argsort(-means) if not np.isnan(means[place])]
    ranked = order or list(result.tracks)
    return list(dict.fromkeys([ranked[0], ranked[len(ranked) // 2], ranked[-1]]))


def _song(name: str, scores: list[Scores], references: dict[str, Track] | None, estimates) -> Song:
    for model, found in estimates.items():
        if not found.get(name):
            raise ValueError(
                f"There are no estimates of {name} by {model}. Expected files such as {name}/vocals.wav or "
                f"{name}_(Vocals).wav; --map names others."
            )
    stems = {model: open_stems(f"{name} by {model}", found[name]) for model, found in estimates.items()}
    versions = [Version(model, files.read, _notes(name, model, scores)) for model, files in stems.items()]
    if references is None:
        timeline, *others = stems.values()
        mixture = None
    elif name in references:
        timeline, others = references[name], stems.values()
        versions.insert(0, Version(REFERENCE, _reference(timeline, scores)))
        mixture = _mixture(timeline)
    else:
        raise ValueError(f"No track {name!r} in data. Give the tracks that were evaluated, or name other tracks.")
    for files in others:
        check_timeline(files.name, files, f"the reference of {name}" if references else timeline.name, timeline)
    return Song(name, timeline.sample_rate, timeline.samples, tuple(versions), mixture)


def _reference(track: Track, scores: list[Scores]):
    # Model by model, because the accompaniment depends on a model's other sources.
    def read(first: int, samples: int) -> dict[str, np.ndarray]:
        return {
            target: sound
            for result in reversed(scores)
            for target, sound in track.read_sources(result.targets, first, samples).items()
        }

    return read


def _mixture(track: Track):
    return lambda first, samples: track.read("mixture", first, samples)


def _notes(name: str, model: str, scores: list[Scores]) -> dict[str, str]:
    """Return a track's scores by source, to show beside the waveforms."""
    result = next((result for result in scores if result.model == model), None)
    if result is None:
        return {}
    measure, place = result.measures()[0], result.tracks.index(name)
    medians = {target: result.track_medians(target, measure)[place] for target in result.targets}
    unit = protocol(result.protocol).unit_after
    return {target: f"{measure} {value:.1f}{unit}" for target, value in medians.items() if not np.isnan(value)}
