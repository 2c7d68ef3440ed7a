"""Published files on this machine: from the cache, or from the first mirror that delivers the right bytes.

A file is used only if its SHA-256 is the pinned one. It is written beside its final place under a temporary
name and renamed when it has been checked, so a broken download is never cached and two processes can fetch
at the same time.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scorefield._replacing import replacing
from scorefield.errors import DataError

_TIMEOUT = 30.0  # seconds of silence before the next mirror is tried


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name on every mirror, its size in bytes, its hashes in hexadecimal.

    SHA-256 decides. MD5 is what publishers print, and is shown to those who place files by hand.
    """

    name: str
    size: int
    md5: str
    sha256: str


class _Bounded:
    """Writes to ``sink`` and refuses to write more than ``limit`` bytes, whatever a server sends."""

    def __init__(self, sink: IO[bytes], limit: int) -> None:
        self._sink = sink
        self._left = limit

    def write(self, data: bytes) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise DataError("sent more bytes than the published file has")
        return self._sink.write(data)

    def flush(self) -> None:
        self._sink.flush()


def fetch(file: RemoteFile, mirrors: tuple[str, ...], folder: Path) -> Path:
    """Return where ``file`` lies in the cache, ``folder``; it is downloaded if missing or not as published.

    ``mirrors`` are addresses of folders, without a final slash, tried in order.
    """
    path = folder / file.name
    try:
        if path.is_file() and _is_published(path, file):
            return path
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{os.fspath(path)!r}: cannot be read or written ({error}); expected a cache folder that can. "
            f"Make it writable, or name a folder that holds the files:\n{listing([file], mirrors)}"
        ) from error
    failures: list[str] = []
    for mirror in mirrors:
        try:
            return _download(f"{mirror}/{file.name}", file, path)
        except (OSError, DataError) as error:  # whatever fails on the way is an OSError in requests too
            failures.append(f"  {mirror}/{file.name}: {_why(error)}")
    raise DataError(
        f"{file.name} could not be downloaded:\n" + "\n".join(failures) + "\n"
        f"Get it in another way and put it into {os.fspath(folder)!r}:\n{listing([file], mirrors)}"
    )


def listing(files: Iterable[RemoteFile], mirrors: tuple[str, ...]) -> str:
    """Return the lines that tell a person where to find ``files`` and how to know them."""
    return "\n".join(
        f"  {' or '.join(f'{mirror}/{file.name}' for mirror in mirrors)}  ({file.size} bytes, MD5 {file.md5})"
        for file in files
    )


def _why(error: BaseException) -> str:
    """Return what first went wrong: libraries wrap "Name or service not known" in a paragraph of their own objects."""
    while error.__context__ is not None:
        error = error.__context__
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _is_published(path: Path, file: RemoteFile) -> bool:
    import pooch  # only who wants such files waits for it

    return path.stat().st_size == file.size and pooch.file_hash(str(path), alg="sha256") == file.sha256


def _download(url: str, file: RemoteFile, path: Path) -> Path:
    import pooch

    # Servers must not re-encode, as the hash is that of the stored bytes. No redirect leads from http to file://.
    get = pooch.HTTPDownloader(chunk_size=1 << 16, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})
    with replacing(path) as place:
        with place.open("wb") as part:
            get(url, _Bounded(part, file.size), None)
        if not _is_published(place, file):
            received = pooch.file_hash(str(place), alg="sha256")
            raise DataError(f"delivered other bytes than published (SHA-256 {received}, expected {file.sha256})")
    return path
