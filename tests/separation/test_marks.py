"""The comments by which stems are known."""

import numpy as np
import pytest

from tfsep import audio
from tfsep.separation import marks


@pytest.mark.parametrize("stem", ["vocals", "the 'rest'", 'say "no"', "both ' and \"", "a of b, separated by tfsep"])
@pytest.mark.parametrize(
    "made_by", ["", "crn-4stems", "a of b (shifts=2, start=0.5)", "x, separated by tfsep", "x from song 1"]
)
@pytest.mark.parametrize("song", ["", "0123abcd"])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a"])
def test_marks_are_read_back(tmp_path, stem, made_by, song, suffix):
    mark = marks.Mark(marks.stem_mark(stem), made_by, song)
    with audio.Writer(tmp_path / f"a{suffix}", 8000, 1, comment=marks.comment(mark)) as writer:
        writer.write(np.zeros((10, 1), np.float32))
    assert marks.read_mark(tmp_path / f"a{suffix}") == mark


@pytest.mark.parametrize("comment", [None, "", "Stem 'vocals'", "My stem, separated by tfsep", "Stem vocals of x"])
def test_other_files_have_none(tmp_path, comment):
    with audio.Writer(tmp_path / "a.flac", 8000, 1, comment=comment) as writer:
        writer.write(np.zeros((10, 1), np.float32))
    assert marks.read_mark(tmp_path / "a.flac") is None
    (tmp_path / "b.flac").write_text("no audio")
    assert marks.read_mark(tmp_path / "b.flac") is None


def test_facts_are_those_that_differ_from_the_defaults():
    values = {"shifts": 2, "tta": True, "start": 3600.0001, "overlap": None, "wiener": 0}
    defaults = {"shifts": 1, "tta": False, "start": 0, "overlap": None, "wiener": None}
    assert marks.facts(values, defaults) == ["shifts=2", "tta=1", "start=3600.0001", "wiener=0"]
