"""Where commands write."""

import itertools
import os
from pathlib import Path

from scorefield._errors import ConfigError

__all__ = ["free_folder", "make_folder", "pictured"]


def make_folder(path: Path) -> Path:
    """Return ``path`` as a folder that can be written to.

    Raises:
        ConfigError: it is not one, and cannot become one.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be a folder: {error.strerror}; choose another with --out") from error
    if not os.access(path, os.W_OK):
        raise ConfigError(f"{path}: not writable; choose another with --out")
    return path


def free_folder(base: Path) -> Path:
    """Return ``base``, or the first of base-2, base-3 … that does not exist."""
    names = (base if k == 1 else base.with_name(f"{base.name}-{k}") for k in itertools.count(1))
    return next(path for path in names if not path.exists())


def pictured(event: tuple[int, ...]) -> bool:
    """Return whether a sample of this shape is a picture: grey or colours, height, width."""
    return len(event) == 3 and event[0] in (1, 3)
