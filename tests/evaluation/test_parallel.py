"""Functions and tracks in other processes."""

import multiprocessing
import os
import time

import numpy as np
import pytest
from evaluation_material import FakeTrack, die, fail, save_estimates, sleep, where_and_how

from tfsep.evaluation import evaluate
from tfsep.evaluation.parallel import in_processes


def test_processes_have_one_thread_each_and_log_here(monkeypatch, caplog):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    results = dict(in_processes(where_and_how, ["a", "b", "c"], jobs=2))
    assert [results[index][2] for index in range(3)] == ["a", "b", "c"]
    assert os.getpid() not in {process for process, *_ in results.values()}
    assert all(set(threads.values()) == {"1"} for _, threads, _ in results.values())
    assert sorted(record.getMessage() for record in caplog.records) == ["argument a", "argument b", "argument c"]
    assert (os.environ["OMP_NUM_THREADS"], os.environ.get("OPENBLAS_NUM_THREADS")) == ("7", None)


def test_leaving_early_ends_the_processes():
    results = in_processes(sleep, [0, 600, 600], jobs=2)
    start = time.monotonic()
    assert next(results) == (0, 0)
    results.close()
    assert time.monotonic() - start < 300  # far below the 600 that are slept
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_an_error():
    with pytest.raises(RuntimeError, match=r"ended by itself.*__main__"):
        list(in_processes(die, [0, 1], jobs=2))


def test_a_fault_of_the_program_is_raised_here():
    with pytest.raises(TypeError, match="a bug"):
        list(in_processes(fail, [0], jobs=2))


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(ValueError, match=r"other processes.*by path or name, or take jobs=1\.$"):
        list(in_processes(lambda value: value, [0, 1], jobs=2))


def test_estimates_scored_in_processes_are_the_same_in_the_same_order(tmp_path):
    sources = ("vocals", "drums")
    tracks = [FakeTrack(name, sources=sources, channels=1) for name in ("dddd", "a", "ccc", "bb")]
    folder = save_estimates(tmp_path / "net", tracks[:3], sources)
    one, two = (
        evaluate(None, tracks, estimates=folder, output=tmp_path / str(jobs), oracles=("IRM1", "MWF"), jobs=jobs)
        for jobs in (1, 2)
    )
    assert two.tracks == ("dddd", "a", "ccc")
    for row in ("model", "mixture", "IRM1", "MWF"):
        for track in one.tracks:
            for source, measures in one.rows[row][track].items():
                for measure, values in measures.items():  # threads of BLAS round otherwise
                    np.testing.assert_allclose(two.rows[row][track][source][measure], values, atol=1e-3)
    assert two.failures == one.failures
    assert "bb is missing" in two.failures["bb"]
    for jobs in ("1", "2"):
        files = sorted(path.name for path in (tmp_path / jobs).iterdir())
        assert files == ["a.json", "ccc.json", "dddd.json", "summary.json"]


@pytest.mark.slow
def test_a_model_goes_along(small_preset):
    from tfsep.loading import load_model

    tracks = [FakeTrack("a", samples=8000), FakeTrack("bb", samples=8000)]
    model = load_model(small_preset)
    one, two = (evaluate(model, tracks, sdr_only=True, jobs=jobs) for jobs in (1, 2))
    for track in ("a", "bb"):
        for source in model.sources:
            values = [scores.rows["model"][track][source]["SDR"] for scores in (one, two)]
            np.testing.assert_allclose(*values, atol=1e-3)
