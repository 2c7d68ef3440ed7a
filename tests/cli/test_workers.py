"""Calls on all cores: what they return, and that neither a killed worker, Ctrl-C nor a killed command leaves anything waiting."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from scorefield.cli.workers import each

WAITING = """
import os, signal, time
from multiprocessing import active_children
import torch
torch.set_num_threads(2)
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it, and so does all it starts
from scorefield.cli.workers import each
if __name__ == "__main__":
    import threading
    def tell():
        while len(active_children()) < 2:
            time.sleep(0.05)
        time.sleep(4.0)  # until they work
        print(*(child.pid for child in active_children()), flush=True)
    threading.Thread(target=tell, daemon=True).start()
    list(each(time.sleep, [600, 601]))
"""


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


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
    command = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert command.stdout is not None
    workers = [int(pid) for pid in command.stdout.readline().split()]
    assert len(workers) == 2
    command.send_signal(sent)
    assert command.wait(timeout=30) != 0
    deadline = time.monotonic() + 30
    while any(map(_alive, workers)):
        assert time.monotonic() < deadline, "a worker outlives the command"
        time.sleep(0.1)


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
