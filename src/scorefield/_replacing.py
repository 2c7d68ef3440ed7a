"""How files are written: whole or not at all, so that a full disk or a signal leaves what was there before.

They are made in a hidden folder beside their place, which its process holds locked (``flock``). The kernel unlocks it however the process
ends, ``kill -9`` included: what is not locked is left of a dead process, and the next one that writes there removes it.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scorefield.errors import ConfigError, ScorefieldError

FULL = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)
"""What the system says of a disk that takes no more."""

_REMEDIES = {errno.EFBIG: "allow larger files (ulimit -f)", errno.EIO: "check the disk"}
_PREFIX = ".scorefield-unfinished-"


def remedy(error: OSError) -> str:
    """Return what to do about a disk that takes no more."""
    return _REMEDIES.get(error.errno or 0, "free some space")


def unwritten(path: str | os.PathLike[str], error: OSError, other: str = "another") -> ScorefieldError:
    """Return the error of a file or folder that cannot be written: a `ConfigError`, unless the disk is full or failing."""
    full = error.errno in FULL
    kind, advice = (ScorefieldError, f"{remedy(error)}, or choose") if full else (ConfigError, "choose")
    return kind(f"{shown(path)}: cannot be written: {error.strerror or error}; {advice} {other}")


def shown(path: str | os.PathLike[str]) -> Path:
    """Return the path that what is written becomes, for messages: without the hidden folder it is made in."""
    return Path(*(part for part in Path(path).parts if not part.startswith(_PREFIX)))


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield where to write a file or a folder; it becomes ``path`` when all of it is written, and until then what was there stays.

    A device is written to as it is, and so is a file in a folder where nothing can be made. What a link leads to is replaced, not the link.
    """
    target = Path(os.path.realpath(path))
    if (target.exists() and not target.is_file()) or not os.access(target.parent, os.W_OK):
        yield Path(path)
        return
    with making(target.parent) as folder:
        made = folder / Path(path).name  # whose extension decides what is written
        try:
            yield made
        except OSError as error:
            if error.errno is not None:  # the system's own, which of writing names no file
                error.filename = error.filename or os.fspath(path)
            raise
        if target.exists():
            shutil.copymode(target, made)
        os.replace(made, target)


@contextmanager
def making(parent: Path) -> Iterator[Path]:
    """Yield a new folder in ``parent`` to make something in; it is gone afterwards, and so are those that killed processes left."""
    _clear(parent)
    folder = Path(tempfile.mkdtemp(prefix=".", dir=parent))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # where nothing can be locked, it keeps a name that nobody removes
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # By this name others find it, and by then it is locked.
            folder = folder.rename(parent / f"{_PREFIX}{folder.name[1:]}")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _clear(parent: Path) -> None:
    """Remove the folders of `making` that no process holds."""
    for folder in parent.glob(f"{_PREFIX}????????"):
        with suppress(OSError):  # in use, somebody else's, or no folder
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
