"""What the tests of checkpoints and locks share: a recognisable content, faults in calls to the system, children to kill."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from scorefield.runs.lock import RunLock
from scorefield.training import checkpoint
from scorefield.training.checkpoint import Checkpoint

# Every call by which a save changes or reads the disk, and where it is looked up.
CALLS: dict[str, Any] = {
    **dict.fromkeys(("open", "fsync", "close", "mkdir", "rename", "replace", "unlink", "rmdir"), os),
    **dict.fromkeys(("write_bytes", "read_bytes"), Path),
    "save_file": safetensors.torch,
}
WRITTEN = {"write_bytes": 0, "save_file": 1}  # which write a file, and where in their arguments it is named


def content(mark: int) -> dict[str, dict[str, Tensor]]:
    """Return small tensors that all say ``mark``."""
    return {
        "model": {"w": torch.full((3, 2), float(mark)), "b": torch.tensor(mark)},
        "ema": {"w": torch.full((5,), mark, dtype=torch.bfloat16)},
    }


def write(folder: Path, step: int, mark: int, keep: int = 3) -> Path:
    return checkpoint.save(folder, step, content(mark), {"mark": mark}, keep=keep)


def mark_of(found: Checkpoint | None) -> int:
    """Return what all parts of a checkpoint agree on."""
    assert found is not None
    mark = found.state["mark"]
    assert isinstance(mark, int)
    assert found.tensors.keys() == {"model", "ema"}
    for group, tensors in content(mark).items():
        assert found.tensors[group].keys() == tensors.keys()
        for name, expected in tensors.items():
            assert torch.equal(found.tensors[group][name], expected)
    return mark


def fail(message: str) -> None:
    raise AssertionError(message)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".tmp")]


@contextmanager
def intercepted(before: Callable[[str, int], None], after: Callable[[str, int], None]) -> Iterator[None]:
    """Call ``before(name, k)`` and ``after(name, k)`` around the k-th call of each of `CALLS`; halfway through, if it writes a file."""
    counts = dict.fromkeys(CALLS, 0)
    originals: dict[str, Callable[..., Any]] = {name: getattr(owner, name) for name, owner in CALLS.items()}

    def calling(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            k = counts[name]
            counts[name] += 1
            if name in WRITTEN:
                originals[name](*args, **kwargs)
                path = args[WRITTEN[name]]
                os.truncate(path, path.stat().st_size // 2)
            before(name, k)
            result = originals[name](*args, **kwargs)
            after(name, k)
            return result

        return call

    for name, owner in CALLS.items():
        setattr(owner, name, calling(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(CALLS[name], name, original)


def nothing(_name: str, _k: int) -> None:
    pass


def count_calls(run: Callable[[], object]) -> list[tuple[str, int]]:
    """Return every (name, k) that succeeds when ``run`` is called."""
    calls: list[tuple[str, int]] = []
    with intercepted(nothing, lambda name, k: calls.append((name, k))):
        run()
    return calls


def error_at(name: str, k: int, *, lasting: bool, number: int = errno.EIO) -> Callable[[str, int], None]:
    """Return a fault at the k-th call of ``name``, or from it on."""

    def before(called: str, count: int) -> None:
        if called == name and (count == k or (lasting and count > k)):
            raise OSError(number, os.strerror(number), name)

    return before


def child_dies_at(folder: Path, step: int, mark: int, keep: int, name: str, k: int) -> None:
    """Save, and vanish right before the k-th call of ``name``, or halfway through it if it writes a file."""

    def vanish(called: str, count: int) -> None:
        if (called, count) == (name, k):
            os._exit(9)

    with intercepted(vanish, nothing):
        write(folder, step, mark, keep)


def child_saves_forever(folder: Path, pipe: Connection) -> None:
    """Go on from the newest checkpoint, as a run does, and tell when the first step is saved.

    Every step is written twice, with another mark.
    """
    checkpoint.clean(folder)
    found = checkpoint.latest(folder, fail)
    step = found.step if found else 0
    while True:
        step += 1
        write(folder, step, 2 * step, keep=1)
        write(folder, step, 2 * step + 1, keep=1)
        pipe.send(step)


def child_holds_lock(folder: Path, pipe: Connection, fork: bool) -> None:
    """Hold the lock until told to stop; with ``fork``, leave a worker behind that outlives this process."""
    with RunLock(folder):
        if fork and os.fork() == 0:
            pipe.send(os.getpid())  # by the worker: only now has it closed what it inherited
            pipe.poll(None)
            os._exit(0)
        if not fork:
            pipe.send(0)
        pipe.recv()
