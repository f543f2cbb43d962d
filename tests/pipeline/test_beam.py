import sys

import numpy as np
import pytest
import soundfile

from tfsep.datasets import Store
from tfsep.pipeline import prepare
from tfsep.pipeline.beam import runner


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_beam_writes_what_threads_write(make_songs, tmp_path, format):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'tfsep[beam]'")
    songs = make_songs()
    corpora = {"train": songs[:2], "valid": songs[2:]}
    expected = contents(prepare(corpora, tmp_path / "threads", format=format, shards=3))
    assert len(expected) == 7
    options = {"format": format, "shards": 3, "run": runner("DirectRunner", "--direct_num_workers=1")}
    assert contents(prepare(corpora, tmp_path / "beam", **options)) == expected
    # It continues where another run ended.
    (tmp_path / "beam" / f"shard-00001-of-00003.{format}").unlink()
    assert contents(prepare(corpora, tmp_path / "beam", **options)) == expected
    assert len(Store(tmp_path / "beam", "train")) == 2


def test_error_in_a_shard_is_raised(make_songs, tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'tfsep[beam]'")
    songs = make_songs()
    path = songs[1].stems["drums"].path
    content = path.read_bytes()
    # A file that opens but cannot be read, so that a worker finds it.
    soundfile.write(path, np.full((30, 1), np.nan, np.float32), 8000, subtype="FLOAT")
    with pytest.raises(Exception, match=r"drums\.wav"):
        prepare({"train": songs}, tmp_path / "store", shards=3, run=runner())
    with pytest.raises(ValueError, match="unfinished"):
        Store(tmp_path / "store", split=None)
    path.write_bytes(content)
    prepare({"train": songs}, tmp_path / "store", shards=3)
    assert len(Store(tmp_path / "store", split=None)) == 3


def test_without_beam_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(RuntimeError, match=r"pip install 'tfsep\[beam\]'"):
        runner()
