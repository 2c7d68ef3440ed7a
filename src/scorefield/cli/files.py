"""Where commands write, and the recipes of the package."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from scorefield._replacing import replacing, unwritten
from scorefield.errors import ConfigError

_LONGEST = 255


def make_folder(path: Path) -> Path:
    """Return ``path`` as a folder that can be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be a folder: {error.strerror}; choose another with --out") from error
    if not os.access(path, os.W_OK):
        raise ConfigError(f"{path}: not writable; choose another with --out")
    return path


def report_folder(path: Path) -> Path:
    """Return ``path`` as the folder of a report with a page, README.md; one that no report stands beside is somebody's own, and stays."""
    reports = ("evaluation.json", "calibration.json")
    if os.path.lexists(path / "README.md") and not any(os.path.exists(path / name) for name in reports):
        raise ConfigError(f"--out {path}: holds a README.md of its own, which would be lost; name another folder")
    return make_folder(path)


def free_folder(base: Path) -> Path:
    """Return ``base``, or the first of base-2, base-3 … that does not exist."""
    names = (base if k == 1 else base.with_name(f"{base.name}-{k}") for k in itertools.count(1))
    return next(path for path in names if not path.exists())


def writable(name: str, kinds: tuple[str, ...] = (), *, read: tuple[str | None, ...] = ()) -> Path:
    """Return the file called by --out, which can be written and is none of those ``read``; it is refused before anything is computed."""
    out = Path(name)
    if kinds and os.path.splitext(name)[1] not in kinds:  # as Pillow has it: to Path, "..png" has an extension
        *others, last = kinds
        raise ConfigError(f"--out {out}: the extension must be {', '.join(others) + ' or ' if others else ''}{last}")
    if not os.path.isdir(out.parent):  # of whatever name: Path's own refuses what is too long
        raise ConfigError(f"--out {out}: the folder {out.parent} does not exist")
    new = not os.path.exists(out)
    if not new and out.is_fifo() and not out.is_relative_to("/dev"):
        raise ConfigError(f"--out {out}: is a pipe, and may wait for a reader without end; name a file")
    if not new and any(os.path.exists(path) and os.path.samefile(out, path) for path in filter(None, read)):
        raise ConfigError(f"--out {out}: is read by this command, and would be lost; name another file")
    try:
        out.open("ab").close()  # what is there stays
        if new:
            out.unlink(missing_ok=True)  # of several processes, another may have done it
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written: {error.strerror}; choose another") from error
    return out


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """Yield where to write what becomes ``out`` once all of it is written; what was there stays until then. Errors name --out."""
    try:
        with replacing(out) as place:
            yield place
    except OSError as error:
        raise unwritten(out, error, "another --out") from error


def write_text(out: Path, text: str) -> None:
    """Write a text as `written` does, with undecodable bytes of file names escaped; the errors are the same."""
    with written(out) as place:
        place.write_text(text, encoding="utf-8", errors="backslashreplace")


def free_place(name: str) -> Path:
    """Return the path of a file or folder that does not exist and can be made; missing folders above it are made."""
    out = Path(name)
    if os.path.lexists(out):
        raise ConfigError(f"--out {out}: exists already; name a new one")
    if len(os.fsencode(out.name)) > _LONGEST:
        raise ConfigError(
            f"--out {out.name[:40]}…: file systems take names of at most {_LONGEST} bytes; choose a shorter one"
        )
    make_folder(out.parent)
    return out


def recipes() -> dict[str, Path]:
    """Return the configurations that come with the package, by name."""
    folder = Path(str(files("scorefield"))) / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def is_picture(event: tuple[int, ...]) -> bool:
    """Return whether samples of this shape are images that a picture can show."""
    return len(event) == 3 and event[0] in (1, 3)
