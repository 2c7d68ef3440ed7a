"""The app's guard: which requests it accepts, and how large.

The app answers people at this machine, so what other pages in their browser might send is refused: a ``Host`` that is not this machine's
name (a foreign name that was made to point here) and a request of another page. Bodies are bounded before they are read.
"""

import re

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMIT = 8 * 2**20
"""Bytes of a request's body."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Answers by ``app`` what may be asked of it; ``local`` serves this machine only, and refuses any other ``Host``."""

    def __init__(self, app: ASGIApp, *, local: bool) -> None:
        self._app, self._local = app, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS | ({"X-Frame-Options": "DENY"} if self._local else {}))
            await send(message)

        refused = self._refused(scope["method"], Headers(scope=scope))
        if refused is None:
            body, refused = await _read(receive)
            receive = _replayed(body, receive)
        await (self._app if refused is None else refused)(scope, receive, sent)

    def _refused(self, method: str, headers: Headers) -> JSONResponse | None:
        if self._local and _name(headers.get("host", "")) not in _LOOPBACK:
            return refusal(403, "this app serves its own machine alone; open it as http://127.0.0.1")
        if _foreign(method, headers):
            return refusal(403, "another page may not ask this app")
        size = headers.get("content-length", "0")
        return None if size.isdecimal() and int(size) <= LIMIT else _too_large()


def _foreign(method: str, headers: Headers) -> bool:
    """Return whether a request was made by the page of another site.

    Browsers say so (W3C, Fetch Metadata), whatever a proxy makes of ``Host`` and ``Origin``; a link to the app does no harm.
    Where they do not say it, over plain HTTP from another machine, the origin is compared with the host.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none") and (method != "GET" or origin is not None)
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")


async def _read(receive: Receive) -> tuple[bytes, JSONResponse | None]:
    """Return a body, or the refusal of one that is larger than it said."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LIMIT:
            return b"", _too_large()
        if not message.get("more_body", False):
            return b"".join(parts), None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a source that gives the body that was read, and then what comes after it."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        return next(messages, None) or await receive()

    return replay


def _name(host: str) -> str:
    """Return a host without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] if re.search(r":\d+$", host) else host


def refusal(status: int, message: str) -> JSONResponse:
    """Return an answer that says what went wrong."""
    return JSONResponse({"error": message}, status)


def _too_large() -> JSONResponse:
    return refusal(413, f"the request is larger than {LIMIT // 2**20} MiB; send a smaller picture")
