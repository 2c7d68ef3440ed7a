"""CIFAR-10: 50 000 + 10 000 colour images of 32×32, ten classes, in its binary form.

A file is records of 3073 bytes: the class, then 1024 red, 1024 green and 1024 blue values, row by row. Where the files come from is as in
`scorefield.data.mnist`: a folder of one's own holds ``data_batch_1.bin`` to ``data_batch_5.bin`` or ``test_batch.bin``, itself or in a
sub-folder ``cifar10`` or ``cifar-10-batches-bin``, and is held to this format; otherwise the published archive is downloaded once, held to
its hash, and read as it is. The form for Python is pickled code, and is not read.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from scorefield.data._files import refusal, regular_file
from scorefield.data.dataset import Dataset
from scorefield.data.download import RemoteFile, fetch, listing
from scorefield.errors import DataError

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""What the labels 0 to 9 stand for."""

_ARCHIVE = RemoteFile(
    "cifar-10-binary.tar.gz",
    170052171,
    "c32a1d4ab5d03f1284b67883e8d87530",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
_MIRRORS = ("https://www.cs.toronto.edu/~kriz",)
_FOLDER = "cifar-10-batches-bin"
_EVENT = (3, 32, 32)
_RECORD = 3073
_MOST = 1 << 30  # bytes of a file; those published have 30 MB
_EXPECTED = f"records of {_RECORD} bytes, a class from 0 to 9 and an image"
_TRAIN, _TEST = tuple(f"data_batch_{k}.bin" for k in range(1, 6)), ("test_batch.bin",)


def cifar10(*, train: bool = True, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return CIFAR-10: x of shape (n, 3, 32, 32) in bytes, labels 0..9, which `CIFAR10_CLASSES` names.

    Args:
        train: the 50 000 training examples, or else the 10 000 test examples.
        data_dir: a folder that holds the files, instead of ``SCOREFIELD_DATA`` and the cache.

    Reference:
        Krizhevsky: Learning multiple layers of features from tiny images, 2009.

    Raises:
        DataError: a file is missing, damaged, cannot be downloaded or is not what its name says.
    """
    names = _TRAIN if train else _TEST
    own = data_dir or os.environ.get("SCOREFIELD_DATA")
    parts = _from_folder(Path(own).expanduser(), names) if own else _from_archive(names)
    records = np.concatenate(list(parts))
    x = torch.from_numpy(records[:, 1:].copy()).reshape(-1, *_EVENT)
    return Dataset(x, torch.from_numpy(records[:, 0].astype(np.int64)), "cifar10")


def _from_folder(folder: Path, names: tuple[str, ...]) -> Iterator[UInt8[np.ndarray, "n record"]]:
    """Yield the records of each file in a folder of the user's."""
    places = [place for place in (folder / "cifar10", folder / _FOLDER, folder) if os.path.exists(place / names[0])]
    if not places:
        raise _missing(folder, names)
    for name in names:
        path = regular_file(places[0] / name, _EXPECTED)
        size = path.stat().st_size
        if size > _MOST:
            raise refusal(path, f"{size} bytes", f"at most {_MOST}", "Copy the file again.")
        yield _records(path, path.read_bytes())


def _missing(folder: Path, names: tuple[str, ...]) -> DataError:
    """Return the error that says where the files are looked for; of files for Python, why they are not read."""
    pickled = [folder / "cifar-10-batches-py", folder / "data_batch_1", folder / "cifar-10-python.tar.gz"]
    for path in filter(os.path.exists, pickled):
        remedy = f"Download {_ARCHIVE.name} in its place and unpack it there:\n{listing([_ARCHIVE], _MIRRORS)}"
        return refusal(path, "CIFAR-10 for Python, pickles that can run code", "its binary version", remedy)
    return DataError(
        f"{os.fspath(folder)!r}: found no {names[0]}, there or in cifar10/ or {_FOLDER}/; data_dir or SCOREFIELD_DATA names this folder. "
        f"Unpack the archive there, or name no folder to have it downloaded:\n{listing([_ARCHIVE], _MIRRORS)}"
    )


def _from_archive(names: tuple[str, ...]) -> Iterator[UInt8[np.ndarray, "n record"]]:
    """Yield the records of each file in the published archive, downloaded where it is not yet."""
    import pooch  # only who wants such files waits for it

    path = fetch(_ARCHIVE, _MIRRORS, Path(pooch.os_cache("scorefield")) / "cifar10")
    with tarfile.open(path) as archive:
        for name in names:
            stream = archive.extractfile(f"{_FOLDER}/{name}")
            assert stream is not None  # noqa: S101 for the type checker: the archive's hash is known
            yield _records(path / name, stream.read())


def _records(path: Path, content: bytes) -> UInt8[np.ndarray, "n record"]:
    """Return the records of a file."""
    if not content or len(content) % _RECORD:
        raise refusal(path, f"{len(content)} bytes", _EXPECTED, "Copy the file again.")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise refusal(path, f"class {records[:, 0].max()}", _EXPECTED, "Copy the file again.")
    return records
