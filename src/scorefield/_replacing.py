"""How files are written: whole or not at all, so that a full disk or a signal leaves what was there before."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield where to write a file or a folder; it becomes ``path`` when all of it is written, and until then what was there stays.

    A device is written to as it is, and so is a file in a folder where nothing can be made. What a link leads to is replaced, not the link.
    """
    target = Path(os.path.realpath(path))
    if (target.exists() and not target.is_file()) or not os.access(target.parent, os.W_OK):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as folder:
        made = Path(folder) / Path(path).name  # whose extension decides what is written
        yield made
        if target.exists():
            shutil.copymode(target, made)
        os.replace(made, target)
