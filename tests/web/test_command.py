"""The command, as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from tfsep import datasets

COMMAND = [sys.executable, "-m", "tfsep", "web", "--no-browser"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ends_in_the_middle_of_a_song_and_leaves_nothing(tmp_path):
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    song = datasets.embedded()[0].mixture.path.read_bytes()
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        urllib.request.urlopen(f"{address}songs?model=hpss&name=song.mp4", data=song, timeout=60)
        assert list(tmp_path.glob("*/*/song.mp4"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_in_use_is_said():
    serve = pytest.importorskip("tfsep.web.server", reason="the extra web is not installed").serve
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="Choose another --port"):
        serve(other.getsockname()[1], browser=False)
