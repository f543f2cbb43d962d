"""What the server gives, and to whom."""

import errno
import io
import json
import re
import sys
import time
import urllib.parse
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import tfsep
from tfsep import audio
from tfsep.web import downloads, jobs, page_files

RATE = 8000
NAME = "Ke$ha <b>\"'.wav"


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """A file of 12 s, clicks and a tone."""
    time = np.arange(12 * RATE) / RATE
    sound = 0.2 * np.sin(2 * np.pi * 300 * time)
    sound[:: RATE // 2] = 0.9
    path = tmp_path_factory.mktemp("material") / "song.wav"
    audio.write(path, np.stack([sound, 0.5 * sound], 1).astype("float32"), RATE)
    return path


@pytest.fixture(scope="module")
def done(whole, song):
    """Address and facts of the separated song."""
    address = whole.add(song.read_bytes(), f"model=hpss&format=flac&name={urllib.parse.quote(NAME)}")
    return address, whole.finished(address)


def recipe(**changes):
    whole = {"from": 0, "to": 12, "gains": {"drums": 1}, "muted": {}}
    return urllib.parse.quote(json.dumps(whole | changes))


def wav(content):
    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)


def test_stems_are_those_of_separate(whole, done, song, tmp_path):
    address, facts = done
    expected = tfsep.separate_file(song, tmp_path, "hpss", suffix=".flac")
    assert [stem["name"] for stem in facts["stems"]] == list(expected)
    for name, path in expected.items():
        _, headers, content = whole.ask(f"{address}/stems/{name}")
        assert content == path.read_bytes()
        assert headers["content-disposition"].startswith("attachment; filename*=utf-8''Ke%24ha")
    _, headers, content = whole.ask(f"{address}/zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        contents = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}
        assert archive.testzip() is None and all(name.count("/") == 1 for name in archive.namelist())
    assert facts["name"] == NAME.removesuffix(".wav")
    assert contents == {path.name: path.read_bytes() for path in expected.values()}


def test_spans_and_outlines_are_those_of_the_song(whole, done, song):
    address, facts = done
    sound, _ = audio.read(song)
    assert facts["duration"] == 12 and facts["span"] == 10
    first, last = (wav(whole.ask(f"{address}/sound/mixture/{number}")[2])[0] for number in (0, 1))
    lead = round(facts["lead"] * RATE)
    assert np.array_equal(first[: 10 * RATE], sound[: 10 * RATE])
    assert np.array_equal(last[lead:], sound[10 * RATE :])
    assert whole.ask(f"{address}/sound/mixture/2")[0] == 400
    high, low = facts["mixture"]["peaks"]
    assert max(high) == 100 and len(high) == len(low) == 2000


def test_mix(whole, done, song):
    address, facts = done
    stems = [wav(whole.ask(f"{address}/stems/{stem['name']}")[2])[0] for stem in facts["stems"]]
    names = [stem["name"] for stem in facts["stems"]]
    status, headers, content = whole.ask(
        f"{address}/mix?recipe={recipe(gains=dict(zip(names, (0.5, 2), strict=True)), muted={names[1]: [[9, 11]]})}"
    )
    mixed, rate = wav(content)
    assert status == 200 and rate == RATE and headers["content-disposition"].startswith("attachment")
    assert headers["content-disposition"].endswith("%20mix.wav")
    original = whole.ask(f"{address}/mix?recipe={recipe(gains={'mixture': 1})}")
    assert original[1]["content-disposition"].endswith("%20original.wav")
    expected = 0.5 * stems[0] + 2 * stems[1]
    assert np.allclose(mixed[: 9 * RATE], expected[: 9 * RATE], atol=1e-6)
    inside = slice(9 * RATE + 50, 11 * RATE - 1)
    assert np.allclose(mixed[inside], 0.5 * stems[0][inside], atol=1e-6)
    part = wav(whole.ask(f"{address}/mix?recipe={recipe(**{'from': 3, 'to': 5}, gains={names[0]: 1})}")[2])[0]
    assert np.array_equal(part, stems[0][3 * RATE : 5 * RATE])


@pytest.mark.parametrize(
    "wrong",
    [
        recipe(gains={}),
        recipe(gains={"../song": 1}),
        recipe(to=-1),
        recipe(gains=3),
        recipe(to=1e999),
        "%7B",
        recipe(muted={"x": [[1]]}),
    ],
)
def test_wrong_mixes_are_refused_in_words(whole, done, wrong):
    status, _, content = whole.ask(f"{done[0]}/mix?recipe={wrong}")
    assert status in (400, 404) and json.loads(content)["error"].endswith(".")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("model=../secret", "model must be"),
        ("model=%2Fetc%2Fpasswd", "model must be"),
        ("model=repet-sim", "model must be"),  # takes whole songs
        ("model=hpss&id=../x", "id must be"),
        ("format=exe&model=hpss", "format must be"),
    ],
)
def test_what_is_asked_for_is_checked_before_it_is_uploaded(server, query, reason):
    status, _, content = server.ask(f"songs?{query}", method="POST", body=b"sound")
    assert status == 400 and reason in json.loads(content)["error"]
    assert server.json("songs") == []


def test_errors_are_in_words_and_leave_no_upload(server):
    for query, reason in (
        ("name=notes.mp3&model=hpss", "Cannot be read as audio"),
        ("name=notes.mp3&model=hpss&stems=vocals", "No stem 'vocals'"),
        ("name=notes.mp3&model=hpss&residual=..%2Fx", "The residual needs a name that a file can have"),
    ):
        facts = server.finished(server.add(b"no audio", query))
        assert reason in facts["error"] and str(server.folder) not in facts["error"]
    server.clear()
    assert list(server.folder.iterdir()) == []


def test_songs_wait_for_each_other_and_warnings_are_passed_on(server, song, tmp_path):
    sound, rate = audio.read(song)
    audio.write(tmp_path / "loud.wav", 2 * sound, rate)
    first = server.add((tmp_path / "loud.wav").read_bytes(), "model=hpss&name=loud.wav&format=flac")
    second = server.add(song.read_bytes(), "model=hpss&name=song.wav")
    assert server.json(second)["state"] == "Waiting for another song"
    assert server.finished(first)["warnings"][0].startswith("All stems are scaled by")
    assert server.finished(second)["warnings"] == []
    server.jobs.remove(server.jobs[first.rpartition("/")[2]])
    assert server.ask(first)[0] == 404 and len(list(server.folder.iterdir())) == 1


def test_names_are_no_paths(server, song):
    address = server.add(song.read_bytes()[:2000], f"model=hpss&name={urllib.parse.quote('../../evil.wav')}")
    server.finished(address)
    job = server.jobs[address.rpartition("/")[2]]
    assert job.upload.parent.parent == server.folder and job.upload.name == "song.wav"
    assert server.json(address).get("name", "../../evil") == "../../evil" and "/" not in job.filename("x")
    for path in ("songs/../../etc/passwd", "songs/%2e%2e%2fx", "..%2f..%2fsetup.cfg", "%2Fetc%2Fpasswd", "jobs.py"):
        assert server.ask(path)[0] == 404


def test_uploads_are_bounded(server, monkeypatch):
    monkeypatch.setattr("tfsep.web.server.MOST_BYTES", 1000)
    status, _, content = server.ask("songs?model=hpss", method="POST", body=b"a" * 1001)
    assert status == 413 and "at most" in json.loads(content)["error"]
    chunked = server.ask("songs?model=hpss", method="POST", body=iter([b"a" * 600, b"a" * 600]))
    assert chunked[0] == 413
    monkeypatch.setattr("tfsep.web.server.MOST_SONGS", 0)
    assert server.ask("songs?model=hpss", method="POST", body=b"a")[0] == 413
    assert list(server.folder.iterdir()) == [] and server.json("songs") == []


def test_other_machines_cannot_connect(running):
    from tfsep.web.server import _listen

    with _listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_only_the_page_itself_may_ask(running):
    own = f"http://127.0.0.1:{running.port}"
    assert running.ask("models", Origin=own)[0] == 200
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{running.port}"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{running.port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        for method in ("GET", "POST", "DELETE"):
            status, _, content = running.ask("songs", method=method, **headers)
            assert status == 403 and b"stems" not in content
    assert running.ask("songs", token="tokem")[0] == running.ask("", token="")[0] == 404
    assert running.ask("../token/songs", token="x")[0] == 404


def test_headers_of_every_answer(running):
    for path, status in (("", 200), ("models", 200), ("page.css", 200), ("nothing", 404)):
        found, headers, _ = running.ask(path)
        assert found == status
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store" and "server" not in headers
        assert not any(name.startswith("access-control") for name in headers)


def test_the_page_runs_no_inline_script(running):
    page = running.ask("")[2].decode()
    assert "onclick" not in page and "javascript:" not in page
    assert page.count("<script") == page.count("<script src=") == 2
    own = {name: text for name, text in page_files().items() if not name.startswith("wavesurfer")}
    assert [name for name, text in own.items() if b"http:" in text or b"https:" in text] == []  # works offline


def test_a_download_is_cancelled_and_its_failure_is_told(server, song, monkeypatch, tmp_path):
    monkeypatch.setenv("TFSEP_CACHE", str(tmp_path))
    script = f"import pathlib, time; pathlib.Path({str(tmp_path / 'begun')!r}).touch(); time.sleep(60)"
    monkeypatch.setattr(downloads, "_COMMAND", (sys.executable, "-c", script))
    address = server.add(song.read_bytes(), "model=spleeter-2stems")
    while not (tmp_path / "begun").exists():
        time.sleep(0.02)
    assert re.fullmatch(r"Downloading the model, \d+ MB", server.json(address)["state"])
    server.ask(address, method="DELETE")
    script = "import sys; sys.exit('notes\\ntfsep: ' + sys.argv[1] + ' could not be downloaded: no connection.')"
    monkeypatch.setattr(downloads, "_COMMAND", (sys.executable, "-c", script))
    facts = server.finished(server.add(song.read_bytes(), "model=spleeter-2stems"), seconds=30)
    assert facts["error"] == "spleeter-2stems could not be downloaded: no connection."
    assert list(server.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "x.mp3: is damaged; replace the file, or read its decodable part with tfsep separate --tolerant.",
            "x.mp3: is damaged; replace the file, or read its decodable part with `tfsep separate --tolerant`.",
        ),
        (
            "Convert them to mono, or surround sound to stereo by --downmix.",
            "Convert them to mono, or surround sound to stereo with `tfsep separate --downmix`.",
        ),
        ("/tmp/a/stems/the rest.wav: not all samples could be written.", "Not all samples could be written."),
        ("/tmp/a/song.mp3: cannot be read as audio.", "Cannot be read as audio."),
        ("umx could not be downloaded.", "umx could not be downloaded."),
    ],
)
def test_errors_advise_what_the_reader_can_do(message, expected):
    job = jobs.Job("x.mp3", "x", Path("/tmp/a/song.mp3"), "umx", None, None, ".wav")
    assert jobs._in_words(message, job) == expected


def test_methods_that_take_whole_songs_are_not_offered(running):
    assert not {row["name"] for row in running.json("models")["models"]} & {"hpss", "repet-sim"}


def test_a_full_disk_is_told_before_the_work(server, song, monkeypatch):
    monkeypatch.setattr("tfsep.web.room.shutil.disk_usage", lambda folder: SimpleNamespace(free=1_500_000))
    facts = server.finished(server.add(song.read_bytes(), "model=hpss&format=mp3"))
    assert "2 MB are needed, and 1 MB are free. Remove songs" in facts["error"] and "/" not in facts["error"]
    answer = server.ask("songs?model=hpss", method="POST", body=b"a" * 1_600_000)
    assert json.loads(answer[2])["error"].startswith("There is no room for this song: 2 MB are needed")


def test_a_disk_that_is_full_in_the_middle_is_told_without_paths(server, song, monkeypatch):
    def fail(writer, block):
        raise OSError(errno.EIO, "not all samples could be written; the disk may be full", "/tmp/vocals.wav")

    monkeypatch.setattr(audio.Writer, "write", fail)
    facts = server.finished(server.add(song.read_bytes(), "model=hpss"))
    assert facts["error"].startswith("The disk is full. Remove songs") and "/" not in facts["error"]
    assert list(server.folder.iterdir()) == []
