import numpy as np
import pytest


class Identity:
    """A model that returns the mixture as "plain", and with the opposite sign as "minus"."""

    sources = ("plain", "minus")

    def __init__(self, segment=100, context=0, channels=1, sample_rate=8000):
        self.segment = segment
        self.context = context
        self.channels = channels
        self.sample_rate = sample_rate
        self.shapes = set()

    def separate_window(self, window):
        assert window.dtype == np.float32
        self.shapes.add(window.shape)
        centre = window[:, self.context : window.shape[1] - self.context]
        return {"plain": centre, "minus": -centre}


@pytest.fixture(scope="session")
def identity():
    return Identity
