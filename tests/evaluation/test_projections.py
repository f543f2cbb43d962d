import tracemalloc

import numpy as np
import pytest
import scipy.signal

from tfsep.evaluation import bss_eval
from tfsep.evaluation.projections import ENERGIES, TAPS, distortion_filters, energies

PAIRS = [(0, 0), (1, 1)]


def test_correlations_across_blocks_give_the_filter_back(noise):
    """Longer than a group of blocks, in two stereo sources; each filter reaches over the full 512 taps."""
    references = noise(2, 70000, 2).astype(float)
    references[:, -TAPS:] = 0  # so that nothing of the filtered references is cut off
    filters = np.random.default_rng(1).standard_normal((TAPS, 4, 4))
    rows = references.transpose(0, 2, 1).reshape(4, -1)
    estimates = np.zeros_like(rows)
    for output in range(4):
        for row in range(4):
            estimates[output] += scipy.signal.lfilter(filters[:, row, output], 1, rows[row])
    estimates = estimates.reshape(2, 2, -1).transpose(0, 2, 1)
    found = distortion_filters(references, estimates, PAIRS)
    assert found.shape == (TAPS, 4, 8)
    np.testing.assert_allclose(found[:, :, :4], filters, atol=1e-8)
    # A source's own filters know nothing of the other's rows.
    assert not found[:, 2:, 4:6].any()
    assert not found[:, :2, 6:].any()


@pytest.mark.parametrize("samples", [1, 3585, 3586, 60000])
def test_energies_across_blocks(noise, samples):
    references, estimates = (audio.astype(float) for audio in (noise(2, samples, 1), noise(2, samples, 1)[::-1]))
    filters = np.random.default_rng(1).standard_normal((TAPS, 2, 4))
    filters[:, 1, 2] = filters[:, 0, 3] = 0
    found = energies(references, estimates, filters, PAIRS, [slice(0, samples)])
    assert found.shape == (len(ENERGIES), 2, 1)
    for index in range(2):
        convolved = [
            sum(scipy.signal.fftconvolve(references[row, :, 0], filters[:, row, output]) for row in range(2))
            for output in (index, 2 + index)
        ]
        p, f = convolved
        s, e = (np.pad(audio[index, :, 0], (0, TAPS - 1)) for audio in (references, estimates))
        expected = {"s": s, "S": f, "P": p, "e-s": e - s, "S-s": f - s, "P-S": p - f, "e-P": e - p, "e-S": e - f}
        np.testing.assert_allclose(found[:, index, 0], [np.sum(expected[name] ** 2) for name in ENERGIES])


def test_windows_are_filtered_by_themselves(noise):
    references, estimates = noise(2, 3000, 1), noise(2, 3000, 1)
    filters = distortion_filters(references, estimates, PAIRS)
    spans = [slice(0, 1000), slice(500, 1500), slice(2000, 3000)]
    found = energies(references, estimates, filters, PAIRS, spans)
    for index, span in enumerate(spans):
        alone = energies(references[:, span], estimates[:, span], filters, PAIRS, [slice(0, 1000)])
        np.testing.assert_array_equal(found[:, :, [index]], alone)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_number_of_threads_changes_nothing(noise, monkeypatch, threads):
    references, estimates = noise(2, 200000, 1), noise(2, 200000, 1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    expected = distortion_filters(references, estimates, PAIRS)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    np.testing.assert_array_equal(distortion_filters(references, estimates, PAIRS), expected)


@pytest.mark.parametrize("window", [1.0, np.inf])
def test_memory_does_not_grow_with_the_track(noise, monkeypatch, window):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # two threads need most at the same time only now and then

    def peak(samples):
        references, estimates = noise(1, samples, 1), noise(1, samples, 1)
        tracemalloc.start()
        bss_eval(references, estimates, 8000, window=window)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100_000)  # what is imported and kept at the first call
    short, long = peak(500_000), peak(3_000_000)
    assert long < short + 3e6  # the audio takes 24 MB, and twice as much in float64
