"""Who may ask the server: the page that has its token, from this machine."""

from __future__ import annotations

import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# wavesurfer.js puts a style element beside its drawings; no script is in a page or from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Pass on requests to `/TOKEN/...` that come from the page itself, without the token, and refuse all others.

    A page of another site cannot know the token; that it cannot ask by a name that it points here (DNS rebinding), or
    from its own origin, is checked all the same.

    Args:
        app: the application behind.
        token: str, the first part of every address.
    """

    def __init__(self, app: ASGIApp, token: str):
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = message | {"headers": [*message.get("headers", ()), *added]}
            await send(message)

        if scope["type"] != "http":
            return
        token, slash, rest = scope["path"][1:].partition("/")
        if not _is_own(scope):
            answer = _refusal(403, "Only the page of tfsep itself may ask.")
        elif not slash or not secrets.compare_digest(token.encode(), self._token):
            answer = _refusal(404, "There is nothing here. Open the address that `tfsep web` printed.")
        else:
            answer, scope = self._app, scope | {"path": f"/{rest}"}
        await answer(scope, receive, send_with_headers)


def _refusal(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status)


def _is_own(scope: Scope) -> bool:
    """Whether a request names this server as its host, and comes from no other site."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, []).append(value)
    port = scope["server"][1]
    hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}
    host = headers.get(b"host", [])
    if len(host) != 1 or host[0] not in hosts:
        return False
    origins = [*headers.get(b"origin", []), b"http://" + host[0]]
    sites = headers.get(b"sec-fetch-site", [])
    return set(origins) == {b"http://" + host[0]} and set(sites) <= {b"same-origin", b"none"}
