"""One process per run folder.

The lock is ``flock`` on the file ``.lock``: the kernel releases it however its holder ends, ``kill -9``
included, so a dead process never blocks a run and no stale lock needs judging. A pid file would need that
judgement, and pids are used again. The pid in the file only serves the message. The file stays: if it were
deleted, two processes could each lock a file of that name. POSIX only; on a network file system the lock is
as good as its flock.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from scorefield._replacing import FULL, unwritten
from scorefield.errors import ConfigError

_held: set[int] = set()


def _let_go() -> None:
    """Close the locks a forked child inherits: a data worker that outlives its parent must not hold the run."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


class RunLock:
    """A context in which no other process, and no other lock of this one, holds ``folder``.

    Args:
        folder: an existing run folder this user may write to.

    Raises:
        ConfigError: on entry, if the folder is held, cannot be written to, or its file system cannot lock.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor = -1

    def __enter__(self) -> Self:
        path = self.folder / ".lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise ConfigError(
                f"cannot lock the run folder {self.folder}: {error}; expected an existing folder this user may write to"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise self._refusal(error, holder) from error
        self._descriptor = descriptor
        _held.add(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        # Closing releases; an explicit unlock in a forked child would release its parent's lock.
        if self._descriptor in _held:
            _held.remove(self._descriptor)
            os.close(self._descriptor)

    def _refusal(self, error: OSError, holder: str) -> ConfigError:
        if error.errno in FULL:
            return ConfigError(str(unwritten(self.folder, error)))
        if not isinstance(error, BlockingIOError):
            return ConfigError(f"cannot lock the run folder {self.folder}: {error}; choose one on another file system")
        pid = holder if holder.isdecimal() else "of unknown pid"  # empty while the holder is starting
        return ConfigError(
            f"the run folder {self.folder} is in use by process {pid}; expected it to be free: wait for that process, "
            "stop it, or choose another run folder"
        )
