import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from checkpoint_faults import child_holds_lock

from forked import children
from full_disk import full_disk
from scorefield.errors import ConfigError
from scorefield.runs.lock import RunLock


@contextlib.contextmanager
def holder(folder: Path, *, fork: bool = False) -> Iterator[tuple[BaseProcess, Any, int]]:
    """A process that holds the lock of ``folder``, its pipe, and the pid of the worker it forked."""
    ours, theirs = children.Pipe()
    process = children.Process(target=child_holds_lock, args=(folder, theirs, fork), daemon=True)
    process.start()
    assert ours.poll(60)
    worker: int = ours.recv()
    try:
        yield process, ours, worker
    finally:
        process.kill()
        process.join()


@pytest.mark.promise("A11")
def test_second_process_is_refused_by_name(tmp_path: Path):
    with holder(tmp_path) as (process, pipe, _):
        with pytest.raises(ConfigError) as caught, RunLock(tmp_path):
            pass
        assert caught.value.exit_code == 2
        for part in (f"process {process.pid};", str(tmp_path), "stop it", "another run folder"):
            assert part in str(caught.value)
        pipe.send("stop")
        process.join()
        with RunLock(tmp_path):
            pass


@pytest.mark.promise("A11")
def test_lock_of_a_killed_process_is_taken_over(tmp_path: Path):
    for _ in range(3):
        with holder(tmp_path) as (process, _, _):
            process.kill()
            process.join()
            with RunLock(tmp_path):
                assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.promise("A11")
def test_worker_that_outlives_its_parent_does_not_hold_the_run(tmp_path: Path):
    with holder(tmp_path, fork=True) as (process, _, worker):
        with pytest.raises(ConfigError), RunLock(tmp_path):
            pass
        process.kill()
        process.join()
        os.kill(worker, 0)  # still there
        with RunLock(tmp_path):
            pass
        os.kill(worker, signal.SIGKILL)


@pytest.mark.promise("A11")
@pytest.mark.parametrize("left", [b"", b"999999999\n", b"1\n", b"\xff\x00 not a pid" * 100])
def test_stale_file_is_no_lock(tmp_path: Path, left: bytes):
    (tmp_path / ".lock").write_bytes(left)
    with RunLock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_holder_without_a_readable_pid_still_refuses(tmp_path: Path):
    (tmp_path / ".lock").write_bytes(b"\x1b[31mred")
    with (tmp_path / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="process of unknown pid"), RunLock(tmp_path):
            pass


def test_one_process_cannot_hold_a_folder_twice(tmp_path: Path):
    lock = RunLock(tmp_path)
    with lock:
        for second in (RunLock(tmp_path), lock):
            with pytest.raises(ConfigError, match=f"process {os.getpid()};"):
                second.__enter__()
    with lock:  # a refused second entry took nothing away
        pass


def test_other_folders_are_free_and_an_error_releases(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path / "a"), RunLock(tmp_path / "b"):
        _ = 1 / 0
    with RunLock(tmp_path / "a"), RunLock(tmp_path / "b"):
        pass


@pytest.mark.promise("A7")
def test_folder_that_cannot_be_locked_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / ".lock").symlink_to(tmp_path / "elsewhere")
    for folder in (tmp_path / "missing", tmp_path / "file", tmp_path / "loop"):
        with pytest.raises(ConfigError, match="expected an existing folder"), RunLock(folder):
            pass
    assert not (tmp_path / "elsewhere").exists()

    with full_disk(0), pytest.raises(ConfigError, match="written: File too large; allow"), RunLock(tmp_path):
        pass

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(ConfigError, match="another file system"), RunLock(tmp_path):
        pass


def held_open(folder: Path) -> list[str]:
    """What this process holds open of ``folder``; what else it holds may be closed at any time, by the collector too."""
    if not (descriptors := Path("/proc/self/fd")).exists():
        pytest.skip("this system does not list what a process holds open")
    targets = []
    for each in descriptors.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since, as the listing itself is
            targets.append(os.readlink(each))
    return [target for target in targets if target.startswith(os.fspath(folder.resolve()))]


def test_refusals_leak_no_descriptors(tmp_path: Path):
    with RunLock(tmp_path):
        before = held_open(tmp_path)
        for _ in range(20):
            with pytest.raises(ConfigError), RunLock(tmp_path):
                pass
        assert len(before) == len(held_open(tmp_path)) == 1
