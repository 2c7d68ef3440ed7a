"""The server: pages, and answers that stream as one line of JSON per piece of news.

Who may ask, and how much, is for `scorefield.app.guard`. What goes wrong is said in one sentence, without paths; the rest stays in the
terminal.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from scorefield.app import answers, asks, restoring
from scorefield.app.guard import Guard, refusal
from scorefield.app.jobs import Busy, Job, Jobs
from scorefield.app.parts import Answer, Work
from scorefield.app.pictures import encoded, png
from scorefield.app.shelf import Shelf
from scorefield.errors import ConfigError, ScorefieldError

_TICK = 0.1  # seconds between two pieces of news
_log = logging.getLogger(__name__)

Asked = TypeVar("Asked")


def build(shelf: Shelf, *, local: bool = True, jobs: Jobs | None = None) -> ASGIApp:
    """Return the app.

    Args:
        shelf: the models.
        local: only this machine is served.
        jobs: the line.
    """
    line = Jobs() if jobs is None else jobs

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        line.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    _routes(app, shelf, line)
    _errors(app)
    home = Path(str(files("scorefield.app")))
    app.mount("/plane", StaticFiles(directory=home / "plane", html=True))
    app.mount("/", StaticFiles(directory=home / "pages", html=True))
    return Guard(app, local=local)


def _routes(app: FastAPI, shelf: Shelf, line: Jobs) -> None:
    def follow(kind: type[Asked], prepare: Callable[[Asked, Shelf], Work]) -> None:
        """Answer requests of a kind by the news of the work that is prepared for them, under the name of what prepares it."""

        @app.post(f"/api/{prepare.__name__}")
        async def answer(ask: kind, request: Request) -> StreamingResponse:  # pyright: ignore[reportInvalidTypeForm]
            job = line.submit(await run_in_threadpool(prepare, ask, shelf))
            return StreamingResponse(_news(job, line, request), media_type="application/x-ndjson")

    @app.get("/api/models")
    def models() -> list[str]:
        return list(shelf.names)

    @app.get("/api/model")
    def model(name: Annotated[str, Query(max_length=200)]) -> dict[str, Any]:
        return shelf[name].described()

    @app.get("/api/test")
    def test(
        name: Annotated[str, Query(max_length=200)], number: Annotated[int, Query(ge=0, le=10**7)]
    ) -> dict[str, str]:
        data = shelf[name].digits
        if data is None or number >= len(data):
            have = "has none on this machine" if data is None else f"has the numbers 0 to {len(data) - 1}"
            raise ConfigError(f"number of the test picture: {name} {have}; received {number}")
        return {"image": encoded(png(data[number]))}

    @app.post("/api/picture")
    def picture(ask: asks.Picture) -> dict[str, Any]:
        return answers.picture(ask, shelf)

    follow(asks.Draw, answers.draw)
    follow(asks.Restore, restoring.restore)
    follow(asks.Explore, answers.explore)
    follow(asks.Likelihood, answers.likelihood)


async def _news(job: Job[Answer], line: Jobs, request: Request) -> AsyncIterator[str]:
    """Yield how far a job is, and at last its answer; stop it when nobody listens any longer."""
    future = asyncio.wrap_future(job.future)
    # Looked at in any case: asyncio complains of errors that nobody has seen.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        while not (await asyncio.wait([future], timeout=_TICK))[0]:
            if await request.is_disconnected():
                return
            yield json.dumps({"place": line.place(job), "done": job.done, "total": job.total}) + "\n"
        error = future.exception()
        yield (json.dumps({"answer": future.result()} if error is None else {"error": sentence(error)})) + "\n"
    finally:
        line.cancel(job)


def sentence(error: BaseException) -> str:
    """Return what is said of an error: in the library's words where they are for people, and without the folders in them."""
    if not isinstance(error, ScorefieldError | ValueError):
        _log.error("an answer failed", exc_info=error)
        return "something went wrong in the app; its terminal says what"
    text = str(error).partition("\n")[0][:400]
    return re.sub(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\s'\"\\/:;,]+)*[\\/](?=[^\s'\"\\/:;,])", "", text)


def _errors(app: FastAPI) -> None:
    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 for the type checker: registered for it
        first = error.errors()[0]
        # The first name is the setting; what follows it is which of its types was tried.
        where = next((part for part in first["loc"][1:] if isinstance(part, str)), "request")[:80]
        said, given = first["msg"].removeprefix("Input ").partition(", unable")[0][:200], first["input"]
        said = said if said[:2].isupper() else said[:1].lower() + said[1:]
        if not isinstance(given, dict | list):
            said += f"; received {'nothing' if given is None else repr(given):.40}"
        return refusal(422, f"{asks.NAMES.get(where, where)}: {said}")

    async def refused(_: Request, error: Exception) -> JSONResponse:
        return refusal(503 if isinstance(error, Busy) else 422, sentence(error))

    async def missing(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 for the type checker: registered for it
        return refusal(
            error.status_code,
            {404: "there is no such page", 400: "the request is not JSON"}.get(error.status_code, str(error.detail)),
        )

    async def broken(_: Request, error: Exception) -> JSONResponse:
        return refusal(500, sentence(error))

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[JSONResponse]]] = {
        RequestValidationError: invalid,
        ScorefieldError: refused,
        HTTPException: missing,
        Exception: broken,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
