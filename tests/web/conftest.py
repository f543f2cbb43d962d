"""A running server of the page."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

TOKEN = "token"


class Client:
    """What a server answers, and what it keeps.

    Attributes:
        address: str, of the page.
        folder: path of the folder of its songs.
    """

    def __init__(self, port, folder, jobs):
        self.port, self.folder, self.jobs = port, folder, jobs
        self.address = f"http://127.0.0.1:{port}/{TOKEN}/"

    def ask(self, path, method="GET", body=None, token=TOKEN, **headers):
        """Returns status, headers and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/{token}/{path}", body, named)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    def json(self, path, **options):
        return json.loads(self.ask(path, **options)[2])

    def add(self, content, query):
        """Uploads a song, and returns its address."""
        return self.json(f"songs?{query}", method="POST", body=content)["address"]

    def finished(self, address, seconds=60):
        """Waits until a song is done or has failed, and returns its facts."""
        end = time.monotonic() + seconds
        while not ((facts := self.json(address)).get("stems") or facts.get("error")):
            assert time.monotonic() < end, facts
            time.sleep(0.05)
        return facts

    def clear(self):
        for job in self.jobs:
            self.jobs.remove(job)


@contextlib.contextmanager
def _server(tmp_path_factory):
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    from tfsep.web import models
    from tfsep.web.jobs import Jobs
    from tfsep.web.server import server as make

    folder = tmp_path_factory.mktemp("songs")
    jobs, names = Jobs(folder), models.names()
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listener:
        patch.setattr(models, "names", lambda: [*names, "hpss"])  # needs no TensorFlow
        server = make(jobs, TOKEN)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        client = Client(listener.getsockname()[1], folder, jobs)
        client.server = server
        yield client
        server.should_exit = True
        thread.join()
        jobs.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with _server(tmp_path_factory) as client:
        yield client


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A server whose songs stay: tests run in any order, and those with `server` remove all songs."""
    with _server(tmp_path_factory) as client:
        yield client


@pytest.fixture
def short_lived(tmp_path_factory):
    """A server that a test may stop."""
    with _server(tmp_path_factory) as client:
        yield client


@pytest.fixture
def server(running):
    """The server without songs."""
    running.clear()
    yield running
    running.clear()
