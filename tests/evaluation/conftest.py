import importlib.util
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def museval():
    """museval, where it can be imported: it needs the executables ffmpeg and ffprobe."""
    try:
        import museval
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"museval cannot be imported: {error}")
    return museval


@pytest.fixture(scope="session")
def falcon():
    """The song inside stempeg: (mixture, dict of stems, sample rate)."""
    from tfsep import audio

    path = next(iter(importlib.util.find_spec("stempeg").submodule_search_locations))
    song = Path(path) / "data" / "The Easton Ellises - Falcon 69.stem.mp4"
    names = ("mixture", "drums", "bass", "other", "vocals")
    streams = {name: audio.read(song, stream=index) for index, name in enumerate(names)}
    sample_rate = streams["mixture"][1]
    stems = {name: samples for name, (samples, _) in streams.items()}
    return stems.pop("mixture"), stems, sample_rate


@pytest.fixture
def noise():
    """A function that makes white noise of any shape, always the same."""
    generator = np.random.default_rng(0)
    return lambda *shape: (0.1 * generator.standard_normal(shape)).astype(np.float32)
