"""Differences between models, against scipy and by hand."""

import math

import numpy as np
import pytest
import scipy.stats

from tfsep.evaluation import Scores, compare, comparison_table

GENERATOR = np.random.default_rng(0)
FIRST = GENERATOR.normal(5, 2, (12, 2))
SECOND = FIRST + GENERATOR.normal(0.5, 0.5, (12, 2))


def _scores(model, values, protocol="mdx", order=None):
    measure = {"mdx": "uSDR", "bsseval_v4": "SDR"}[protocol]
    scores = Scores(model, ("vocals", "drums"), protocol=protocol)
    for index in order or range(len(values)):
        frames = zip(scores.targets, values[index], strict=True)
        scores.add("model", f"song {index}", {target: {measure: np.array([value])} for target, value in frames})
    return scores


@pytest.mark.parametrize(("protocol", "middle"), [("mdx", np.mean), ("bsseval_v4", np.median)])
def test_differences_of_tracks(protocol, middle):
    found = compare(_scores("a", FIRST, protocol), _scores("b", SECOND, protocol, order=[*range(11, -1, -1)]))
    differences = SECOND - FIRST
    for target, values in {
        "vocals": differences[:, 0],
        "drums": differences[:, 1],
        "mean": differences.mean(axis=1),
    }.items():
        np.testing.assert_allclose(found[target].values, values, atol=2e-5)
        assert found[target].value == pytest.approx(middle(values), abs=2e-5)
        assert found[target].better == np.sum(values > 0)
        assert found[target].p == pytest.approx(scipy.stats.wilcoxon(values).pvalue)
        assert found[target].low < found[target].value < found[target].high


def test_the_bootstrap_interval_is_that_of_a_mean():
    values = compare(_scores("a", FIRST), _scores("b", SECOND))["vocals"]
    error = 1.96 * np.std(values.values) / math.sqrt(len(FIRST))
    assert values.high - values.low == pytest.approx(2 * error, rel=0.15)


def test_equal_models_do_not_differ():
    found = compare(_scores("a", FIRST), _scores("b", FIRST))["mean"]
    assert (found.value, found.low, found.high, found.p, found.better) == (0, 0, 0, 1, 0)


def test_tracks_without_a_score_are_left_out():
    gaps = SECOND.copy()
    gaps[3, 0] = np.nan
    found = compare(_scores("a", FIRST), _scores("b", gaps))["vocals"]
    known = np.delete(SECOND - FIRST, 3, axis=0)[:, 0]
    assert found.value == pytest.approx(known.mean(), abs=2e-5)
    assert found.p == pytest.approx(scipy.stats.wilcoxon(known).pvalue)
    nothing = compare(_scores("a", FIRST), _scores("b", np.full_like(FIRST, np.nan)))["vocals"]
    assert math.isnan(nothing.value) and math.isnan(nothing.p) and math.isnan(nothing.low)


def test_table_of_differences_from_the_first():
    scores = [_scores("a", FIRST), _scores("b", SECOND), _scores("c", FIRST)]
    lines = comparison_table(scores).splitlines()
    assert [line.split("  ")[0] for line in lines[1:7]] == ["b - a"] * 3 + ["c - a"] * 3
    found = compare(*scores[:2])["vocals"]
    assert f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]  {found.better} of 12  {found.p:.2g}" in " ".join(
        lines[1].split(" ")
    ).replace("   ", "  ")
    assert "differences over 12 tracks, mean [95 % bootstrap interval]" in lines[-1]
    assert comparison_table(scores, markdown=True).startswith("| uSDR")


def test_wrong_comparisons_are_refused():
    with pytest.raises(ValueError, match=r"needs two models or more\. Received: 1"):
        comparison_table([_scores("a", FIRST)])
    with pytest.raises(ValueError, match="mix protocols"):
        compare(_scores("a", FIRST), _scores("b", FIRST, "bsseval_v4"))
    with pytest.raises(ValueError, match="same tracks"):
        compare(_scores("a", FIRST), _scores("b", FIRST[:5]))
    other = Scores("b", ("bass",), protocol="mdx")
    for index in range(12):
        other.add("model", f"song {index}", {"bass": {"uSDR": np.array([1.0])}})
    with pytest.raises(ValueError, match="no target in common"):
        compare(_scores("a", FIRST), other)
