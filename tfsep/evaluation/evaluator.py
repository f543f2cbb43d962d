"""Score estimates of whole tracks beside the bounds of what is possible."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, overload

from tfsep.checks import check_integer
from tfsep.datasets import Track
from tfsep.datasets.track import track_list
from tfsep.evaluation.estimates import Estimates, FolderEstimates, FunctionEstimates, ModelEstimates
from tfsep.evaluation.oracles import check_oracle
from tfsep.evaluation.parallel import in_processes
from tfsep.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from tfsep.evaluation.protocols import protocol as check_protocol
from tfsep.evaluation.result_files import SUMMARY, load_track, save_summary, save_track, track_path
from tfsep.evaluation.scorer import Failure, Scorer
from tfsep.evaluation.scores import Scores, TrackResult
from tfsep.progress import progress_bar

_log = logging.getLogger("tfsep")

_TRUSTED = 0.5  # dB by which noise of 1e-6 on the references may change SIR and SAR


@overload
def evaluate(
    what,
    tracks: Iterable[Track],
    output: str | Path | None = None,
    protocol: str = DEFAULT_PROTOCOL,
    oracles: Sequence[str] = ("IRM1",),
    estimates: str | Path | None = None,
    sdr_only: bool = False,
    overlap: float | None = None,
    jobs: int = 1,
    resume: bool = False,
    progress: bool = False,
    *,
    name: str | None = None,
    trust: bool = False,
) -> Scores: ...


@overload
def evaluate(what, tracks: Iterable[Track], *, protocol: Sequence[str], **options: Any) -> dict[str, Scores]: ...


def evaluate(
    what,
    tracks: Iterable[Track],
    output: str | Path | None = None,
    protocol: str | Sequence[str] = DEFAULT_PROTOCOL,
    oracles: Sequence[str] = ("IRM1",),
    estimates: str | Path | None = None,
    sdr_only: bool = False,
    overlap: float | None = None,
    jobs: int = 1,
    resume: bool = False,
    progress: bool = False,
    *,
    name: str | None = None,
    trust: bool = False,
) -> Scores | dict[str, Scores]:
    """Score a model, a folder of estimates or a function on whole tracks, by protocols of the field.

    - `"bsseval_v4"`, museval's: SDR, ISR, SIR and SAR in windows of one second; median over windows, then over tracks.
    - `"bsseval_v3"`, MIR-1K's, for mono: NSDR, SIR and SAR (`bss_eval_sources`) of whole tracks; mean over tracks,
      weighted by their length: GNSDR, GSIR, GSAR.
    - `"si_sdr"`: SI-SDR, its improvement over the mixture, SI-SIR, SI-SAR, and SDR of whole tracks; median over tracks.
    - `"mdx"`, that of the MDX and SDX challenges: uSDR of whole tracks; mean over tracks.
    - `"msst"`, of Music-Source-Separation-Training: bleedless, fullness and L1-freq of whole tracks; mean over tracks.
    - `"log_wmse"`: log-WMSE of whole tracks, also of silent sources; mean over tracks.

    Several protocols share one pass over the audio: tracks are read and separated once.

    The result also has a row `mixture`, the mixture as estimate (SiSEC 2018's MIX), and a row for each oracle.

    Tracks are separated and scored at their own rate and channels. The references are the stems of the track; with an
    estimate of `accompaniment` they are the estimated sources, and the accompaniment is the sum of all other stems. A
    missing estimate is replaced by the mixture's and not reported, so that the same windows are scored as in a
    complete evaluation. Where stems without an `other` or the like leave more than a twentieth of the energy of the
    mixture file, the residual is one more stem.

    A warning names tracks on which noise of 1e-6 on the references changes SIR or SAR by more than 0.5 dB, such as
    lossy stems that are read as floats; see `tfsep.evaluation.bss_eval`.

    Args:
        what: a model, a path or a preset's name, see `tfsep.load_model`; a provider of estimates, see
            `tfsep.evaluation.Estimates` and `tfsep.evaluation.FolderEstimates`; or a function from a mixture, float32
            `[samples, channels]`, and its sample rate, if it requires a second argument, to a dict from source to
            array of the same shape.
        tracks: the tracks, usually a dataset such as `tfsep.datasets.MUSDB18(root, split="test")`.
        output: path of a folder for `<track>.json` in museval's schema, written as each track is done, and for
            `summary.json`; in `output/<protocol>` if a sequence of protocols is given. Defaults to None, write no
            files.
        protocol: str, or a sequence of them: `"bsseval_v4"`, `"bsseval_v3"`, `"si_sdr"`, `"mdx"`, `"msst"` or
            `"log_wmse"`; `"mdx,msst"` is the sequence of both. Defaults to `"bsseval_v4"`.
        oracles: names of oracles, of `"IBM1"`, `"IBM2"`, `"IRM1"`, `"IRM2"`, `"MWF"`; see
            `tfsep.evaluation.oracle`. Defaults to `("IRM1",)`.
        estimates: path. `evaluate("name", tracks, estimates=folder)` is the older form of
            `evaluate(FolderEstimates(folder, tracks), tracks, name="name")`. Defaults to None.
        sdr_only: bool, skip ISR, SIR and SAR of `"bsseval_v4"`, which take most of the time and memory. Defaults to
            False.
        overlap: float, of a model, see `tfsep.separate`. Defaults to None, the default of `tfsep.separate`.
        jobs: int, number of processes that score tracks, each with one thread. A script with more than one must call
            this under `if __name__ == "__main__":`. Defaults to 1: this process, with the libraries' own threads.
        resume: bool, keep the tracks in `output` that an interrupted evaluation has finished. Defaults to False.
        progress: bool, show a progress bar. Defaults to False.
        name: str, name in tables. Defaults to that of the model, path, preset, folder or function.
        trust: bool, load a SavedModel whatever its graph contains, see `tfsep.load_model`. Defaults to False.

    Returns:
        `Scores`, or a dict of them by protocol if `protocol` is a sequence. Tracks that could not be read or scored are
        listed in `failures`; the others are scored.

    Raises:
        ValueError: if there are no tracks, or two of the same name, or no track fits the model; for an unknown
            protocol or oracle, arguments that exclude each other, and results in `output` of other settings.
        RuntimeError: if every track failed for other reasons.
        FileNotFoundError: if the folder of estimates is missing.
        FileExistsError: if `output` contains results and `resume` is False.

    Example:

    >>> tracks = tfsep.datasets.StemsFolder("songs", split=None)[:1]
    >>> scores = tfsep.evaluate("model.keras", tracks, output="scores", sdr_only=True)
    >>> print(scores)
                  vocals  drums   mean
    model.keras ...
    >>> def half(mixture):
    ...     return {"vocals": 0.5 * mixture}
    >>> tfsep.evaluate(half, tracks, sdr_only=True)
    Scores('half', targets=('vocals',), protocol='bsseval_v4', tracks=1)
    >>> scores = tfsep.evaluate(half, tracks, protocol=["mdx", "log_wmse"])
    >>> [result.protocol for result in scores.values()]
    ['mdx', 'log_wmse']
    """
    tracks, oracles = track_list(tracks), tuple(dict.fromkeys(_names(oracles)))
    if isinstance(protocol, str) and "," in protocol:
        protocol = _names(protocol)
    protocols = (protocol,) if isinstance(protocol, str) else tuple(dict.fromkeys(protocol))
    _check_names([track.name for track in tracks])
    _check_options(protocols, oracles, sdr_only, jobs)
    if resume and output is None:
        raise ValueError("resume=True needs the output folder of the interrupted evaluation. Received: None.")
    folders = {name: output and Path(output, "" if isinstance(protocol, str) else name) for name in protocols}
    _prepare_folders(folders, tracks, resume)
    if estimates is not None:
        what, name = FolderEstimates(estimates, tracks), name or (None if what is None else str(what))
    scored = _provider(what, tracks, overlap, trust)
    settings = {"oracles": list(oracles), "precision": _precision(tracks)}
    if isinstance(scored, ModelEstimates):
        settings |= {"overlap": overlap, "weights": scored.weights}
    scores = {
        rules: Scores(
            name or scored.name,
            tuple(scored.sources),
            protocol=rules,
            settings={**settings, "sdr_only": sdr_only and rules == DEFAULT_PROTOCOL},
        )
        for rules in protocols
    }
    if resume:
        _take_finished(scores, tracks, folders)
    _score(scores, Scorer(scored, protocols, oracles, sdr_only), tracks, folders, jobs, progress)
    if output is not None:
        for rules, result in scores.items():
            save_summary(result, folders[rules])
    return scores[protocol] if isinstance(protocol, str) else scores


def _names(names: str | Sequence[str]) -> Sequence[str]:
    """Return names that may be given in one text with commas."""
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else names


def _provider(what, tracks, overlap, trust) -> Estimates:
    is_provider = isinstance(what, Estimates)
    is_function = callable(what) and not hasattr(what, "sources")
    if overlap is not None and (is_provider or is_function):
        raise ValueError(f"overlap={overlap} is for separation by a model, not for {what!r:.100}.")
    if is_provider:
        return what
    return FunctionEstimates(what, tracks) if is_function else ModelEstimates(what, overlap, trust)


def _precision(tracks):
    """Return how the tracks are read, on which ISR, SIR and SAR depend."""
    return " and ".join(sorted({track.precision for track in tracks}))


def _check_names(names):
    if not names:
        raise ValueError("tracks contains no track. Expected at least one.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"tracks contains {count} tracks named {name!r}. Expected names that differ.")
    if Path(SUMMARY).stem in names:
        raise ValueError(f"A track is named {Path(SUMMARY).stem!r}, as the result file is. Rename the track.")


def _check_options(protocols, oracles, sdr_only, jobs):
    for name in protocols:
        check_protocol(name)
    if not protocols:
        raise ValueError(f"protocol names none. Expected one or more of: {', '.join(PROTOCOLS)}.")
    for oracle in oracles:
        check_oracle(oracle)
    if sdr_only and DEFAULT_PROTOCOL not in protocols:
        raise ValueError(f"sdr_only=True is for {DEFAULT_PROTOCOL}. Received: protocol={', '.join(protocols)!r}.")
    check_integer("jobs", jobs)


def _prepare_folders(folders, tracks, resume):
    for folder in filter(None, folders.values()):
        if not resume:
            _check_unused(folder, tracks)
        folder.mkdir(parents=True, exist_ok=True)  # fail before the work, not after it


def _check_unused(output, tracks):
    if (output / SUMMARY).exists():
        raise FileExistsError(f"{output / SUMMARY} exists. Choose another output folder, or remove it.")
    finished = [track.name for track in tracks if track_path(output, track.name).exists()]
    if finished:
        raise FileExistsError(
            f"{output} contains {len(finished)} tracks of an unfinished evaluation. Continue it with resume=True "
            "(--resume), or choose another output folder."
        )


def _take_finished(scores, tracks, folders):
    """Read the tracks of which every protocol has the scores."""
    for track in tracks:
        if all(track_path(folder, track.name).exists() for folder in folders.values()):
            for name, folder in folders.items():
                load_track(scores[name], track.name, folder)
                _check_length(track, scores[name].seconds[track.name], folder)


def _check_length(track, seconds, output):
    if abs(track.samples / track.sample_rate - seconds) > 1 / track.sample_rate:
        raise ValueError(
            f"{track_path(output, track.name)} was made of {seconds:.2f} s, while the track has "
            f"{track.samples / track.sample_rate:.2f} s. Choose another output folder."
        )


def _score(scores, scorer, tracks, folders, jobs, progress):
    """Score the tracks that are not yet in `scores`, and save each as it is done."""
    finished = next(iter(scores.values())).tracks
    left = [track for track in tracks if track.name not in finished]
    results = _results(scorer, left, jobs)
    failures: dict[str, Failure] = {}
    done = len(tracks) - len(left)
    bars = progress_bar("evaluate", len(tracks), unit="track", leave=True, initial=done, disable=not progress)
    with bars as bar, closing(results):
        for track, result in results:
            if isinstance(result, Failure):
                _log.warning("%s is left out: %s", track.name, result.message)
                failures[track.name] = result
            else:
                _add(scores, track.name, result, folders)
            bar.update()
    if len(failures) == len(tracks):
        kind = ValueError if all(failure.wrong_use for failure in failures.values()) else RuntimeError
        name, failure = next(iter(failures.items()))
        raise kind(f"None of {len(tracks)} tracks could be scored. {name}: {failure.message}")
    for result in scores.values():
        result.failures = {name: failure.message for name, failure in failures.items()}
        result.sort([track.name for track in tracks])
        _warn_of_sensitivity(result.sensitivity)


def _add(scores, track, results, folders):
    for name, result in results.items():
        scores[name].add_track(track, result)
        if folders[name] is not None:
            save_track(scores[name], track, folders[name])


def _warn_of_sensitivity(sensitivity):
    moved = {track: change for track, change in sensitivity.items() if change > _TRUSTED}
    if moved:
        worst = max(moved, key=moved.get)
        _log.warning(
            "ISR, SIR and SAR of %d of %d tracks depend on inaudible detail: noise of 1e-6 on the references changes "
            "them by up to %.1f dB (%s). Compare SDR, or evaluate stems of 16 bits; see tfsep.evaluation.bss_eval.",
            len(moved),
            len(sensitivity),
            moved[worst],
            worst,
        )


def _results(scorer, tracks, jobs) -> Iterator[tuple[Track, dict[str, TrackResult] | Failure]]:
    if jobs == 1 or len(tracks) < 2:
        yield from ((track, scorer(track)) for track in tracks)
        return
    with closing(in_processes(scorer, tracks, jobs)) as results:
        for index, result in results:
            yield tracks[index], result
