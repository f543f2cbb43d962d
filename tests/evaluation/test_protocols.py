"""What each protocol measures and how it sums up, against plain numpy and mir_eval."""

import json
import math
import re

import numpy as np
import pytest
from evaluation_material import RATE, FakeModel, FakeTrack, noisy_stem, save_estimates

from tfsep.evaluation import (
    Scores,
    bleedless_fullness,
    bss_eval_sources,
    evaluate,
    l1_freq,
    log_wmse,
    read_results,
    usdr,
)
from tfsep.evaluation.result_files import summary

KARAOKE = ("vocals", "accompaniment")
TRACKS = tuple(
    FakeTrack(name, samples=samples, sources=KARAOKE, channels=1)
    for name, samples in (("a", 4000), ("bb", 12000), ("ccc", 8000))
)
SECONDS = (1, 3, 2)


@pytest.fixture
def folder(tmp_path):
    return save_estimates(tmp_path / "net", TRACKS, KARAOKE)


def _mono(track, sources):
    return np.stack([track.stems[name][:, 0] for name in sources]).astype(np.float64)


def _estimates(track):
    return np.stack([noisy_stem(track, name)[:, 0] for name in KARAOKE]).astype(np.float64)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_bsseval_v3_is_mir_evals_weighted_by_length(folder):
    separation = pytest.importorskip("mir_eval.separation")
    scores = evaluate(None, TRACKS, estimates=folder, protocol="bsseval_v3", oracles=())
    rows = []
    for track in TRACKS:
        references = _mono(track, KARAOKE)
        sdr, sir, sar, _ = separation.bss_eval_sources(references, _estimates(track), compute_permutation=False)
        mixtures = np.stack([track.stems["mixture"][:, 0]] * 2).astype(np.float64)
        base = separation.bss_eval_sources(references, mixtures, compute_permutation=False)[0]
        rows.append([sdr - base, sir, sar])
    for place, source in enumerate(KARAOKE):
        for measure, values in zip(("NSDR", "SIR", "SAR"), np.array(rows)[:, :, place].T, strict=True):
            found = [scores.rows["model"][track.name][source][measure][0] for track in TRACKS]
            np.testing.assert_allclose(found, values, atol=2e-5)
            assert scores.score(source, measure) == pytest.approx(np.average(values, weights=SECONDS), abs=2e-5)
    assert scores.score("vocals") == scores.score("vocals", "NSDR")
    assert scores.score("vocals", row="mixture") == 0


def test_the_table_of_bsseval_v3(folder):
    scores = evaluate(None, TRACKS, estimates=folder, protocol="bsseval_v3", oracles=("IRM1",))
    blocks = str(scores).split("\n\n")
    assert [block.split()[0] for block in blocks] == ["GNSDR", "GSIR", "GSAR", "GNSDR,"]
    assert f" {scores.score('vocals', 'SIR'):.2f} [" in blocks[1].splitlines()[1]
    assert "bsseval_v3: whole tracks; mean over tracks, weighted by their length (here 3)" in blocks[3]
    assert "net: 0 of 3 tracks have no NSDR" in blocks[3]


def test_the_oracles_of_bsseval_v3_take_the_sine_window(folder):
    """|S| / sum |S| on an STFT of 1024 samples, hop 512, in plain numpy."""
    track = TRACKS[1]
    window = np.sin(np.pi * (np.arange(1024) + 0.5) / 1024)
    padded = {name: np.pad(stem[:, 0].astype(np.float64), 1024) for name, stem in track.stems.items()}
    estimates = np.zeros((2, len(padded["mixture"])))
    for start in range(0, len(padded["mixture"]) - 1023, 512):
        spectra = {name: np.fft.rfft(window * stem[start : start + 1024]) for name, stem in padded.items()}
        magnitudes = np.stack([np.abs(spectra[name]) for name in KARAOKE])
        frames = magnitudes / np.maximum(magnitudes.sum(axis=0), 1e-12) * spectra["mixture"]
        estimates[:, start : start + 1024] += window * np.fft.irfft(frames)
    expected = bss_eval_sources(_mono(track, KARAOKE), estimates[:, 1024 : 1024 + track.samples])
    scores = evaluate(None, TRACKS, estimates=folder, protocol="bsseval_v3")
    for place, source in enumerate(KARAOKE):
        assert scores.rows["IRM1"]["bb"][source]["SDR"][0] == pytest.approx(expected["SDR"][place], abs=0.02)


def test_si_sdr_and_sdr_of_whole_tracks(folder):
    scores = evaluate(None, TRACKS, estimates=folder, protocol="si_sdr", oracles=("IBM1",))
    values = {"SI-SDR": [], "SI-SDRi": [], "SDR": []}
    for track in TRACKS:
        reference, mixture = _mono(track, ("vocals", "mixture"))
        estimate = _estimates(track)[0]
        values["SI-SDR"].append(_si_sdr(reference, estimate))
        values["SI-SDRi"].append(_si_sdr(reference, estimate) - _si_sdr(reference, mixture))
        values["SDR"].append(10 * np.log10(np.sum(reference**2) / np.sum((estimate - reference) ** 2)))
    for measure, expected in values.items():
        np.testing.assert_allclose(scores.track_medians("vocals", measure), expected, atol=1e-4)
        assert scores.score("vocals", measure) == pytest.approx(np.median(expected), abs=1e-4)
    assert scores.score() == scores.score(None, "SI-SDR")
    assert [block.split()[0] for block in str(scores).split("\n\n")[:5]] == [
        "SI-SDR",
        "SI-SDRi",
        "SI-SIR",
        "SI-SAR",
        "SDR",
    ]


def _si_sdr(reference, estimate):
    target = reference * (reference @ estimate) / (reference @ reference)
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))


def test_a_track_with_a_silent_source_has_no_weight_and_is_counted(tmp_path):
    silent = FakeTrack("dddd", sources=KARAOKE, channels=1)
    silent.stems["vocals"][:] = 0
    tracks = [*TRACKS, silent]
    folder = save_estimates(tmp_path / "net", tracks, KARAOKE)
    with_it = evaluate(None, tracks, estimates=folder, protocol="bsseval_v3")
    without = evaluate(None, TRACKS, estimates=folder, protocol="bsseval_v3")
    assert with_it.windows() == (4, 1)
    assert with_it.score("vocals") == without.score("vocals")
    count, level = with_it.leakage("vocals")
    mixture, estimate = silent.stems["accompaniment"], noisy_stem(silent, "vocals")
    assert (count, level) == (1, pytest.approx(10 * np.log10(np.sum(estimate**2) / np.sum(mixture**2)), abs=1e-4))
    assert f"vocals {level:.1f} dB (median of 1 tracks)" in str(with_it)


def test_scores_of_nothing_but_silence_are_nan_and_counted(tmp_path):
    track = FakeTrack("a", sources=KARAOKE, channels=1)
    for stem in track.stems.values():
        stem[:] = 0
    folder = save_estimates(tmp_path / "net", [track], KARAOKE)
    for name in ("bsseval_v4", "bsseval_v3", "si_sdr"):
        scores = evaluate(None, [track], estimates=folder, protocol=name, oracles=("IBM1", "IRM2", "MWF"))
        assert all(math.isnan(scores.score(source, row=row)) for source in KARAOKE for row in scores.rows)
        total, nan = scores.windows()
        assert total == nan > 0
        json.loads(json.dumps(summary(scores), allow_nan=False))


def test_the_mean_over_tracks_of_mdx_msst_and_log_wmse(folder):
    scores = evaluate(None, TRACKS, estimates=folder, protocol="mdx, msst,log_wmse", oracles="IRM1, IBM1")
    assert set(scores["mdx"].rows) == {"model", "mixture", "IRM1", "IBM1"}
    expected = {"uSDR": [], "bleedless": [], "fullness": [], "L1-freq": [], "log-WMSE": []}
    for track in TRACKS:
        references, estimates = (audio[:, :, np.newaxis] for audio in (_mono(track, KARAOKE), _estimates(track)))
        expected["uSDR"].append(usdr(references, estimates))
        for name, values in bleedless_fullness(references, estimates, RATE).items():
            expected[name].append(values)
        expected["L1-freq"].append(l1_freq(references, estimates))
        expected["log-WMSE"].append(log_wmse(references, estimates, track.stems["mixture"], RATE))
    measures = [(result, measure) for result in scores.values() for measure in result.measures()]
    assert [measure for _, measure in measures] == list(expected)
    for result, measure in measures:
        np.testing.assert_allclose(result.score("vocals", measure), np.mean(expected[measure], axis=0)[0], rtol=1e-3)
    assert "uSDR in dB, mdx: whole tracks; mean over tracks (here 3)" in str(scores["mdx"])
    assert "log-WMSE, log_wmse: whole tracks" in str(scores["log_wmse"])


def test_several_protocols_separate_once_and_score_as_each_alone(tmp_path):
    protocols = ("bsseval_v4", "bsseval_v3", "si_sdr", "mdx")
    model = FakeModel(*KARAOKE)
    together = evaluate(model, TRACKS, tmp_path, protocols, oracles=("IRM1",))
    assert len(model.calls) == len(TRACKS)
    for name in protocols:
        alone = evaluate(model, TRACKS, protocol=name, oracles=("IRM1",))
        np.testing.assert_equal(together[name].rows, alone.rows)
        np.testing.assert_equal(read_results([tmp_path / name])[0].rows, alone.rows)
    (tmp_path / "mdx" / "bb.json").unlink()
    again = evaluate(model, TRACKS, tmp_path, protocols, oracles=("IRM1",), resume=True)
    assert len(model.calls) == 5 * len(TRACKS) + 1
    np.testing.assert_equal(again["si_sdr"].rows, together["si_sdr"].rows)
    assert again["mdx"].tracks == ("a", "bb", "ccc")


def test_stereo_is_refused_before_it_is_separated():
    model = FakeModel("vocals")
    with pytest.raises(ValueError, match=r"a has 2 channels\. bsseval_v3 scores mono; take bsseval_v4"):
        evaluate(model, [FakeTrack("a")], protocol="bsseval_v3")
    assert not model.calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "bss_eval"}, "Unknown protocol 'bss_eval'. Expected one of: bsseval_v4, bsseval_v3, si_sdr"),
        ({"protocol": []}, "protocol names none"),
        ({"oracles": ["IRM1", "IRM3"]}, "Unknown oracle 'IRM3'. Expected one of: IBM1, IBM2, IRM1, IRM2, MWF"),
        ({"jobs": 0}, "jobs must be an integer of at least 1. Received: jobs=0"),
        ({"protocol": "si_sdr", "sdr_only": True}, "sdr_only=True is for bsseval_v4. Received: protocol='si_sdr'"),
        ({"overlap": 0.5}, "is for separation by a model, not for FolderEstimates("),
        ({"resume": True}, "needs the output folder"),
    ],
)
def test_wrong_options(folder, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate(None, TRACKS, estimates=folder, **options)


def test_an_unknown_protocol_has_no_scores():
    with pytest.raises(ValueError, match="Unknown protocol"):
        Scores("net", ("vocals",), protocol="v5")


def test_rate_of_the_material():
    assert [track.samples / RATE for track in TRACKS] == list(SECONDS)
