"""Work in numbered parts, shared among processes: each finished part is kept in a file, and is not computed again after a kill."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from scorefield._replacing import replacing
from scorefield.training.parallel import Parallel

Each = Callable[[str, int, Callable[[int], tuple[Tensor, ...]]], Iterable[tuple[Tensor, ...]]]
"""(name, count, work) ↦ work(0), …, work(count − 1), wherever they are computed; to be gone through as often as wanted."""


def in_turn(_: str, count: int, work: Callable[[int], tuple[Tensor, ...]]) -> Iterable[tuple[Tensor, ...]]:
    """Compute every part in this process, one after another."""
    return [work(k) for k in range(count)]


class Parts:
    """The parts of one piece of work.

    Args:
        parallel: the processes that share it; all of them see the folder.
        folder: where results are kept; its name contains the `fingerprint` of everything that decides them.
    """

    def __init__(self, parallel: Parallel, folder: Path) -> None:
        self.parallel = parallel
        self.folder = folder
        self._lock: int | None = None
        self._own = parallel.world > 1

    def each(self, name: str, count: int, work: Callable[[int], tuple[Tensor, ...]]) -> Iterable[tuple[Tensor, ...]]:
        """Return the results of all parts; missing ones are computed by the processes in turn. Each is read when it is used.

        Nothing is kept while another command does the same work.
        """
        files = [self.folder / f"{name}-{k:06d}.safetensors" for k in range(count)]
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._alone():
            return in_turn(name, count, work)
        left = [k for k, file in enumerate(files) if not file.exists()]
        self.parallel.wait()  # nobody writes before everybody has looked
        for k in left[self.parallel.rank :: self.parallel.world]:
            _write(files[k], work(k))
        self.parallel.wait()
        return _Kept(files)

    def clear(self) -> None:
        """Remove the kept parts, once the whole result is written."""
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Unlock the folder, and remove it if it is empty."""
        if self._lock is not None:
            if self._own:
                with suppress(OSError):  # where there are parts
                    self.folder.rmdir()
            os.close(self._lock)
        self._lock = None

    def _alone(self) -> bool:
        """Tell whether no other command keeps its work here: the first to end would remove the folder under the other."""
        if self.parallel.world == 1 and self._lock is None:
            try:
                self._lock = os.open(self.folder, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._own = os.path.samestat(os.fstat(self._lock), self.folder.stat())
            except (BlockingIOError, FileNotFoundError):  # held, or removed by who held it
                self._own = False
        return self._own


class _Kept(Iterable[tuple[Tensor, ...]]):
    """Results in files."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = files

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for file in self._files:
            found = load(file.read_bytes())  # by bytes: its own reading of files wants names in UTF-8
            yield tuple(found[str(i)] for i in range(len(found)))


def _write(path: Path, result: tuple[Tensor, ...]) -> None:
    """Write a result whole or not at all."""
    try:
        with replacing(path) as place:
            place.write_bytes(save({str(i): value.detach().cpu().contiguous() for i, value in enumerate(result)}))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def fingerprint(setting: dict[str, Any], *tensors: Tensor) -> str:
    """Return twelve letters that differ where settings or tensors do."""
    found = hashlib.blake2b(json.dumps(setting, sort_keys=True, default=str).encode(), digest_size=6)
    for tensor in tensors:
        found.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
