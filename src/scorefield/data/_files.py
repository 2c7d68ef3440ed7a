"""How this package refuses a file: what was found, what was expected, what to do."""

import os
from pathlib import Path

from scorefield.errors import DataError


def refusal(path: str | os.PathLike[str], found: str, expected: str, remedy: str) -> DataError:
    """Return the error, to be raised, that names the file and says what to do about it."""
    return DataError(f"{os.fspath(path)!r}: found {found}; expected {expected}. {remedy}")


def regular_file(path: str | os.PathLike[str], expected: str) -> Path:
    """Return ``path`` if it names a regular file, or a symbolic link to one.

    Folders, pipes and devices are refused here, before anything blocks on them or reads them without end.
    """
    # os.path, unlike pathlib, answers False for what may not be looked at and for names that cannot exist.
    if os.path.isfile(path) and os.path.getsize(path) > 0:
        return Path(path)
    if os.path.isfile(path):
        raise refusal(path, "0 bytes, an empty file", expected, "Copy it again, or remove it.")
    if os.path.isdir(path):
        found = "a folder"
    elif os.path.islink(path):
        found = "a link that leads to no file"
    else:
        found = "something that is not a regular file" if os.path.exists(path) else "no such file"
    raise refusal(path, found, expected, "Check the path.")
