import numpy as np
import pytest

from tfsep import audio


@pytest.fixture
def noise():
    """A function that makes noise `[samples, channels]`, the same for the same seed."""

    def make(samples, channels=2, seed=0):
        generator = np.random.default_rng(seed)
        return (0.1 * generator.standard_normal((samples, channels))).astype(np.float32)

    return make


@pytest.fixture
def write_song():
    """A function that writes a folder of stems from a dict of file names and arrays."""

    def write(folder, stems, sample_rate=8000):
        folder.mkdir(parents=True)
        for name, samples in stems.items():
            audio.write(folder / name, samples, sample_rate)
        return folder

    return write


@pytest.fixture(scope="class")
def tree(request, tmp_path_factory):
    """The root of the tree that a `CorpusCase` builds, and what it holds; the same for all of its tests."""
    root = tmp_path_factory.mktemp("corpus")
    return root, request.cls().build(root)
