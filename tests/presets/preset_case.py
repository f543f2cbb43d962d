"""Tests that every preset must pass, on the embedded song, with which no preset was trained.

A test module derives a class for each preset:

    class TestUnetVocalsDrums(PresetCase):
        name = "unet-vocals-drums"
        parameters = 985_978
        megabytes = 3
        margin = ("drums", 1.0)
"""

from __future__ import annotations

import numpy as np
import pytest

import tfsep
from tfsep import presets


class PresetCase:
    """Base of the tests of one preset.

    Attributes:
        name: str, the preset's name.
        parameters: int, of its model.
        megabytes: float, largest size of its folder.
        margin: a source, and the dB by which its SDR exceeds the mixture row on the embedded song, more than that of
            an untrained or damaged network.
        terms: what `config.json` says of commercial use, and the words by which the card says it.
    """

    name: str
    parameters: int
    megabytes: float
    margin: tuple[str, float]
    terms: tuple[str, str] = ("not allowed", "for research, not in a product")

    def test_size_and_card(self, model):
        assert model.count_params() == self.parameters
        folder = presets.folder(self.name)
        assert sum(path.stat().st_size for path in folder.iterdir()) < self.megabytes * 1e6
        card = (folder / presets.CARD).read_text(encoding="utf-8")
        assert all(heading in card for heading in ("## Data", "## Training", "## Scores", "## Limits"))

    def test_weights_are_rounded_to_half_precision(self, model):
        assert all(np.array_equal(weight, weight.astype(np.float16)) for weight in model.get_weights())

    def test_level_of_the_song_does_not_matter(self, model, track):
        plain, soft, loud = (_scores(model, track, gain) for gain in (1.0, 0.25, 4.0))
        for source in model.sources:
            assert soft[source] == pytest.approx(plain[source], abs=0.2)
            assert loud[source] == pytest.approx(plain[source], abs=0.2)

    def test_is_better_than_the_mixture_and_worse_than_the_oracle(self, model, track):
        result = tfsep.evaluate(model, [track], sdr_only=True)
        source, margin = self.margin
        assert result.median(source) > result.median(source, row="mixture") + margin
        assert result.median(source) < result.median(source, row="IRM1")

    def test_facts_are_those_of_the_card(self, model):
        (facts,) = (row for row in presets.table() if row["name"] == self.name)
        assert facts["sources"] == list(model.sources)
        assert facts["scores"]["values"].keys() == set(model.sources)
        commercial_use, words = self.terms
        assert facts["commercial_use"] == commercial_use
        card = (presets.folder(self.name) / presets.CARD).read_text(encoding="utf-8")
        assert words in " ".join(card.split())


def _scores(model, track, gain: float) -> dict[str, float]:
    """Return the median SDR of each source over the song's first seconds, for the mixture at another level."""
    samples = 3 * track.sample_rate
    stems = tfsep.separate(track.read("mixture", 0, samples) * np.float32(gain), model, track.sample_rate)
    references = track.read_sources(model.sources, 0, samples)
    values = tfsep.evaluation.sdr(
        gain * np.stack([references[source] for source in model.sources]),
        np.stack([stems[source] for source in model.sources]),
        track.sample_rate,
    )
    return dict(zip(model.sources, np.nanmedian(values, axis=1), strict=True))
