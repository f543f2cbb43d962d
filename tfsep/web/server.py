"""The server of the page."""

from __future__ import annotations

import contextlib
import json
import math
import re
import secrets
import socket
import tempfile
import webbrowser
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tfsep.checks import check_choice
from tfsep.console import one_line
from tfsep.files import file_name, scratch
from tfsep.separation.songs import SONG_SUFFIXES
from tfsep.web import models, sound
from tfsep.web.front_end import page_files
from tfsep.web.jobs import MIXTURE, Job, Jobs
from tfsep.web.room import FULL, check_room, is_full
from tfsep.web.security import Guard

FORMATS = ("wav", "flac", "mp3", "m4a", "ogg", "opus")
# Bytes of one upload, and songs that are kept at a time.
MOST_BYTES, MOST_SONGS = 4 * 10**9, 200
_LONGEST_NAME = 200
# Chosen by the page, which thus can remove a song that it has not uploaded to the end.
_ID = re.compile(r"[0-9a-zA-Z-]{1,40}")
# Not of `mimetypes`, which asks the system, and scripts of another type do not run.
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}


def serve(port: int = 0, browser: bool = True) -> None:
    """Serve the page on this machine until the process is interrupted.

    Args:
        port: int; 0 for any that is free. Defaults to 0.
        browser: bool, open the page. Defaults to True.

    Raises:
        OSError: if the port is in use.
    """
    with scratch(Path(tempfile.gettempdir())) as folder, _listen(port) as listener:
        jobs, token = Jobs(folder), secrets.token_urlsafe(24)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"
        print(f"{address}\nThe page is for this machine alone. Ctrl-C ends it, and removes its songs.", flush=True)
        if browser:
            webbrowser.open(address)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                server(jobs, token).run([listener])
        finally:
            jobs.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise OSError(
            error.errno, f"{error.strerror}. Choose another --port, or 0 for a free one", f"port {port}"
        ) from None


def server(jobs: Jobs, token: str) -> uvicorn.Server:
    """Return a server of the page, to be run on a socket."""
    options = {"lifespan": "off", "ws": "none", "log_level": "error", "timeout_graceful_shutdown": 1}
    return uvicorn.Server(uvicorn.Config(application(jobs, token), server_header=False, **options))


def application(jobs: Jobs, token: str) -> Guard:
    """Return the application, which answers under `/TOKEN/` alone."""
    files = page_files()

    def asset(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        return Response(files[name], media_type=_TYPES[Path(name).suffix])

    handlers = _Handlers(jobs)
    routes = [
        Route("/models", handlers.models),
        Route("/songs", handlers.songs),
        Route("/songs", handlers.add, methods=["POST"]),
        Route("/songs/{id}", handlers.song),
        Route("/songs/{id}", handlers.remove, methods=["DELETE"]),
        Route("/songs/{id}/sound/{stem}/{number:int}", handlers.span),
        Route("/songs/{id}/stems/{stem}", handlers.stem),
        Route("/songs/{id}/zip", handlers.archive),
        Route("/songs/{id}/mix", handlers.mix),
        Route("/", asset),
        Route("/{name}", asset),
    ]
    errors = {HTTPException: _said, ValueError: _said, OSError: _said, RuntimeError: _said}
    return Guard(Starlette(routes=routes, exception_handlers=errors), token)


def _said(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    return JSONResponse({"error": FULL if is_full(error) else one_line(error)}, 400)


class _Handlers:
    """Request handlers. Requests never contain file paths: songs are looked up by id, and stems by name."""

    def __init__(self, jobs: Jobs):
        self._jobs = jobs

    def models(self, request: Request) -> Response:
        rows = models.rows(self._jobs.speeds)
        return JSONResponse({"models": rows, "formats": FORMATS, "mostBytes": MOST_BYTES})

    def songs(self, request: Request) -> Response:
        return JSONResponse([{"name": job.name, "address": f"songs/{job.id}"} for job in self._jobs])

    def song(self, request: Request) -> Response:
        return JSONResponse(self._job(request).facts())

    def remove(self, request: Request) -> Response:
        with contextlib.suppress(KeyError):  # removed already, perhaps in another tab
            self._jobs.remove(self._jobs[request.path_params["id"]])
        return JSONResponse({})

    async def add(self, request: Request) -> Response:
        job = self._new(request)
        try:
            size = 0
            with job.upload.open("xb") as file:
                async for block in request.stream():
                    size += len(block)
                    _check_size(size)
                    file.write(block)
        except BaseException as error:
            self._jobs.remove(job)
            if isinstance(error, ClientDisconnect):
                return Response(status_code=400)  # which nobody reads
            raise
        self._jobs.start(job)
        return JSONResponse({"address": f"songs/{job.id}"})

    def _new(self, request: Request) -> Job:
        query = request.query_params
        model, form = query.get("model", ""), query.get("format", FORMATS[0])
        check_choice("model", model, models.names())
        check_choice("format", form, FORMATS)
        size = int(request.headers.get("content-length", 0))
        _check_size(size)
        if len(list(self._jobs)) >= MOST_SONGS:
            raise HTTPException(413, f"There are {MOST_SONGS} songs already. Remove some.")
        check_room(Path(tempfile.gettempdir()), size, "this song")
        id = query.get("id") or secrets.token_hex(8)
        if not _ID.fullmatch(id) or id in (job.id for job in self._jobs):
            raise HTTPException(400, "id must be new, of at most 40 letters and digits.")
        name = _printable(query.get("name", ""))
        suffix = next((suffix for suffix in (".stem.mp4", *SONG_SUFFIXES) if name.lower().endswith(suffix)), "")
        return self._jobs.new(
            name,
            name[: len(name) - len(suffix)],
            suffix,
            id=id,
            model=model,
            stems=query["stems"].split(",") if "stems" in query else None,
            residual=query.get("residual"),
            format=f".{form}",
        )

    def span(self, request: Request) -> Response:
        path = self._path(request)
        return Response(sound.span(path, request.path_params["number"]), media_type="audio/wav")

    def stem(self, request: Request) -> Response:
        path = self._path(request)
        return FileResponse(path, filename=self._job(request).filename(request.path_params["stem"]))

    def archive(self, request: Request) -> Response:
        job = self._done(request)
        title = file_name(job.title)
        stems = {f"{title}/{name}{job.format}": path for name, path in job.paths.items() if name != MIXTURE}
        return _saved(sound.archive(stems), f"{title}.zip", "application/zip")

    def mix(self, request: Request) -> Response:
        job = self._done(request)
        try:
            recipe = json.loads(request.query_params["recipe"])
            start, stop = float(recipe["from"]), float(recipe["to"])
            gains = {name: float(gain) for name, gain in recipe["gains"].items()}
            muted = {name: [(float(a), float(b)) for a, b in ranges] for name, ranges in recipe["muted"].items()}
            numbers = [
                start,
                stop,
                *gains.values(),
                *(end for ranges in muted.values() for pair in ranges for end in pair),
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ValueError("A mix needs `from`, `to`, `gains` and `muted`.") from None
        if not all(map(math.isfinite, numbers)):
            raise ValueError("A mix needs finite numbers.")
        if not gains.keys() | muted.keys() <= job.paths.keys():
            raise HTTPException(404, "There is no such stem.")
        name = f"{file_name(job.title)} {'original' if list(gains) == [MIXTURE] else 'mix'}.wav"
        return _saved(sound.mix(job.paths, start, stop, gains, muted), name, "audio/wav")

    def _job(self, request: Request) -> Job:
        try:
            return self._jobs[request.path_params["id"]]
        except KeyError:
            raise HTTPException(404, "This song is no longer here.") from None

    def _done(self, request: Request) -> Job:
        job = self._job(request)
        if not job.paths:
            raise HTTPException(404, "This song is not separated yet.")
        return job

    def _path(self, request: Request) -> Path:
        paths = self._done(request).paths
        if request.path_params["stem"] not in paths:
            raise HTTPException(404, "There is no such stem.")
        return paths[request.path_params["stem"]]


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise HTTPException(413, f"A song may have {MOST_BYTES / 1e9:g} GB at most.")


def _printable(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())[-_LONGEST_NAME:] or "song"


def _saved(content, name: str, kind: str) -> Response:
    from urllib.parse import quote

    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return StreamingResponse(content, media_type=kind, headers=headers)
