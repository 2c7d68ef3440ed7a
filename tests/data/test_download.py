"""E6: downloads against a server on this machine that errs in every way a mirror can."""

import contextlib
import hashlib
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scorefield.data.download import RemoteFile, fetch
from scorefield.errors import DataError

CONTENT = bytes(range(256)) * 1000
FILE = RemoteFile(
    "data.gz",
    len(CONTENT),
    hashlib.md5(CONTENT, usedforsecurity=False).hexdigest(),
    hashlib.sha256(CONTENT).hexdigest(),
)


class Server:
    """Answers path P with ``routes[P](handler)``; ``asked`` lists the paths in order."""

    def __init__(self) -> None:
        self.routes: dict[str, Callable[[Any], None]] = {}
        self.asked: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                with contextlib.suppress(ConnectionError):
                    server.routes.get(self.path, status(404))(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    server = Server()
    yield server
    server.close()


def send(data: bytes, length: int | None = None) -> Callable[[Any], None]:
    def answer(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def status(code: int, **headers: str) -> Callable[[Any], None]:
    def answer(handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.promise("E6")
def test_downloads_once_and_then_uses_the_cache(server, tmp_path):
    server.routes["/data.gz"] = send(CONTENT)
    cache = tmp_path / "new" / "cache"
    path = fetch(FILE, (server.url,), cache)
    assert path.read_bytes() == CONTENT
    assert fetch(FILE, (server.url,), cache) == path
    assert server.asked == ["/data.gz"]
    assert names(cache) == ["data.gz"]


@pytest.mark.promise("E6")
def test_mirrors_are_tried_in_order_until_one_is_right(server, tmp_path):
    server.routes |= {
        "/b/data.gz": send(CONTENT[:-1] + b"!"),
        "/c/data.gz": send(CONTENT),
        "/d/data.gz": send(CONTENT),
    }
    mirrors = ("http://127.0.0.1:9", *(f"{server.url}/{name}" for name in "abcd"))
    assert fetch(FILE, mirrors, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["/a/data.gz", "/b/data.gz", "/c/data.gz"]


def wrong_encoding(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(CONTENT)


WRONG = {
    "another file": send(CONTENT[::-1]),
    "one byte changed": send(CONTENT[:-1] + b"!"),
    "too short": send(CONTENT[:-1]),
    "empty": send(b""),
    "too long": send(CONTENT + b"!"),
    "interrupted": send(CONTENT[:1000], length=len(CONTENT)),
    "an error": status(500),
    "a page": send(b"<html>log in to the guest network</html>"),
    "wrong encoding": wrong_encoding,
    "a redirect without end": status(302, Location="/data.gz"),
    "a redirect to nowhere": status(302, Location="gopher://127.0.0.1/data.gz"),
}


@pytest.mark.promise("E6")
@pytest.mark.parametrize("name", WRONG)
def test_nothing_wrong_is_cached(name, server, tmp_path):
    server.routes["/data.gz"] = WRONG[name]
    with pytest.raises(DataError, match=server.url):
        fetch(FILE, (server.url,), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.promise("E6")
def test_hash_decides_where_the_size_is_right(server, tmp_path):
    server.routes["/data.gz"] = send(CONTENT[::-1])
    with pytest.raises(DataError, match=f"SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}"):
        fetch(FILE, (server.url,), tmp_path)


@pytest.mark.promise("E6")
def test_an_endless_answer_is_cut_off(server, tmp_path):
    sent = 0

    def answer(handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        while sent < 1 << 30:
            handler.wfile.write(CONTENT)
            sent += len(CONTENT)

    server.routes["/data.gz"] = answer
    with pytest.raises(DataError, match="more bytes"):
        fetch(FILE, (server.url,), tmp_path)
    assert sent < 1 << 28
    assert names(tmp_path) == []


@pytest.mark.promise("E6")
def test_redirect_to_a_local_file_is_refused(server, tmp_path):
    local = tmp_path / "local.gz"
    local.write_bytes(CONTENT)  # the right bytes: only the scheme can refuse them
    cache = tmp_path / "cache"
    server.routes["/data.gz"] = status(302, Location=local.as_uri())
    with pytest.raises(DataError, match="file://"):
        fetch(FILE, (server.url,), cache)
    assert names(cache) == []


@pytest.mark.promise("E6")
def test_redirect_over_http_is_followed(server, tmp_path):
    server.routes |= {"/data.gz": status(302, Location="/elsewhere"), "/elsewhere": send(CONTENT)}
    assert fetch(FILE, (server.url,), tmp_path).read_bytes() == CONTENT


@pytest.mark.promise("E6")
@pytest.mark.parametrize("damage", [b"", CONTENT[::-1], CONTENT + b"!"], ids=["empty", "changed", "longer"])
def test_tampered_cache_is_fetched_again(damage, server, tmp_path):
    (tmp_path / FILE.name).write_bytes(damage)
    server.routes["/data.gz"] = send(CONTENT)
    assert fetch(FILE, (server.url,), tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == [FILE.name]


@pytest.mark.promise("E6")
def test_offline_uses_the_cache_or_says_what_to_do(tmp_path):
    mirrors = ("http://127.0.0.1:9/first", "http://127.0.0.1:9/second")
    with pytest.raises(DataError) as caught:
        fetch(FILE, mirrors, tmp_path)
    for part in (
        *(f"{mirror}/data.gz: Connection refused\n" for mirror in mirrors),
        f"{len(CONTENT)} bytes",
        FILE.md5,
        str(tmp_path),
    ):
        assert part in str(caught.value)
    (tmp_path / FILE.name).write_bytes(CONTENT)
    assert fetch(FILE, mirrors, tmp_path).read_bytes() == CONTENT


@pytest.mark.promise("E6")
def test_cache_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cache folder"):
        fetch(FILE, (server.url,), tmp_path / "file" / "cache")


FETCH = """
import sys
from pathlib import Path
from scorefield.data.download import RemoteFile, fetch
fetch(RemoteFile(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]), (sys.argv[5],), Path(sys.argv[6]))
"""


def start(server: Server, cache) -> subprocess.Popen[bytes]:
    fields = [FILE.name, str(FILE.size), FILE.md5, FILE.sha256, server.url, str(cache)]
    return subprocess.Popen([sys.executable, "-c", FETCH, *fields])


@pytest.mark.promise("E6")
@pytest.mark.slow
def test_two_processes_at_once(server, tmp_path):
    both = threading.Barrier(2, timeout=120)

    def answer(handler) -> None:
        both.wait()  # neither is served before both are downloading
        send(CONTENT)(handler)

    server.routes["/data.gz"] = answer
    processes = [start(server, tmp_path) for _ in range(2)]
    assert [process.wait(timeout=180) for process in processes] == [0, 0]
    assert server.asked == ["/data.gz"] * 2
    assert names(tmp_path) == [FILE.name]
    assert (tmp_path / FILE.name).read_bytes() == CONTENT


@pytest.mark.promise("E6")
def test_killed_download_leaves_no_file_of_that_name(server, tmp_path):
    half, gone = threading.Event(), threading.Event()

    def answer(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:100_000])
        half.set()
        gone.wait(120)

    server.routes["/data.gz"] = answer
    process = start(server, tmp_path)
    assert half.wait(120)
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in tmp_path.iterdir()) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    gone.set()
    assert not (tmp_path / FILE.name).exists()
    server.routes["/data.gz"] = send(CONTENT)
    assert fetch(FILE, (server.url,), tmp_path).read_bytes() == CONTENT
