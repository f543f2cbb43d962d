"""Scores a model on whole tracks, beside the bounds of what is possible."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tfsep.audio import AudioError
from tfsep.datasets import Track, components
from tfsep.evaluation.bss_eval import bss_eval
from tfsep.evaluation.oracles import ideal_ratio_mask, mixture_estimates
from tfsep.evaluation.scores import SUMMARY, Scores

_log = logging.getLogger("tfsep")


def evaluate(
    model,
    tracks: Iterable[Track],
    output: str | Path | None = None,
    sdr_only: bool = False,
    overlap: float | None = None,
    progress: bool = False,
) -> Scores:
    """Separates whole tracks and scores the estimates by museval's protocol (BSS Eval v4, 1-s windows).

    Tracks are separated and scored at their own rate and channels. The references are the track's stems, or,
    for a model that estimates `accompaniment`, the model's sources with the accompaniment as the sum of all
    other stems. In the place of a stem that the model does not estimate stands the mixture row's estimate, so
    that the windows that count are those of a complete evaluation; such a stem is not reported.

    Beside the model the result holds the row `mixture` (SiSEC 2018's MIX) and the row `IRM1` (the ideal ratio
    mask), both for SDR.

    Args:
        model: a model, a path or a preset's name; see `tfsep.load_model`.
        tracks: the tracks, usually a dataset such as `tfsep.datasets.MUSDB18(root, split="test")`.
        output: path or None. A folder for `<track>.json` in museval's schema, written as each track is done,
            and for `summary.json`. Defaults to None.
        sdr_only: bool, leaves out ISR, SIR and SAR, which take most of the time and memory. Defaults to
            False.
        overlap: float or None, handed to `tfsep.separate`; None leaves its default.
        progress: bool, shows a progress bar. Defaults to False.

    Returns:
        `Scores`. A track that could not be read or scored is named in `failures`; the others are scored.

    Raises:
        ValueError: if there are no tracks, or two of the same name, or no track fits the model.
        RuntimeError: if every track failed, for other reasons.
        FileExistsError: if `output` holds a finished evaluation.

    Example:

    >>> scores = tfsep.evaluate(model, tfsep.datasets.MUSDB18(root, split="test"), output="scores/unet")
    >>> print(scores)
    """
    from tfsep.models import load_model  # loads Keras

    tracks = list(tracks)
    _check_names([track.name for track in tracks])
    if output is not None:
        _prepare_folder(Path(output))
    name = _name(model)
    model = load_model(model)
    scores = Scores(name, tuple(model.sources))
    errors = []
    for track in tqdm(tracks, desc="evaluate", unit="track", disable=not progress):
        try:
            rows = _score(model, track, sdr_only, overlap)
        except (AudioError, OSError, ValueError) as error:
            _log.warning("%s is left out: %s", track.name, error)
            scores.failures[track.name] = str(error)
            errors.append(error)
            continue
        for row, frames in rows.items():
            scores.add(row, track.name, frames)
        if output is not None:
            scores.save_track(track.name, output)
    if len(errors) == len(tracks):
        kind = ValueError if all(isinstance(error, ValueError) for error in errors) else RuntimeError
        first = f"{tracks[0].name}: {errors[0]}"
        raise kind(f"None of {len(tracks)} tracks could be scored. {first}") from errors[0]
    if output is not None:
        scores.save_summary(output)
    return scores


def _name(model):
    if isinstance(model, (str, Path)):
        return Path(model).name
    return getattr(model, "name", type(model).__name__)


def _check_names(names):
    if not names:
        raise ValueError("tracks holds no track. Expected at least one.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"tracks holds {count} tracks named {name!r}. Expected names that differ.")
    if Path(SUMMARY).stem in names:
        raise ValueError(f"A track is named {Path(SUMMARY).stem!r}, as the result file is. Rename the track.")


def _prepare_folder(folder):
    if (folder / SUMMARY).exists():
        raise FileExistsError(f"{folder / SUMMARY} exists. Choose another output folder, or remove it.")
    folder.mkdir(parents=True, exist_ok=True)


def _score(model, track, sdr_only, overlap):
    """Frame scores of each row on one track: row -> target -> measure -> [frames]."""
    from tfsep.separation import separate  # loads Keras

    if not track.samples:
        raise ValueError(f"{track.name} has 0 samples. Expected a track with audio.")
    parts = _references(model, track)
    targets = tuple(parts)
    stems = track.read_sources(track.sources)
    references = {target: sum(stems[name] for name in names) for target, names in parts.items()}
    mixture = track.read("mixture")
    options = {} if overlap is None else {"overlap": overlap}
    separated = separate(mixture, model=model, sample_rate=track.sample_rate, **options)
    mixtures = mixture_estimates(mixture, targets, track.sources)
    rows = {
        "model": {name: separated[name] if name in model.sources else mixtures[name] for name in targets},
        "mixture": mixtures,
        "IRM1": ideal_ratio_mask(mixture, stems, targets),
    }
    return {
        row: _frames(references, estimates, track.sample_rate, sdr_only or row != "model")
        for row, estimates in rows.items()
    }


def _references(model, track):
    """Says which stems add up to each reference: name -> stems."""
    parts = components(model.sources, track.sources)  # raises where the track lacks one of the model's
    if "accompaniment" in model.sources:
        return parts
    return components(track.sources, track.sources)


def _frames(references, estimates, sample_rate, sdr_only):
    values = bss_eval(
        np.stack(list(references.values())),
        np.stack([estimates[name] for name in references]),
        sample_rate,
        sdr_only=sdr_only,
    )
    return {
        name: {measure: frames[index] for measure, frames in values.items()} for index, name in enumerate(references)
    }
