"""Where commands write, and the recipes that come with them."""

import itertools
import os
from importlib.resources import files
from pathlib import Path

from scorefield.errors import ConfigError

__all__ = ["free_folder", "free_place", "is_picture", "make_folder", "recipes", "writable"]


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


def writable(name: str, kinds: tuple[str, ...] = ()) -> Path:
    """Return the file called by --out, which can be written; it is refused before anything is computed.

    Args:
        name: what was given.
        kinds: the extensions it may have; any when absent.

    Raises:
        ConfigError: another extension, no such folder, no permission.
    """
    out = Path(name)
    if kinds and os.path.splitext(name)[1] not in kinds:  # as Pillow has it: to Path, "..png" has an extension
        raise ConfigError(f"--out {out}: the extension must be {', '.join(kinds[:-1])} or {kinds[-1]}")
    if not os.path.isdir(out.parent):  # of whatever name: Path's own refuses what is too long
        raise ConfigError(f"--out {out}: the folder {out.parent} does not exist")
    new = not os.path.exists(out)
    try:
        out.open("ab").close()  # what is there stays
        if new:
            out.unlink(missing_ok=True)  # of several processes, another may have done it
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error.strerror}; choose another") from error
    return out


def free_place(name: str) -> Path:
    """Return the path of a file or folder that does not exist, and can be made where it is; missing folders above it are made.

    Raises:
        ConfigError: it exists, or cannot be made.
    """
    out = Path(name)
    if os.path.exists(out):
        raise ConfigError(f"--out {out}: exists already; name a new one")
    make_folder(out.parent)
    return out


def recipes() -> dict[str, Path]:
    """Return the configurations that come with the package, by name."""
    folder = Path(str(files("scorefield"))) / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def is_picture(event: tuple[int, ...]) -> bool:
    """Tell whether samples of this shape are images that a picture can show."""
    return len(event) == 3 and event[0] in (1, 3)
