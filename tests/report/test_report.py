"""The page of scores: what it says, and what it refuses."""

import json
import re
import shutil

import numpy as np
import pytest
from markupsafe import escape
from report_material import NASTY, RATE, SECONDS, make_estimates, read, save_results, tone

from tfsep import audio, report
from tfsep.evaluation import read_results
from tfsep.report.figures import Box, box_plot

pytestmark = pytest.mark.filterwarnings("error")


def songs_of(page):
    scripts = re.findall(r'<script type="application/json" class="song-data">(.*?)</script>', page.read_text("utf-8"))
    return [json.loads(text) for text in scripts]


def cells(page, label):
    """Texts of the row of the table with bounds that has this label."""
    return cells_of(page.read_text("utf-8"), label)


def cells_of(text, label):
    table = text.split("of each model</h2>")[1]
    row = re.search(rf"</i>{re.escape(str(escape(label)))}</th>(.*?)</tr>", table).group(1)
    return re.findall(r"<td[^>]*>(.*?)</td>", re.sub(r"</?span[^>]*>", "", row))


def test_scores_alone(results, tmp_path):
    page = report.write_report(results, tmp_path / "page")
    assert page == tmp_path / "page" / "index.html"
    scores = json.loads((results / "summary.json").read_text())["rows"]
    for row, label in (("model", "unet"), ("mixture", "mixture"), ("IRM1", "IRM1")):
        shown = [f"{values['SDR']['median']:.2f}" for values in scores[row]["scores"].values()]
        assert [cell.split()[0] for cell in cells(page, label)] == shown
    low, high = scores["model"]["scores"]["drums"]["SDR"]["interval"]
    assert cells(page, "unet")[1].endswith(f"[{low:.2f}, {high:.2f}]")
    text = page.read_text("utf-8")
    assert songs_of(page) == [] and "WaveSurfer" not in text
    assert text.count("<svg") == 4  # two sources, and the buttons to play and save
    assert str(escape(NASTY)) in text and NASTY not in text


def test_bounds_that_models_share_are_shown_once(results, tmp_path):
    other = save_results(tmp_path / "other", "other", shift=2.0)
    text = report.write_report([results, other], tmp_path / "page").read_text("utf-8")
    table = text.split("of each model</h2>")[1].split("</table>")[0]
    assert re.findall(r"</i>(.*?)</th>", table) == ["IRM1", "other", "unet", "mixture"]  # best first


def test_models_are_ranked_by_the_targets_that_they_share(tmp_path):
    voice = save_results(tmp_path / "voice", "voice", shift=1.0, targets=("vocals", "drums"))
    four = save_results(tmp_path / "four", "four", shift=2.0, targets=("vocals", "drums", "bass", "other"))
    # Two hard sources bring its own mean below that of the model with two.
    for path in (path for path in four.glob("*.json") if path.name != "summary.json"):
        scores = json.loads(path.read_text())
        for target in scores["targets"][2:]:
            for frame in target["frames"]:
                frame["metrics"]["SDR"] -= 20
        path.write_text(json.dumps(scores))
    text = report.write_report([voice, four], tmp_path / "page").read_text("utf-8")
    table = text.split("of each model</h2>")[1].split("</table>")[0]
    assert [name for name in re.findall(r"</i>(.*?)</th>", table) if name in ("voice", "four")] == ["four", "voice"]
    two = [float(cells_of(text, name)[column].split()[0]) for name in ("voice", "four") for column in (0, 1)]
    means = [float(cells_of(text, name)[-1].split()[0]) for name in ("voice", "four")]
    assert means == pytest.approx([np.mean(two[:2]), np.mean(two[2:])], abs=0.011)  # over two of the four
    heading = re.search("<h1>(.*?)</h1>", text).group(1)
    assert re.fullmatch(r"four: SDR 3\.[45]\d dB, (0\.9|1\.0)\d dB ahead of voice, better on 4 of 4 tracks", heading)
    figure = re.search(
        r'aria-label="Tracks on which four is better than voice: vocals 4 of 4 \(p = .*?</svg>', text, re.S
    )
    assert figure.group().count("<use") >= 12  # a dot for each track, of two targets and their mean
    assert "Ordered by the mean over vocals, drums" in text
    tracks = text.split("of each track</h2>")[1].split("</table>")[0]
    first = re.findall(r'data-value="([^"]+)"', tracks.split("<tbody>")[1].split("</tr>")[0])
    columns = re.findall(r"<span>(.*?)</span><small>(.*?)</small>", tracks)
    values = {column: float(value) for column, value in zip(columns, first, strict=True)}
    shared = [values["vocals", "four"], values["drums", "four"]]
    assert values["mean", "four"] == pytest.approx(np.mean(shared), abs=2e-5)


def test_the_best_two_of_several_models_are_compared(tmp_path):
    folders = [save_results(tmp_path / name, name, shift=shift) for name, shift in (("a", 0.0), ("b", 2.0), ("c", 1.0))]
    text = report.write_report(folders, tmp_path / "page").read_text("utf-8")
    assert text.count("Differences on the same tracks") == 1
    assert "Tracks on which b is better than c: vocals 4 of 4" in text


def test_whole_tracks_are_called_so_and_summed_up_by_their_protocol(tmp_path):
    results = save_results(tmp_path / "v3", "drnn", protocol="bsseval_v3", measures=("NSDR", "SDR"))
    text = report.write_report(results, tmp_path / "page").read_text("utf-8")
    assert "NSDR in dB, bsseval_v3, whole tracks: mean over tracks, weighted by their length" in text
    mean = json.loads((results / "summary.json").read_text())["rows"]["model"]["scores"]["vocals"]["NSDR"]["mean"]
    assert f">{mean:.2f} <span" in text
    assert "windows" not in text.split("over tracks</h2>")[1].split("<footer>")[0]


def test_failed_tracks_are_named(results, tmp_path):
    summary = json.loads((results / "summary.json").read_text())
    summary["failures"] = {"delta": "cut <short>"}
    (results / "summary.json").write_text(json.dumps(summary))
    assert "delta: cut &lt;short&gt;" in report.write_report(results, tmp_path / "page").read_text("utf-8")


def test_best_middle_and_worst_are_heard(results, tmp_path, data, estimates):
    page = report.write_report(results, tmp_path / "page", estimates={"unet": estimates}, data=data, seconds=1)
    songs = songs_of(page)
    assert [song["name"] for song in songs] == ["gamma", "beta", NASTY]
    song = songs[0]
    assert (song["start"], song["duration"], song["total"]) == (1.5, 1.0, SECONDS)
    assert song["versions"] == ["reference", "unet"]
    lanes = [(stem["lane"], stem["version"]) for stem in song["stems"]]
    assert lanes == [("mixture", None), ("vocals", 0), ("drums", 0), ("vocals", 1), ("drums", 1)]
    assert [stem["note"] for stem in song["stems"]][:3] == ["", "", ""]
    assert re.fullmatch(r"SDR [23]\.\d dB", song["stems"][3]["note"])
    # Truth 0.3 and estimate 0.1 on the common scale of the mixture's peak.
    peaks = [max(stem["peaks"][0]) for stem in song["stems"]]
    assert peaks[0] == 100 and peaks[1] / peaks[3] == pytest.approx(3, rel=0.1)
    assert "Sound: at most 1 s of each song, from its middle, as Opus" in page.read_text("utf-8")


def test_estimates_alone(results, tmp_path, estimates):
    page = report.write_report(results, tmp_path / "page", ["beta"], {"someone": estimates}, start=1, seconds=None)
    (song,) = songs_of(page)
    assert (song["versions"], song["start"], song["duration"]) == (["someone"], 1.0, SECONDS - 1)
    assert [stem["lane"] for stem in song["stems"]] == ["vocals", "drums"]


@pytest.mark.parametrize("layout", ["{track}_({Stem})_model.flac", "{stem}/{track}.wav", "net/{track}/{stem}.wav"])
def test_estimates_in_the_layouts_of_separators(tmp_path, data, layout):
    results = save_results(tmp_path / "scores", "net", targets=("vocals", "accompaniment"))
    for track in ("beta", "Alpha"):
        for stem in ("vocals", "music"):
            path = tmp_path / "net" / layout.format(track=track, stem=stem, Stem=stem.capitalize())
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, tone(250)[:-7], RATE)  # nearly as long as the track
    options = {"estimates": {"net": tmp_path / "net"}, "names": {"accompaniment": "Music"}, "data": data}
    page = report.write_report(results, tmp_path / "page", ["beta"], seconds=None, **options)
    (song,) = songs_of(page)
    lanes = [(stem["lane"], stem["version"]) for stem in song["stems"]]
    assert lanes[1:] == [(lane, version) for version in (0, 1) for lane in ("vocals", "accompaniment")]
    with pytest.raises(ValueError, match=r"no estimates of gamma by net.*--map"):
        report.write_report(results, tmp_path / "other", ["gamma"], **options)


def test_scores_are_shown_as_the_folders_that_hold_them(results, tmp_path):
    (scores,) = read_results([results])
    other = save_results(tmp_path / "other", "other", shift=2.0)
    of_folders = report.write_report([results, other], tmp_path / "a").read_text("utf-8")
    assert report.write_report([scores, other], tmp_path / "b").read_text("utf-8") == of_folders
    one = report.write_report(results, tmp_path / "c").read_text("utf-8")
    assert report.write_report(scores, tmp_path / "d").read_text("utf-8") == one
    with pytest.raises(ValueError, match="2 results are of a model 'unet'"):
        report.write_report([scores, results], tmp_path / "e")


def test_only_measures_in_decibels_are_called_so(tmp_path, estimates):
    results = save_results(tmp_path / "msst", "unet", protocol="msst", measures=("bleedless",))
    page = report.write_report(results, tmp_path / "page", ["beta"], {"unet": estimates}, seconds=1)
    text = page.read_text("utf-8")
    assert "bleedless of vocals over tracks: " in text and not re.search(
        r"\d dB\b(?! down)", text.split("<main>")[1].split("<footer>")[0]
    )
    assert re.fullmatch(r"bleedless [01]\.\d", songs_of(page)[0]["stems"][0]["note"])


def test_reference_of_an_accompaniment_is_of_its_model(tmp_path, data):
    first = save_results(tmp_path / "voice", "voice", targets=("vocals", "accompaniment"))
    second = save_results(tmp_path / "both", "both")
    page = report.write_report([first, second], tmp_path / "page", ["beta"], data=data)
    (song,), sounds = read(page)
    assert [stem["lane"] for stem in song["stems"]] == ["mixture", "vocals", "drums", "accompaniment"]
    # Two tones of 0.3 beside one: drums and bass.
    _, _, drums, accompaniment = (sound for sound, _ in sounds["0-0"])
    assert accompaniment.std() / drums.std() == pytest.approx(2**0.5, rel=0.1)


@pytest.mark.parametrize("options", [{"tracks": ["beta", "nobody"]}, {}], ids=["named", "in data"])
def test_a_track_that_is_not_there(results, tmp_path, data, options):
    known = [track for track in data if track.name == "beta"]
    with pytest.raises(ValueError, match=r"No track '(nobody|gamma)'"):
        report.write_report(results, tmp_path / "page", data=known, **options)
    assert not (tmp_path / "page").exists()


def test_tracks_without_sound(results, tmp_path):
    with pytest.raises(ValueError, match="need data with the true sources, or estimates"):
        report.write_report(results, tmp_path / "page", tracks=["beta"])


def test_estimates_on_another_timeline(results, tmp_path, data, estimates):
    def refused(match, error=ValueError):
        with pytest.raises(error, match=match):
            report.write_report(results, tmp_path / "page", ["beta"], {"unet": estimates}, data=data)

    folder = estimates / "beta"
    for stem in folder.iterdir():
        audio.write(stem, tone(250)[:-2305], RATE, overwrite=True)
    refused(r"beta by unet has 29695 samples, while the reference of beta has 32000")
    for stem in folder.iterdir():
        audio.write(stem, tone(250), 2 * RATE, overwrite=True)
    refused("beta by unet has 16000 Hz")
    audio.write(folder / "vocals.flac", tone(250), RATE, overwrite=True)
    refused(r"(vocals|drums)\.flac has (8000|16000) Hz")
    (folder / "vocals.flac").write_bytes(b"no sound")
    refused("vocals.flac", audio.AudioError)
    for stem in folder.iterdir():
        stem.unlink()
    refused(r"no estimates of beta by unet\. Expected files such as beta/vocals\.wav")
    shutil.rmtree(estimates)
    refused("estimates is not a folder", FileNotFoundError)


def test_an_excerpt_that_cannot_be(results, tmp_path, data):
    for options, message in (
        ({"seconds": 0}, "seconds must be a number above 0"),
        ({"seconds": float("nan")}, "seconds must be a number above 0"),
        ({"start": -1}, "start must be a number of at least 0"),
        ({"start": 4}, "is 4.00 s long. Received: start=4"),
    ):
        with pytest.raises(ValueError, match=message):
            report.write_report(results, tmp_path / "page", data=data, **options)


def test_an_existing_page_is_kept(results, tmp_path):
    page = report.write_report(results, tmp_path / "page")
    page.write_text("mine")
    with pytest.raises(FileExistsError, match=r"index\.html exists"):
        report.write_report(results, tmp_path / "page")
    assert page.read_text() == "mine"
    report.write_report(results, tmp_path / "page", overwrite=True)
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_a_place_that_cannot_be_written(results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write \(.*index\.html'"):
        report.write_report(results, tmp_path / "file" / "page")


def test_a_box_plot_draws_quartiles_and_lets_the_page_colour_it():
    values = [1.0, 2.0, 3.0, 4.0, 100.0, float("nan")]
    boxes = [Box("a $_x$ <b> 🎈" + 30 * "x", values, series=0), Box("IRM1", [7.0, 8.0, 9.0])]
    svg = box_plot(boxes, "vocals", "SDR in dB", (0.0, 101.0))
    assert svg.startswith("<svg") and "width=" not in svg[:60]
    assert "a $_x$ &lt;b&gt;" in svg and 30 * "x" in svg and "<b>" not in svg
    assert "var(--series-0)" in svg and "var(--bound)" in svg and "#0102" not in svg
    assert svg == box_plot(boxes, "vocals", "SDR in dB", (0.0, 101.0))


def test_quartiles(monkeypatch):
    from tfsep.report import figures

    drawn = []
    monkeypatch.setattr(figures, "_svg", lambda figure: drawn.append(figure.axes[0]))
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    box_plot([Box("a", values, series=0)], "vocals", "dB", (0.0, 101.0))
    (bar,) = drawn[0].patches
    assert (bar.get_x(), bar.get_width()) == (2.0, 2.0)
    whiskers = [collection.get_segments()[0][:, 0].tolist() for collection in drawn[0].collections]
    assert whiskers == [[1.0, 2.0], [4.0, 4.0], [3.0, 3.0]]  # 100 is a dot beyond them
    assert drawn[0].lines[0].get_xdata().tolist() == values.tolist()


def test_two_estimates_of_one_source(results, tmp_path):
    folder = make_estimates(tmp_path / "est", 0.1)
    audio.write(folder / "beta" / "vocals.wav", tone(250), RATE)
    with pytest.raises(ValueError, match="two files for 'vocals'"):
        report.write_report(results, tmp_path / "page", ["beta"], {"unet": folder})


def test_bounds_that_models_do_not_share_say_whose_they_are(results, tmp_path):
    other = save_results(tmp_path / "voice", "voice", targets=("vocals",))
    text = report.write_report([results, other], tmp_path / "page").read_text("utf-8")
    table = text.split("of each model</h2>")[1].split("</table>")[0]
    labels = re.findall(r"</i>(.*?)</th>", table)
    assert {"IRM1 of unet", "IRM1 of voice", "unet", "voice"} <= set(labels) and len(labels) == 6
