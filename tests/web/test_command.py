"""The command, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from tfsep import cli, datasets

COMMAND = [sys.executable, "-m", "tfsep", "web", "--no-browser"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ends_in_the_middle_of_a_song_and_leaves_nothing(tmp_path):
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    song = datasets.embedded()[0].mixture.path.read_bytes()
    songs = tmp_path / "songs"
    songs.mkdir()
    environment = os.environ | {"TMPDIR": str(songs), "TFSEP_CACHE": str(tmp_path / "cache")}  # without the model
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(COMMAND, env=environment, **pipes) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        urllib.request.urlopen(f"{address}songs?model=spleeter-2stems&name=song.mp4", data=song, timeout=60)
        assert list(songs.glob("*/*/song.mp4"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert list(songs.iterdir()) == []


@pytest.mark.parametrize("port", ["-1", "80000"])
def test_a_port_that_is_none_is_refused_before_anything_is_loaded(port):
    answer = CliRunner().invoke(cli.app, ["web", "--port", port])
    assert answer.exit_code == 2 and "--port" in answer.output


def test_a_port_that_is_in_use_is_said():
    serve = pytest.importorskip("tfsep.web.server", reason="the extra web is not installed").serve
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="Choose another --port"):
        serve(other.getsockname()[1], browser=False)
