"""Calls on all cores: what they return, and that neither a killed worker, Ctrl-C nor a killed command leaves anything waiting."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scorefield.cli.workers import each

WAITING = """
import os, signal, time
from pathlib import Path
from scorefield.cli.workers import each
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it, and so does all it starts
def work(seconds):
    Path(__file__).with_name(f"{os.getpid()}.worker").touch()
    time.sleep(seconds)
if __name__ == "__main__":
    list(each(work, [600, 601]))
"""
TORCH = "def get_num_threads(): return 2\ndef set_num_threads(threads): pass\n"
"""What workers ask of PyTorch: three processes that import no more are soon at work."""


@pytest.fixture
def two_threads(monkeypatch, tmp_path):
    """Two workers, which start where this process looks for modules."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("two_threads")
def test_every_item_comes_with_its_result():
    found = dict(each(_abs_and_place, [-1, -2, -3]))
    assert {item: result[0] for item, result in found.items() if result} == {-1: 1, -2: 2, -3: 3}
    assert os.getpid() not in {result[1] for result in found.values() if result}


def test_one_thread_needs_no_other_process(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert dict(each(_place, [1, 2])) == {1: os.getpid(), 2: os.getpid()}


@pytest.mark.usefixtures("two_threads")
def test_an_error_of_the_function_is_the_callers():
    with pytest.raises(TypeError):
        list(each(abs, ["a", -1]))


@pytest.mark.usefixtures("two_threads")
def test_a_worker_that_is_killed_is_told_and_nothing_waits_for_it():
    assert dict(each(os._exit, [9, 10, 11])) == {9: None, 10: None, 11: None}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_command(tmp_path, sent: signal.Signals):
    script = tmp_path / "waiting.py"
    script.write_text(WAITING)
    (tmp_path / "torch.py").write_text(TORCH)
    command = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    _until(lambda: len(list(tmp_path.glob("*.worker"))) == 2, "the workers do not work")
    workers = [int(path.stem) for path in tmp_path.glob("*.worker")]
    command.send_signal(sent)
    assert command.wait(timeout=300) != 0
    _until(lambda: not any(map(_alive, workers)), "a worker outlives the command")


def _until(what: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 300
    while not what():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def _abs_and_place(item: int) -> tuple[int, int]:
    return abs(item), os.getpid()


def _place(item: int) -> int:
    return os.getpid()


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # dead, and not yet collected by whoever is its parent now
