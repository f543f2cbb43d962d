import pytest

from tfsep import audio


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
    """The root of the corpus that a `CorpusCase` builds, and its songs; the same for all of its tests."""
    root = tmp_path_factory.mktemp("corpus")
    return root, request.cls().build(root)
