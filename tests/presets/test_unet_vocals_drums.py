"""The preset that comes with the package, on the embedded song."""

from __future__ import annotations

import numpy as np
import pytest

import tfsep
from tfsep import presets

NAME = "unet-vocals-drums"


@pytest.fixture(scope="module")
def model():
    return tfsep.load_model(NAME)


@pytest.fixture(scope="module")
def track():
    return tfsep.datasets.embedded()[0]


def scores(model, track, gain: float = 1.0) -> dict[str, float]:
    """Median SDR of each source over the song's seconds, for the mixture at another level."""
    mixture = track.read("mixture") * np.float32(gain)
    stems = tfsep.separate(mixture, model, track.sample_rate)
    references = np.stack([track.read(source) * gain for source in model.sources])
    values = tfsep.evaluation.sdr(references, np.stack([stems[s] for s in model.sources]), track.sample_rate)
    return dict(zip(model.sources, np.nanmedian(values, axis=1), strict=True))


def test_is_the_published_network_in_under_three_megabytes(model):
    assert model.count_params() == 985_978
    folder = presets.folder(NAME)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000
    card = (folder / presets.CARD).read_text(encoding="utf-8")
    assert all(heading in card for heading in ("## Data", "## Training", "## Scores", "## Limits"))


def test_weights_are_rounded_to_half_precision(model):
    assert all(np.array_equal(weight, weight.astype(np.float16)) for weight in model.get_weights())


def test_level_of_the_song_does_not_matter(model, track):
    plain = scores(model, track)
    for gain in (0.25, 4.0):
        for source, value in scores(model, track, gain).items():
            assert value == pytest.approx(plain[source], abs=0.2)


def test_finds_drums_in_a_song_that_no_training_has_seen(model, track):
    """Better than the mixture row by a margin that an untrained or damaged network does not reach."""
    result = tfsep.evaluate(model, [track], sdr_only=True)
    assert result.median("drums") > result.median("drums", row="mixture") + 1.0
    assert result.median("drums") < result.median("drums", row="IRM1")


def test_summary_has_both_bounds_beside_the_scores():
    text = "\n".join(presets.summary(NAME))
    assert all(word in text for word in ("bsseval_v4", "vocals", "drums", "mixture", "IRM1"))
