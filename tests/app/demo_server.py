"""The app of ``scorefield demo`` for tests: on a free port of this machine, in a thread, and how it is asked."""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

import numpy as np
import torch
import uvicorn
from PIL import Image

from scorefield.app.jobs import Jobs
from scorefield.app.server import build
from scorefield.app.shelf import Shelf
from scorefield.data import digits

__all__ = ["IMAGE", "MASK", "Served", "encoded", "files", "png", "serve"]


def png(x: np.ndarray, kind: str = "PNG") -> str:
    """Return an array of bytes as the base64 of a picture."""
    written = BytesIO()
    Image.fromarray(x).save(written, kind)
    return encoded(written.getvalue())


def encoded(file: bytes) -> str:
    return base64.b64encode(file).decode()


IMAGE = png(digits(train=False).x[3, 0].numpy())
MASK = png(np.repeat(np.uint8([[0, 0, 0, 0, 255, 255, 255, 255]]), 8, axis=0))


class Served:
    """An app that runs, and the line of its jobs."""

    def __init__(self, port: int, jobs: Jobs | None = None) -> None:
        self.port, self.jobs = port, jobs

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Return status and body of the answer; what is not said of headers is as a browser says it."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        link.putrequest(method, path, skip_host=True)
        given = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given.setdefault("Content-Length", str(len(body)))
        for name, value in given.items():
            link.putheader(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered already, and read no further
            link.endheaders(body)
        answer = link.getresponse()
        return answer.status, answer.read()

    def post(self, page: str, **body: object) -> tuple[int, dict[str, Any]]:
        """Return the status and the last line of an answer."""
        status, told = self.ask("POST", f"/api/{page}", json.dumps(body).encode())
        return status, json.loads(told.splitlines()[-1])

    def answer(self, page: str, **body: object) -> dict[str, Any]:
        """Return the answer to a request that is in order."""
        status, told = self.post(page, **body)
        assert (status, "answer" in told) == (200, True), told
        return told["answer"]

    def leave(self, page: str, **body: object) -> None:
        """Ask for work, hear the first news of it, and go."""
        sent = json.dumps(body).encode()
        with socket.create_connection(("127.0.0.1", self.port)) as link:
            head = f"POST /api/{page} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
            link.sendall(head.encode() + sent)
            heard = b""
            while b'"place"' not in heard:
                heard += link.recv(4096)


def files(answer: dict[str, Any], name: str) -> Any:
    """Return a file of an answer: arrays where it is an .npz."""
    file = base64.b64decode(answer["files"][name])
    return dict(np.load(BytesIO(file))) if name.endswith(".npz") else file


@contextmanager
def serve(
    *models: str, data_dir: str | None = None, local: bool = True, most: int = 32, plugins: Iterable[str] = ()
) -> Iterator[Served]:
    """Serve models until the end of the context."""
    jobs = Jobs(most)
    app = build(Shelf(list(models), torch.device("cpu"), data_dir, plugins), local=local, jobs=jobs)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        try:
            yield Served(listening.getsockname()[1], jobs)
        finally:
            server.should_exit = True
            thread.join()
