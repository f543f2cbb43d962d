"""Results folders that cannot be shown: damaged, incomplete, or not comparable."""

import pytest
from report_material import TRACKS, save_results

from tfsep import report
from tfsep.evaluation import read_results, table


def test_models_of_one_name_are_told_apart(tmp_path):
    folders = [save_results(tmp_path / name / "scores", "best") for name in ("a", "b")]
    with pytest.raises(ValueError, match=r"2 results folders are both called 'best \(scores\)'"):
        read_results(folders)
    folders[1] = folders[1].rename(tmp_path / "later")
    assert [result.model for result in read_results(folders)] == ["best (scores)", "best (later)"]


def test_a_folder_that_is_given_twice_and_two_protocols_of_one_run(tmp_path):
    folder = save_results(tmp_path / "run" / "mdx", "unet", protocol="mdx", measures=("uSDR",))
    with pytest.raises(ValueError, match=r"run/mdx is given 2 times\. Name each results folder once"):
        read_results([folder, folder.parent / "." / "mdx"])
    other = save_results(tmp_path / "run" / "si_sdr", "unet", protocol="si_sdr", measures=("SI-SDR",))
    scores = read_results([folder, other])
    assert [result.model for result in scores] == ["unet", "unet"]
    with pytest.raises(ValueError, match=r"cannot mix protocols\. Received: mdx .*, si_sdr"):
        table(scores)


def write(name, content):
    def harm(folder):
        (folder / name).write_bytes(content)

    return harm


def remove(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("harm", "kind", "message"),
    [
        (write("summary.json", b'{"protocol":'), ValueError, "summary.json is damaged"),
        (write("summary.json", b"\xff\xfe\x00"), ValueError, "summary.json is damaged"),
        (write("summary.json", b"[]"), ValueError, "summary.json is no summary"),
        (write("summary.json", b'{"targets": ["vocals"], "tracks": []}'), ValueError, "summary.json is no summary"),
        (write("beta.json", b"[1, 2"), ValueError, "beta.json is not a result file"),
        (write("beta.json", b'{"targets": []}'), ValueError, "beta.json is not a result file"),
        (remove("summary.json"), FileNotFoundError, "summary.json is missing. Expected a folder"),
        (remove("beta.json"), FileNotFoundError, "beta.json"),
    ],
)
def test_damage_is_named(results, tmp_path, harm, kind, message):
    harm(results)
    with pytest.raises(kind, match=message):
        report.write_report([results], tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*is missing. Expected a folder"):
        report.write_report([tmp_path / "nowhere"], tmp_path / "page")
    with pytest.raises(ValueError, match="at least one results folder"):
        report.write_report([], tmp_path / "page")


def test_what_cannot_stand_side_by_side(results, tmp_path):
    other = save_results(tmp_path / "hop", "other", hop=0.5)
    with pytest.raises(ValueError, match=r"cannot mix protocols.*hop 0.5 s"):
        report.write_report([results, other], tmp_path / "page")
    other = save_results(tmp_path / "tracks", "other", tracks=TRACKS[:2])
    with pytest.raises(ValueError, match=r"same tracks.*\(2 tracks\)"):
        report.write_report([results, other], tmp_path / "page")
