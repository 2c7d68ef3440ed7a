"""Processes that need not import PyTorch, as another has: each is forked from there, in a tenth of the time that its imports would take.

They have a memory, signals and an exit code of their own, as the commands of a shell have. What a command's start itself has to keep
is tested of ``python -m scorefield``, and of torchrun.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch

from scorefield.cli.main import main

children = multiprocessing.get_context("forkserver")  # imports torch once; each child is forked from there
children.set_forkserver_preload(  # and all else that a training or a drawing would import: PyTorch's optimisers bring its compiler
    ["accelerate", "matplotlib.pyplot", "scipy.stats", "sklearn.datasets", "torch._dynamo", "torch.utils.tensorboard"]
    + [f"scorefield.{name}" for name in ("runs", "pretrained", "evaluation", "cli.train", "cli.sample", "cli.evaluate")]
)


class Forked:
    """A call in a process of its own, with what `subprocess.Popen` has; what it returns is the exit code, or 0 if it returns nothing."""

    def __init__(
        self, call: Callable[..., int | None], *given: Any, cwd: Path | None = None, **environment: str
    ) -> None:
        self._printed = tempfile.TemporaryDirectory()
        self._streams = [Path(self._printed.name) / name for name in ("stdout", "stderr")]
        whole = {**os.environ, **environment}
        self._process = children.Process(target=_begin, args=(call, given, cwd or Path.cwd(), whole, self._streams))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None until there is one, minus the signal's number where one ended it."""
        return self._process.exitcode

    @property
    def returncode(self) -> int:
        code = self.poll()
        assert code is not None, "it has not ended"
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float = 300.0) -> tuple[str, str]:
        """Wait for its end; return what it printed."""
        self._process.join(timeout)
        if self.poll() is None:
            self.kill()
            raise TimeoutError(f"process {self.pid} did not end in {timeout:g} s: {self._streams[1].read_text()}")
        out, err = (path.read_text() if path.exists() else "" for path in self._streams)
        return out, err


def command(*arguments: str, cwd: Path | None = None, **environment: str) -> Forked:
    """Start ``scorefield`` with these arguments."""
    return Forked(main, arguments, cwd=cwd, **environment)


class Beside:
    """How long something takes, in the seconds that a thread which is busy beside it gets: those of a clock, if the machine is quiet.

    On one under load both get less, and a bound on these seconds holds as it does on a quiet one.
    """

    seconds = 0.0

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._over.is_set():
            pass
        self.seconds = time.thread_time()


@contextmanager
def several(number: int) -> Iterator[list[Mapping[str, str]]]:
    """Yield the environments that torchrun gives so many processes, which find each other while this lasts."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {"WORLD_SIZE": f"{number}", "LOCAL_WORLD_SIZE": f"{number}", "CUDA_VISIBLE_DEVICES": ""}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{store.port}"}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    yield [{**shared, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"} for rank in range(number)]


def _begin(
    call: Callable[..., int | None],
    given: tuple[Any, ...],
    cwd: Path,
    environment: Mapping[str, str],
    streams: list[Path],
) -> None:
    """Be the process: what a forked one inherits is replaced by what a started one has."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, path in enumerate(streams, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    code = call(*given)
    sys.stdout.flush()
    os._exit(code or 0)
