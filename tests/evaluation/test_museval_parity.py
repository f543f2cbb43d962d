"""Scores on MUSDB18's own files against museval's, which reads them through musdb (both need ffmpeg and ffprobe)."""

import json

import numpy as np
import pytest

from tfsep.datasets import MUSDB18
from tfsep.evaluation import MEASURES, bss_eval

TARGETS = ("vocals", "accompaniment")
REGRESSION = "Music Delta - 80s Rock"
PREVIEWS = ("ANiMAL - Rockshow", "Leaf - Wicked", REGRESSION)


@pytest.fixture(scope="session")
def previews(real_data):
    """The corpus's tracks by name."""
    root = real_data("musdb18-7s")
    return {track.name: track for split in ("train", "valid") for track in MUSDB18(root, split)}


def _scores(track, estimates):
    references = track.read_sources(TARGETS, 0, len(estimates["vocals"]))
    return bss_eval(*(np.stack([audio[name] for name in TARGETS]) for audio in (references, estimates)), 44100)


def _frames(content):
    """museval's result file as `[targets, windows]` of each measure."""
    frames = {target["name"]: [frame["metrics"] for frame in target["frames"]] for target in content["targets"]}
    return {name: np.array([[frame[name] for frame in frames[target]] for target in TARGETS]) for name in MEASURES}


def _filtered(mixture):
    """A cheap separation: a moving average is the accompaniment."""
    low = np.stack([np.convolve(channel, np.full(32, 1 / 32), "same") for channel in mixture.T], axis=1)
    return {"vocals": mixture - low, "accompaniment": low}


@pytest.mark.parametrize(
    ("name", "seconds"),
    [(PREVIEWS[0], 2), *(pytest.param(name, 7, marks=pytest.mark.slow) for name in PREVIEWS)],
)
def test_previews_score_as_by_museval_through_musdb(museval, real_data, previews, name, seconds):
    """Each library separates the mixture that it reads itself."""
    import musdb

    (theirs,) = (track for track in musdb.DB(root=str(real_data("musdb18-7s"))) if track.name == name)
    theirs.chunk_duration = seconds
    mixture = theirs.audio
    expected = _frames(json.loads(museval.eval_mus_track(theirs, _filtered(mixture)).json))
    values = _scores(previews[name], _filtered(previews[name].read("mixture", 0, len(mixture))))
    for measure in MEASURES:
        np.testing.assert_allclose(values[measure], expected[measure], atol=0.01, err_msg=measure)


def test_museval_s_regression_case(real_data, previews):
    """Within museval's own tolerance: scores of white noise depend on the last bits of the AAC decoder, and the case
    was made by FFmpeg before 6. On musdb's arrays it agrees exactly, see below.
    """
    expected = _frames(json.loads(real_data(f"peers/museval/{REGRESSION}.json").read_text()))
    shape = (previews[REGRESSION].samples, 2)
    np.random.seed(0)
    values = _scores(previews[REGRESSION], {name: np.random.random(shape) for name in TARGETS})
    for measure, atol in {**dict.fromkeys(MEASURES, 0.1), "SDR": 1e-4}.items():
        np.testing.assert_allclose(values[measure], expected[measure], atol=atol, err_msg=measure)


@pytest.mark.slow
def test_museval_s_regression_case_on_musdb_s_arrays(real_data, museval):
    import musdb

    (track,) = (track for track in musdb.DB(root=str(real_data("musdb18-7s"))) if track.name == REGRESSION)
    expected = _frames(json.loads(real_data(f"peers/museval/{REGRESSION}.json").read_text()))
    np.random.seed(0)
    estimates = np.stack([np.random.random(track.audio.shape) for _ in TARGETS])
    values = bss_eval(np.stack([track.targets[name].audio for name in TARGETS]), estimates, 44100)
    for measure in MEASURES:
        np.testing.assert_allclose(values[measure], expected[measure], atol=0.01, err_msg=measure)
