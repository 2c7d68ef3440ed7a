"""What checkpoints ask of the disk: whole files in, whole files out, synced, by names that tell the dead from the living.

POSIX only (a folder is synced as a file is). Errors say which file, what was expected and what was found.
"""

import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from scorefield._errors import CheckpointError

__all__ = [
    "TEMPORARY",
    "Content",
    "cannot_write",
    "damaged",
    "holds",
    "is_live",
    "read",
    "read_own",
    "read_verified",
    "remove",
    "scan",
    "short",
    "size",
    "sync",
    "temporary_name",
    "write",
    "write_verified",
]

Content: TypeAlias = Sequence[bytes | memoryview]
"""What a file holds, in parts: large ones are written, hashed and compared from where they lie."""

TEMPORARY = re.compile(r"\.tmp-([1-9][0-9]{0,8})-([0-9a-f]{8})-[0-9]+")
_TOKEN = secrets.token_hex(4)  # tells this process from a dead one of the same pid (containers start at the same pid)
_COUNTER = itertools.count()
_PART = 2**20  # bytes read at a time


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of ``folder``, none if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{folder}: expected a readable folder of checkpoints; found {error}") from error


def temporary_name(folder: Path) -> Path:
    """Return a name in ``folder`` that no other process and no earlier call uses."""
    return folder / f".tmp-{os.getpid()}-{_TOKEN}-{next(_COUNTER)}"


def is_live(pid: int, token: str) -> bool:
    """Tell whether the process that made a temporary name may still be writing there."""
    if pid == os.getpid():
        return token == _TOKEN
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists and belongs to somebody else
        return True
    return True


def remove(path: Path) -> None:
    """Delete a file, a link or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def read(path: Path, limit: int | None = None) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes."""
    try:
        # O_NONBLOCK: opening a FIFO must not wait for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise damaged(path, "a regular file", stat.filemode(status.st_mode))
            if limit is not None and status.st_size > limit:
                raise damaged(path, f"at most {limit} bytes", f"{status.st_size} bytes")
            return file.read()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: NUL in the name
        raise damaged(path, "a readable file", f"{error!r}") from error


def size(content: Content) -> int:
    """Return the number of bytes."""
    return sum(map(len, content))


def holds(path: Path, content: Content) -> bool:
    """Tell whether the file ``path`` has this content; it is read in parts, which costs no memory to speak of."""
    buffer = bytearray(_PART)
    with open(path, "rb") as file:
        for part in content:
            for start in range(0, len(part), _PART):
                expected = part[start : start + _PART]
                got = file.readinto(memoryview(buffer)[: len(expected)])
                if buffer[:got] != expected:  # a bytearray compares as memory does; two memoryviews, item by item
                    return False
        return not file.read(1)


def write(path: Path, content: Content) -> None:
    """Make the file ``path`` with this content, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        for part in content:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_verified(path: Path, content: Content) -> None:
    """As `write`; then the file is read back, and other bytes than were written raise CheckpointError."""
    write(path, content)
    if not holds(path, content):
        raise CheckpointError(
            f"{path}: the disk gave back other bytes than were written; check it, or use another folder. "
            "Earlier checkpoints are intact"
        )


def sync(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(folder: Path, needed: int, error: OSError) -> NoReturn:
    """Raise what a failed save means to a person."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        raise CheckpointError(
            f"{folder}: no space for a checkpoint ({error.strerror}): it needs {needed} bytes, "
            f"{shutil.disk_usage(place).free} are free; free some space or keep fewer checkpoints. "
            "Earlier checkpoints are intact"
        ) from error
    raise CheckpointError(
        f"{folder}: cannot write a checkpoint of {needed} bytes: {error}; expected a folder this user may write "
        "to. Earlier checkpoints are intact"
    ) from error


def damaged(path: Path, expected: str, found: str) -> CheckpointError:
    """Return the error for a file that is not what it should be."""
    return CheckpointError(
        f"{path}: expected {expected}; found {found}; restore it from a copy or use another checkpoint"
    )


def short(value: object) -> str:
    """Return what ``value`` looks like, in at most a line."""
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."


def read_own(path: Path, limit: int, *, links: bool) -> bytes:
    """Return the content of a file of ours, which is a link only where ``links`` says that it may be."""
    if path.is_symlink() and not links:
        raise damaged(path, "a regular file", "a symbolic link")
    return read(path, limit)


def read_verified(path: Path, size: int, sha256: str, *, links: bool) -> bytes:
    """Return the content of a file of ours that has this size and hash; ``links`` as in `read_own`."""
    data = read_own(path, max(size, 0), links=links)
    if len(data) != size:
        raise damaged(path, f"{size} bytes", f"{len(data)} bytes")
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise damaged(path, f"SHA-256 {sha256}", found)
    return data
