"""Scores a model, or estimates on disk, on whole tracks, beside the bounds of what is possible."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from tfsep.checks import check_integer
from tfsep.datasets import Track
from tfsep.datasets.track import track_list
from tfsep.evaluation.estimates import Estimates
from tfsep.evaluation.oracles import check_oracle
from tfsep.evaluation.parallel import in_processes
from tfsep.evaluation.protocols import DEFAULT_PROTOCOL
from tfsep.evaluation.protocols import protocol as check_protocol
from tfsep.evaluation.result_files import SUMMARY, load_track, save_summary, save_track, track_path
from tfsep.evaluation.scorer import Failure, Scorer
from tfsep.evaluation.scores import Scores, TrackResult
from tfsep.evaluation.separations import Separations
from tfsep.progress import progress_bar

_log = logging.getLogger("tfsep")

_TRUSTED = 0.5  # dB by which noise of 1e-6 on the references may move SIR and SAR


def evaluate(
    model,
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
) -> Scores:
    """Separates whole tracks, or takes estimates from disk, and scores them by a protocol of the field.

    - `"bsseval_v4"`, museval's: SDR, ISR, SIR and SAR in windows of one second; median over windows, then over tracks.
    - `"bsseval_v3"`, MIR-1K's, for mono: NSDR, SIR and SAR (`bss_eval_sources`) of whole tracks; mean over tracks,
      weighted by their length: GNSDR, GSIR, GSAR.
    - `"si_sdr"`: SI-SDR, its improvement over the mixture, and SDR of whole tracks; median over tracks.

    Tracks are separated and scored at their own rate and channels. The references are the track's stems, or,
    for a model that estimates `accompaniment`, the model's sources with the accompaniment as the sum of all
    other stems. In the place of a stem that the model does not estimate stands the mixture row's estimate, so
    that the windows that count are those of a complete evaluation; such a stem is not reported. Where stems
    without an `other` or the like leave more than a twentieth of the mixture file's energy, the rest is one more stem.

    Where noise of 1e-6 on the references moves SIR or SAR by more than 0.5 dB, as with lossy stems that are read as
    floats, a warning says so; see `tfsep.evaluation.bss_eval`.

    Beside the model the result holds the row `mixture` (SiSEC 2018's MIX) and a row for each oracle.

    Args:
        model: a model, a path or a preset's name; see `tfsep.load_model`. With `estimates` a str or None: what they
            are called in tables, by default as their folder.
        tracks: the tracks, usually a dataset such as `tfsep.datasets.MUSDB18(root, split="test")`.
        output: path or None. A folder for `<track>.json` in museval's schema, written as each track is done,
            and for `summary.json`. Defaults to None.
        protocol: str, `"bsseval_v4"`, `"bsseval_v3"` or `"si_sdr"`. Defaults to `"bsseval_v4"`.
        oracles: names of oracles, of `"IBM1"`, `"IBM2"`, `"IRM1"`, `"IRM2"`, `"MWF"`; see
            `tfsep.evaluation.oracle`. Defaults to `("IRM1",)`.
        estimates: path or None. A folder of estimates, `<track>/<source>.wav`, that are scored in the place of a
            model's; see `tfsep.evaluation.Estimates`. Defaults to None.
        sdr_only: bool, leaves out ISR, SIR and SAR of `"bsseval_v4"`, which take most of the time and memory.
            Defaults to False.
        overlap: float or None, handed to `tfsep.separate`; None leaves its default.
        jobs: int, number of processes that score tracks, each with one thread. A script that asks for more than one
            must do so under `if __name__ == "__main__":`. Defaults to 1: all is done in this process, with as many
            threads as the libraries take.
        resume: bool, takes the tracks that an interrupted evaluation has finished from `output`. Defaults to False.
        progress: bool, shows a progress bar. Defaults to False.

    Returns:
        `Scores`. A track that could not be read or scored is named in `failures`; the others are scored.

    Raises:
        ValueError: if there are no tracks, or two of the same name, or no track fits the model; for an unknown
            protocol or oracle, arguments that exclude each other, and results in `output` that were made otherwise.
        RuntimeError: if every track failed, for other reasons.
        FileNotFoundError: if there is no folder `estimates`.
        FileExistsError: if `output` holds results, and `resume` is False.

    Example:

    >>> scores = tfsep.evaluate(model, tfsep.datasets.MUSDB18(root, split="test"), output="scores/unet")
    >>> print(scores)
    """
    tracks, oracles = track_list(tracks), tuple(dict.fromkeys(oracles))
    _check_names([track.name for track in tracks])
    _check_options(protocol, oracles, estimates, sdr_only, overlap, jobs)
    _prepare_folder(output, tracks, resume)
    settings = {"oracles": list(oracles), "sdr_only": sdr_only, "precision": _precision(tracks)}
    if estimates is None:
        scored = Separations(model, overlap)
        settings |= {"overlap": overlap, "weights": scored.weights}
    else:
        scored = Estimates(estimates, tracks)
    name = scored.name if estimates is None or model is None else str(model)
    scores = Scores(name, scored.sources, protocol=protocol, settings=settings)
    if resume:
        _take_finished(scores, tracks, output)
    _score(scores, Scorer(scored, protocol, oracles, sdr_only), tracks, output, jobs, progress)
    if output is not None:
        save_summary(scores, output)
    return scores


def _precision(tracks):
    """How the tracks are read, which decides about ISR, SIR and SAR."""
    return " and ".join(sorted({track.precision for track in tracks}))


def _check_names(names):
    if not names:
        raise ValueError("tracks holds no track. Expected at least one.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"tracks holds {count} tracks named {name!r}. Expected names that differ.")
    if Path(SUMMARY).stem in names:
        raise ValueError(f"A track is named {Path(SUMMARY).stem!r}, as the result file is. Rename the track.")


def _check_options(name, oracles, estimates, sdr_only, overlap, jobs):
    check_protocol(name)
    for oracle in oracles:
        check_oracle(oracle)
    if sdr_only and name != DEFAULT_PROTOCOL:
        raise ValueError(f"sdr_only=True is for {DEFAULT_PROTOCOL}. Received: protocol={name!r}.")
    if estimates is not None and overlap is not None:
        raise ValueError(f"overlap={overlap} is for separation, and estimates={str(estimates)!r} are separated.")
    check_integer("jobs", jobs)


def _prepare_folder(output, tracks, resume):
    if output is None:
        if resume:
            raise ValueError("resume=True needs the output folder of the interrupted evaluation. Received: None.")
        return
    if not resume:
        _check_unused(Path(output), tracks)
    Path(output).mkdir(parents=True, exist_ok=True)  # now: what cannot be written is found before the work


def _check_unused(output, tracks):
    if (output / SUMMARY).exists():
        raise FileExistsError(f"{output / SUMMARY} exists. Choose another output folder, or remove it.")
    finished = [track.name for track in tracks if track_path(output, track.name).exists()]
    if finished:
        raise FileExistsError(
            f"{output} holds {len(finished)} tracks of an unfinished evaluation. Go on with it by resume=True "
            "(--resume), or choose another output folder."
        )


def _take_finished(scores, tracks, output):
    for track in tracks:
        if track_path(output, track.name).exists():
            load_track(scores, track.name, output)
            _check_length(track, scores.seconds[track.name], output)


def _check_length(track, seconds, output):
    if abs(track.samples / track.sample_rate - seconds) > 1 / track.sample_rate:
        raise ValueError(
            f"{track_path(output, track.name)} was made of {seconds:.2f} s, while the track has "
            f"{track.samples / track.sample_rate:.2f} s. Choose another output folder."
        )


def _score(scores, scorer, tracks, output, jobs, progress):
    """Scores the tracks that `scores` does not hold yet, and stores each as it is done."""
    left = [track for track in tracks if track.name not in scores.tracks]
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
                scores.add_track(track.name, result)
                if output is not None:
                    save_track(scores, track.name, output)
            bar.update()
    if len(failures) == len(tracks):
        kind = ValueError if all(failure.wrong_use for failure in failures.values()) else RuntimeError
        name, failure = next(iter(failures.items()))
        raise kind(f"None of {len(tracks)} tracks could be scored. {name}: {failure.message}")
    scores.failures = {name: failure.message for name, failure in failures.items()}
    scores.sort([track.name for track in tracks])
    _warn_of_sensitivity(scores.sensitivity)


def _warn_of_sensitivity(sensitivity):
    moved = {track: change for track, change in sensitivity.items() if change > _TRUSTED}
    if moved:
        worst = max(moved, key=moved.get)
        _log.warning(
            "ISR, SIR and SAR of %d of %d tracks depend on inaudible detail: noise of 1e-6 on the references moves "
            "them by up to %.1f dB (%s). Compare SDR, or evaluate stems of 16 bits; see tfsep.evaluation.bss_eval.",
            len(moved),
            len(sensitivity),
            moved[worst],
            worst,
        )


def _results(scorer, tracks, jobs) -> Iterator[tuple[Track, TrackResult | Failure]]:
    if jobs == 1 or len(tracks) < 2:
        yield from ((track, scorer(track)) for track in tracks)
        return
    with closing(in_processes(scorer, tracks, jobs)) as results:
        for index, result in results:
            yield tracks[index], result
