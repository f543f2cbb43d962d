"""Open-Unmix's files: tiny random networks, and what openunmix 1.3.0 itself gave for them (see `tests/peers`)."""

from pathlib import Path

import numpy as np
import pytest

import tfsep
from tfsep.checkpoints import Checkpoint, CheckpointError, read
from tfsep.checkpoints import open_unmix_weights as open_unmix

NETWORKS = Path(__file__).parent / "networks"
EVERY = 5


def checkpoints(*sources):
    return [read(NETWORKS / f"{source}.pth") for source in sources]


@pytest.mark.parametrize("iterations", [0, 1, 2])
@pytest.mark.parametrize(
    ("sources", "file", "hop", "channels"),
    [(("vocals", "drums"), "umx-stereo.npz", 32, 2), (("speech", "noise"), "umx-mono.npz", 64, 1)],
)
def test_separates_as_the_original(sources, file, hop, channels, iterations):
    model = open_unmix.build(checkpoints(*sources), hop=hop, sample_rate=8000, wiener=iterations)
    assert model.sources == sources
    assert model.unidirectional == (channels == 1)
    song = np.random.default_rng(0).normal(0, 0.2, (9000, channels)).astype("float32")
    stems, expected = tfsep.separate(song, model, 8000), np.load(NETWORKS / file)
    for source in sources:
        estimate = expected[f"{iterations}/{source}"]
        np.testing.assert_allclose(stems[source][::EVERY], estimate, atol=1e-5 * np.abs(estimate).max())


def test_tensors_that_do_not_fit_are_named():
    (whole,) = checkpoints("vocals")
    options = {"hop": 32, "sample_rate": 8000}
    less = {name: tensor for name, tensor in whole.tensors.items() if name != "bn2.bias"}
    with pytest.raises(CheckpointError, match=r"vocals.pth: no tensor 'bn2.bias'"):
        open_unmix.build([Checkpoint("vocals.pth", less)], **options)
    more = whole.tensors | {"fc4.weight": np.ones(1)}
    with pytest.raises(CheckpointError, match=r"vocals.pth: the network has no place for 'fc4.weight'"):
        open_unmix.build([Checkpoint("vocals.pth", more)], **options)


def test_what_files_do_not_say_must_be_given():
    with pytest.raises(CheckpointError, match=r"vocals.pth has 65 bins, as no published model has. Give sample_rate"):
        open_unmix.build(checkpoints("vocals"))
    with pytest.raises(CheckpointError, match=r"1 files for 2 sources"):
        open_unmix.build(checkpoints("vocals"), hop=32, sample_rate=8000, sources=("a", "b"))


def test_name_of_the_source_is_that_of_the_file():
    (checkpoint,) = checkpoints("vocals")
    for name in ("vocals-b62c91ce.pth", "vocals_f5e0d9f9.pth", "vocals.pth"):
        checkpoint.path = Path(name)
        assert open_unmix.source_name(checkpoint) == "vocals"
