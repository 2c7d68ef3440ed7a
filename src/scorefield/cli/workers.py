"""Independent calls on all cores at once, one process each. No process outlives the command; the result of one that dies is None."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[Item, Result | None]]:
    """Yield every item with function(item), in the order they are done; None where the process died, and of all that were to follow.

    As many run at once as PyTorch has threads, and share them: small tensors gain nothing from a second thread. One item alone, or one
    thread, is run in this process.

    Args:
        function: of a module, so that processes can import it.
        items: what it is called with.
    """
    threads = torch.get_num_threads()
    workers = min(len(items), threads)
    if workers <= 1:
        yield from ((item, function(item)) for item in items)
        return
    # spawn: what a fork inherits of OpenMP's threads does not work.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(threads // workers,)) as pool:
        try:
            waiting = {pool.submit(function, item): item for item in items}
            for future in as_completed(waiting):
                try:
                    yield waiting[future], future.result()
                except BrokenProcessPool:
                    yield waiting[future], None
        except BaseException:  # Ctrl-C, mostly: leaving the pool would wait for what is running
            for process in active_children():
                process.terminate()
            raise


def _begin(threads: int) -> None:
    """Make a process a worker: it stops when the command asks it to, or has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()
    torch.set_num_threads(threads)


def _follow() -> None:
    command = parent_process()
    assert command is not None  # noqa: S101 workers have one
    command.join()
    os._exit(1)
