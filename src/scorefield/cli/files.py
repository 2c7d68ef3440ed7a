"""Where commands write."""

import os
from pathlib import Path

from scorefield._errors import ConfigError

__all__ = ["make_folder"]


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
