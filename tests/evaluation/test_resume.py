"""Evaluations that were interrupted."""

import errno
import json
from functools import partial

import numpy as np
import pytest
from evaluation_material import FakeModel, FakeTrack, noisy_stem, save_estimates

import tfsep.evaluation
from tfsep.evaluation import read_results
from tfsep.evaluation.result_files import save_summary, summary

evaluate = partial(tfsep.evaluation.evaluate, sdr_only=True)
TRACKS = tuple(FakeTrack(name) for name in ("a", "bb", "ccc"))


class Model(FakeModel):
    """Estimates noisy vocals; `tracks` lists the separated tracks, and `interrupt_at` names one that is interrupted."""

    def __init__(self):
        super().__init__("vocals")
        self.tracks, self.interrupt_at = [], None

    def separate_song(self, song, sample_rate):
        (track,) = (track for track in TRACKS if np.array_equal(track.stems["mixture"], song))
        self.tracks.append(track.name)
        if track.name == self.interrupt_at:
            raise KeyboardInterrupt
        return {source: noisy_stem(track, source) for source in self.sources}


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def interrupted(model, tmp_path):
    """Results folder of an evaluation that was interrupted in its second track."""
    model.interrupt_at = "bb"
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, TRACKS, output=tmp_path / "cut")
    model.interrupt_at = None
    model.tracks.clear()
    return tmp_path / "cut"


def test_only_unfinished_tracks_are_scored(model, interrupted, tmp_path):
    assert [path.name for path in interrupted.iterdir()] == ["a.json"]
    resumed = evaluate(model, TRACKS, output=interrupted, resume=True)
    assert model.tracks == ["bb", "ccc"]
    whole = evaluate(model, TRACKS, output=tmp_path / "whole")
    np.testing.assert_equal(resumed.rows, whole.rows)
    np.testing.assert_equal(resumed.leaked, whole.leaked)
    for name in ("a.json", "bb.json", "ccc.json", "summary.json"):
        assert (interrupted / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_a_finished_evaluation_has_nothing_left_to_do(model, tmp_path):
    first = evaluate(model, TRACKS, output=tmp_path)
    model.tracks.clear()
    again = evaluate(model, TRACKS, output=tmp_path, resume=True)
    assert model.tracks == []
    np.testing.assert_equal(again.rows, first.rows)


def test_failed_tracks_are_retried(model, tmp_path):
    bad = FakeTrack("bb", error=OSError("cut off"))
    first = evaluate(model, [TRACKS[0], bad, TRACKS[2]], output=tmp_path)
    assert first.failures == {"bb": "cut off"}
    again = evaluate(model, TRACKS, output=tmp_path, resume=True)
    assert (again.tracks, again.failures) == (("a", "bb", "ccc"), {})


def test_an_empty_folder_starts_from_nothing(model, tmp_path):
    assert evaluate(model, TRACKS, output=tmp_path / "new", resume=True).tracks == ("a", "bb", "ccc")


def test_without_resume_finished_tracks_are_not_overwritten(model, interrupted):
    with pytest.raises(FileExistsError, match=r"contains 1 tracks of an unfinished evaluation.*--resume"):
        evaluate(model, TRACKS, output=interrupted)
    assert model.tracks == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "si_sdr", "sdr_only": False}, "protocol 'bsseval_v4', while now it is 'si_sdr'"),
        ({"oracles": ("MWF",)}, r"oracles \['IRM1'\], while now it is \['MWF'\]"),
        ({"sdr_only": False}, "sdr_only True, while now it is False"),
        ({"overlap": 0.5}, "overlap None, while now it is 0.5"),
    ],
)
def test_other_settings_are_refused(model, interrupted, options, message):
    with pytest.raises(ValueError, match=rf"a\.json was made with.* {message}"):
        evaluate(model, TRACKS, output=interrupted, resume=True, **options)
    assert model.tracks == []


def test_other_models_are_refused(model, interrupted, tmp_path):
    model.name = "other"
    with pytest.raises(ValueError, match="model 'net', while now it is 'other'"):
        evaluate(model, TRACKS, output=interrupted, resume=True)
    model.name, model.sources = "net", ("vocals", "drums")
    with pytest.raises(ValueError, match=r"targets \['vocals'\], while now it is \['vocals', 'drums'\]"):
        evaluate(model, TRACKS, output=interrupted, resume=True)
    model.sources, model.get_weights = ("vocals",), lambda: [np.zeros(3, np.float32)]
    with pytest.raises(ValueError, match="weights None, while now it is '"):
        evaluate(model, TRACKS, output=interrupted, resume=True)


def test_other_weights_are_refused(model, tmp_path):
    model.get_weights = lambda: [np.zeros(3, np.float32)]
    evaluate(model, TRACKS[:1], output=tmp_path)
    evaluate(model, TRACKS[:1], output=tmp_path, resume=True)
    model.get_weights = lambda: [np.array([0, 0, 1e-7], np.float32)]
    with pytest.raises(ValueError, match="weights"):
        evaluate(model, TRACKS[:1], output=tmp_path, resume=True)


def test_tracks_of_another_length_are_refused(model, interrupted):
    excerpt = FakeTrack("a", samples=TRACKS[0].samples // 2)
    with pytest.raises(ValueError, match=r"a\.json was made of 2\.00 s, while the track has 1\.00 s"):
        evaluate(model, [excerpt, *TRACKS[1:]], output=interrupted, resume=True)


@pytest.mark.parametrize("content", ["", "[1, 2", "[]", "{}", '{"targets": [{"name": "vocals"}]}', "null"])
def test_damaged_files_are_named(model, interrupted, content):
    (interrupted / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"a\.json is not a result file of this version\. Remove it"):
        evaluate(model, TRACKS, output=interrupted, resume=True)
    assert model.tracks == []


def test_a_full_disk_ends_the_evaluation_and_keeps_finished_tracks(model, tmp_path, monkeypatch):
    from tfsep.evaluation import result_files

    write = result_files.write_text

    def fail(path, text):
        if path.stem != "a":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr(result_files, "write_text", fail)
    with pytest.raises(OSError, match="No space left on device"):
        evaluate(model, TRACKS, output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert model.tracks == ["a", "bb"]


def test_an_unwritable_output_is_refused_before_the_work(model, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        evaluate(model, TRACKS, output=tmp_path / "file")
    assert model.tracks == []


def test_results_are_equal_when_read_back(tmp_path):
    tracks = [FakeTrack(name, sources=("vocals", "drums"), channels=1) for name in ("a", "bb", "ccc")]
    folder = save_estimates(tmp_path / "net", tracks, ("drums", "vocals"))
    silent = tracks[-1]
    silent.stems["vocals"][:] = 0
    for protocol in ("bsseval_v4", "si_sdr"):
        options = {"sdr_only": False, "estimates": folder}
        written = evaluate(None, tracks, tmp_path / protocol, protocol=protocol, **options)
        written.failures["d"] = "broken"
        save_summary(written, tmp_path / protocol)
        read = read_results([tmp_path / protocol])[0]
        np.testing.assert_equal(read.rows, written.rows)
        np.testing.assert_equal(read.leaked, written.leaked)
        assert (read.seconds, read.failures, str(read)) == (written.seconds, written.failures, str(written))
        assert summary(read) == summary(written)


def test_results_that_cannot_be_read(tmp_path, model):
    with pytest.raises(FileNotFoundError, match=r"summary\.json is missing"):
        read_results([tmp_path])
    evaluate(model, TRACKS, output=tmp_path)
    (tmp_path / "bb.json").rename(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError, match=r"bb\.json"):
        read_results([tmp_path])
    (tmp_path / "b.json").rename(tmp_path / "bb.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"hop": 0.5}))
    with pytest.raises(ValueError, match=r"hop 1\.0, while now it is 0\.5"):
        read_results([tmp_path])
    for content in ('{"protocol"', "[]", "3", json.dumps({"protocol": "bsseval_v4"})):
        (tmp_path / "summary.json").write_text(content)
        with pytest.raises(ValueError, match=r"summary\.json is"):
            read_results([tmp_path])
