"""What tests run in is what it says: nobody answers, nothing can be written at home, and what a test leaves is seen."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from forked import Forked

ELSEWHERE = ("192.0.2.1", 80)  # an address kept for documentation


def connect() -> None:
    with socket.socket() as asking:
        asking.connect(ELSEWHERE)


def send() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.sendto(b"", ELSEWHERE)


def browse() -> None:
    import requests

    requests.get("https://example.org", timeout=5)


@pytest.mark.parametrize(
    "ask", [connect, send, browse, lambda: socket.getaddrinfo("example.org", 80), lambda: socket.socket().bind(("", 0))]
)
def test_another_machine_is_not_asked_whatever_the_code_makes_of_errors(ask) -> None:
    try:
        ask()
    except Exception as error:  # as code that takes them for an answer
        pytest.fail(f"an error that can be swallowed: {error!r}")
    except pytest.fail.Exception as failure:
        assert "the network was asked" in str(failure)
    else:
        pytest.fail("it was asked")


def test_this_machine_is_there(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as asking:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        asking.connect(str(tmp_path / "socket"))


CLIENTS = (
    "urllib.request.urlopen({!r})",
    "requests.get({!r})",
    "huggingface_hub.get_hf_file_metadata({!r}, token=False)",
)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_process_of_its_own_finds_no_web(client: str) -> None:
    code = f"import huggingface_hub, requests, urllib.request\n{client.format('https://example.org/')}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert "Connection refused" in done.stderr


EVERYTHING = """
import sys
def refuse(event, arguments):
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print(event, arguments, file=sys.stderr)
        sys.stderr.flush()
        import os; os._exit(9)
sys.addaudithook(refuse)
import importlib, pkgutil, random, scorefield, torch
before = random.getstate()
scorefield.c2st(torch.eye(12), torch.eye(12))
scorefield.metrics.nearest_neighbours(torch.eye(2), torch.eye(2))
scorefield.data.digits()
assert random.getstate() == before, "a package that was imported drew from Python's global generator"
for module in pkgutil.walk_packages(scorefield.__path__, "scorefield."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("scorefield.")]))
"""


@pytest.mark.promise("C3")
@pytest.mark.promise("E10")
def test_nothing_that_is_imported_asks_for_a_network_or_draws() -> None:
    """No address at all, not even of this machine; commands are run under the hook of tests in cli/test_every_command.py."""
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


@pytest.mark.promise("G7")
def test_nothing_can_be_written_at_home() -> None:
    with pytest.raises(OSError, match="Not a directory"):
        Path.home().mkdir(parents=True)


HABITS = """
import os, torch

def test_moves(tmp_path): os.chdir(tmp_path)
def test_draws(): torch.rand(1)
def test_writes(): open("leftover", "w").close()
def test_overwrites(): open("runs/quickstart/metrics.jsonl", "w").close()

def test_good(tmp_path, monkeypatch):
    torch.manual_seed(1)
    torch.rand(1)
    monkeypatch.chdir(tmp_path)
    open("leftover", "w").close()

def test_unseeded(): print("began at", torch.initial_seed())
"""


def habits(folder: Path, *options: str) -> Forked:
    """Start pytest on tests with bad habits, under this suite's rules, in a folder."""
    folder.mkdir()
    (folder / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (folder / "test_habits.py").write_text(HABITS)
    arguments = ["-c", os.devnull, "--rootdir", ".", "-rA", *options, "test_habits.py"]
    return Forked(pytest.main, arguments, cwd=folder)


def test_bad_habits_are_seen_and_the_seed_decides_the_rest(tmp_path: Path) -> None:
    all_, one, other = (
        habits(tmp_path / "all", "--randomly-seed=1", "--randomly-dont-reorganize"),
        habits(tmp_path / "one", "--randomly-seed=1", "-k", "unseeded"),
        habits(tmp_path / "other", "--randomly-seed=2", "-k", "unseeded"),
    )
    said = all_.communicate()[0]
    for name in ("draws", "moves", "overwrites", "writes"):
        assert f"ERROR test_habits.py::test_{name}" in said
    assert re.search(r"6 passed,( \d+ warnings?,)? 4 errors", said), said
    began = re.compile(r"began at \d+").findall
    assert began(said) == began(one.communicate()[0])
    assert began(said) != began(other.communicate()[0])
